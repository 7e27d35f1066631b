"""The steps of a program, as plan.go tells: waits in milliseconds, and groups of calls that go on at the same time."""

import os


class Call:
    """A call: its address, its body and headers, and whether it is given up after PATIENCE seconds and made again."""

    PATIENCE = 0.02

    def __init__(self, word, body, parent):
        flags = word[4] if len(word) > 4 else b""
        self.url = "http://127.0.0.1:%s%s" % (word[1].decode(), word[2].decode())
        self.body = body
        self.hasty = b"t" in flags
        self.headers = {"traceparent": child(parent)} if parent and b"h" in flags else {}


def child(parent):
    """What goes on with the trace context of the request is a child of it."""
    return "%s-%s-01" % (parent[:35], os.urandom(8).hex())


def reply_of(program):
    """Give the reply that is asked for, and the rest of the program."""
    if not program.startswith(b"r "):
        return b"ok\n", program
    line, program = program.split(b"\n", 1)
    return b"ok\n" * (int(line.split()[1]) // 3), program


def steps(program, parent=None):
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
        group.append(Call(word, program[:size], parent))
        program = program[size:]
    if group:
        yield group
