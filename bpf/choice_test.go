package bpf

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// turn moves one request and its reply, and tells how many ends were seen.
func (k *capture) turn(t *testing.T, p pair) int {
	t.Helper()
	k.forget()
	move(t, p.client, p.server, get, 1<<20)
	move(t, p.server, p.client, okReply, 1<<20)
	k.drain()
	return len(k.ended)
}

// TestChoice changes what is decided of this process while a connection is in use.
func TestChoice(t *testing.T) {
	k := load(t, WeftSetting{Self: 1, Wake: 1 << 20})
	k.attach()
	p := families["ipv4"](t)
	self := os.Getpid()
	for _, c := range []struct {
		choice WeftChoice
		want   int
	}{
		{WeftChoiceCHOICE_TRACE, 2}, {WeftChoiceCHOICE_IGNORE, 0}, {WeftChoiceCHOICE_TRACE, 2}, {WeftChoiceCHOICE_OTHER, 0},
		{WeftChoiceCHOICE_NONE, 2},
	} {
		k.choose(self, c.choice)
		for range 3 {
			if n := k.turn(t, p); n != c.want {
				t.Errorf("choice %d: %d ends seen, want %d", c.choice, n, c.want)
			}
		}
	}
}

// TestUndecided holds that with IgnoreUnknown a process is traced from the moment on at which that is decided.
func TestUndecided(t *testing.T) {
	k := load(t, everything())
	k.attach()
	p := families["ipv4"](t)
	if n := k.turn(t, p); n != 0 {
		t.Errorf("undecided: %d ends seen", n)
	}
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	if n := k.turn(t, p); n != 2 {
		t.Errorf("chosen: %d ends seen", n)
	}
}

// TestSelf holds that nothing of the process in the settings is recorded, whatever was decided of it.
func TestSelf(t *testing.T) {
	s := everything()
	s.Self = uint32(os.Getpid())
	k := load(t, s)
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	k.attach()
	for name, open := range families {
		if n := k.turn(t, open(t)); n != 0 || len(k.records) != 0 {
			t.Errorf("%s: %d ends and %d records", name, n, len(k.records))
		}
	}
}

// TestOwn holds that the other end of a connection that the settings' process has opened is not recorded either.
func TestOwn(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	q := families["ipv4"](t)
	local, peer := port(t, p.client), port(t, p.server)
	check(t, k.objects.Own.Put(uint32(local)<<16|uint32(peer), uint8(1)))
	if n := k.turn(t, p); n != 1 { // the client's end: its ports are the other way round
		t.Errorf("%d ends of an own connection seen", n)
	}
	for _, x := range k.ended {
		if x.server {
			t.Errorf("the server's end: %+v", x)
		}
	}
	if n := k.turn(t, q); n != 2 {
		t.Errorf("%d ends of another connection seen", n)
	}
}

func port(t *testing.T, fd int) int {
	t.Helper()
	a, err := unix.Getsockname(fd)
	check(t, err)
	return a.(*unix.SockaddrInet4).Port
}

// TestPorts: an included port makes a connection of any process but an excluded one traced; an excluded one hides it.
func TestPorts(t *testing.T) {
	s := everything()
	s.Ports = 1
	k := load(t, s)
	k.attach()
	self := os.Getpid()
	open := func(value uint8) pair {
		p := families["ipv4"](t)
		if value != 0 {
			check(t, k.objects.Ports.Put(uint16(port(t, p.server)), value))
		}
		return p
	}
	const include, exclude = 1, 2
	for _, c := range []struct {
		choice WeftChoice
		port   uint8
		want   int
	}{
		{WeftChoiceCHOICE_NONE, 0, 0}, {WeftChoiceCHOICE_NONE, include, 2}, {WeftChoiceCHOICE_OTHER, include, 2}, {WeftChoiceCHOICE_OTHER, 0, 0},
		{WeftChoiceCHOICE_TRACE, 0, 2}, {WeftChoiceCHOICE_TRACE, exclude, 0}, {WeftChoiceCHOICE_IGNORE, include, 0},
	} {
		k.choose(self, c.choice)
		if n := k.turn(t, open(c.port)); n != c.want {
			t.Errorf("choice %d, port %d: %d ends seen, want %d", c.choice, c.port, n, c.want)
		}
	}
}
