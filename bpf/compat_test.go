package bpf

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// narrow is a program that sends a request to itself, and its reply.
const narrow = `package main

import "net"

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	s, err := l.Accept()
	if err != nil {
		panic(err)
	}
	for range 3 {
		c.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
		s.Read(make([]byte, 100))
		s.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		c.Read(make([]byte, 100))
	}
}
`

// TestCompat runs a 32-bit program: its operations are counted, and none of it is read.
func TestCompat(t *testing.T) {
	k := load(t, WeftSetting{Self: 1, Wake: 1 << 20})
	k.attach()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "narrow")
	check(t, os.WriteFile(source, []byte(narrow), 0o600))
	build := exec.Command("go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := exec.Command(program)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := k.count(WeftCountCOUNT_UNREAD + WeftCount(WeftUnreadReasonUNREAD_COMPAT)); n < 12 {
		t.Errorf("%d operations counted of 12", n)
	}
	k.drain()
	for _, r := range k.records {
		if int(r.pid) == run.Process.Pid && r.length > 0 {
			t.Errorf("read: %+v", r)
		}
	}
}
