"""The steps of a program, as plan.go tells: waits in milliseconds, and groups of calls that go on at the same time."""


def steps(program):
    group = []
    while program:
        line, program = program.split(b"\n", 1)
        word = line.split()
        if word[0] == b"w":
            if group:
                yield group
                group = []
            yield int(word[1])
            continue
        if word[0] == b"c" and group:
            yield group
            group = []
        size = int(word[3])
        group.append(("http://127.0.0.1:%s%s" % (word[1].decode(), word[2].decode()), program[:size]))
        program = program[size:]
    if group:
        yield group
