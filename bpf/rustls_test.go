package bpf

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"weft/agent/library"
	"weft/correlate/event"
)

// startRustls builds the program of testdata and has it traced: what it gives runs it with its arguments.
func startRustls(t *testing.T) (k *capture, run func(t *testing.T, arguments ...int)) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rustls")
	if out, err := exec.Command("gcc", "-O2", "-pthread", "-o", program, "testdata/rustls.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	functions, err := library.Inspect(program)
	check(t, err)
	s := everything()
	s.Tls = 1
	k = load(t, s)
	k.attach()
	for name, at := range functions {
		direction := WeftDirectionDIRECTION_RECEIVE
		if strings.HasPrefix(name, library.RustlsEncrypt) {
			direction = WeftDirectionDIRECTION_SEND
		}
		put(t, program, k.objects.RustlsFunction, uint64(direction), at)
	}
	return k, k.runner(program)
}

// runner gives what runs a program of testdata with its arguments, traced from before its first call on.
func (k *capture) runner(program string) func(t *testing.T, arguments ...int) {
	return func(t *testing.T, arguments ...int) {
		t.Helper()
		k.t = t
		k.forget()
		var text []string
		for _, a := range arguments {
			text = append(text, strconv.Itoa(a))
		}
		c := exec.Command(program, text...)
		begin, err := c.StdinPipe()
		check(t, err)
		ready, err := c.StdoutPipe()
		check(t, err)
		check(t, c.Start())
		_, err = ready.Read(make([]byte, 1)) // what is chosen before it is executed is forgotten
		check(t, err)
		k.traced = c.Process.Pid
		k.choose(k.traced, WeftChoiceCHOICE_TRACE)
		_, err = begin.Write([]byte("."))
		check(t, err)
		check(t, c.Wait())
	}
}

func numbered(n int) (targets []string) {
	for i := range n {
		targets = append(targets, fmt.Sprintf("/%d", i))
	}
	return targets
}

// TestRustls reads both ends of connections, and both name a request alike, with the structures of old and of new versions, in one piece and
// in several, in heads of one record and of two, and while connections move about in memory and change their keys.
func TestRustls(t *testing.T) {
	k, run := startRustls(t)
	for name, c := range map[string]struct{ old, moves int }{
		"0.21": {1, 0}, "0.23": {0, 0}, "0.21, moves": {1, 1}, "0.23, moves": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.old, 9, 1, c.moves)
			k.pairs(numbered(9), "", true)
			k.empty()
		})
	}
	t.Run("many records", func(t *testing.T) {
		run(t, 0, 81, 40, 0)
		k.pairs(numbered(81), "", false)
		k.placed(t, numbered(81))
	})
	t.Run("strange", func(t *testing.T) {
		run(t, 2, 3, 1, 0)
		k.drain()
		for _, r := range k.records {
			if r.Direction == event.Send && r.pid == uint32(k.traced) {
				t.Errorf("sent in structures that are not what they are taken for: %+v", r)
			}
		}
	})
}

// placed holds that requests of which 40 were in one write, each in a record, which is more than are kept, are named by the place of
// their record or by none, and never by another's; half of the server's have theirs.
func (k *capture) placed(t *testing.T, targets []string) {
	t.Helper()
	const header, overhead = 5, 17
	wires, named := map[string]uint64{}, 0
	at := uint64(3*header + 4 + 1 + 4) // behind the handshake
	for _, target := range targets {
		wires[target] = at + 1
		at += header + overhead + uint64(len("GET  HTTP/1.1\r\nHost: shop\r\nX-Fill: \r\n\r\n")+len(target))
	}
	for _, s := range k.secure {
		if s.server && s.wire != 0 {
			named++
		}
		if s.wire != 0 && s.wire != wires[s.target] {
			t.Errorf("%s (server %t) at %d, is at %d", s.target, s.server, s.wire, wires[s.target])
		}
	}
	if named < len(targets)/2 {
		t.Errorf("%d of the server's %d requests have their place", named, len(targets))
	}
}
