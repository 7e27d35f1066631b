package bpf

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNamesUnderWay: both ends give a connection the same name, whatever comes in for it or is sent by another thread at the moment when it is
// seen first.
func TestNamesUnderWay(t *testing.T) {
	const younger, older = 4000, 200
	var received, sent []pair
	for range older {
		received = append(received, families["ipv4"](t))
		sent = append(sent, families["ipv4"](t))
	}
	k := start(t)
	t.Run("older, received", func(t *testing.T) { k.namesAlike(t, received, pair.received) })
	t.Run("older, sent", func(t *testing.T) { k.namesAlike(t, sent, pair.sent) })
	t.Run("younger, received", func(t *testing.T) {
		wrong := 0
		for range younger {
			p := families["ipv4"](t)
			wrong += k.differ(t, p, pair.received)
			p.close()
		}
		if wrong > 0 {
			t.Errorf("%d of %d connections have two names", wrong, younger)
		}
	})
}

// received and sent give the end at which segments leave all the time, and the end that is seen first meanwhile.
func (p pair) received() (busy, first int) { return p.server, p.client }
func (p pair) sent() (busy, first int)     { return p.client, p.client }

func (k *capture) namesAlike(t *testing.T, pairs []pair, of func(pair) (busy, first int)) {
	wrong := 0
	for _, p := range pairs {
		wrong += k.differ(t, p, of)
	}
	if wrong > 0 {
		t.Errorf("%d of %d connections have two names", wrong, len(pairs))
	}
}

// differ counts a connection whose ends give it different names.
func (k *capture) differ(t *testing.T, p pair, of func(pair) (busy, first int)) (wrong int) {
	t.Helper()
	k.forget()
	clear(k.sockets)
	busy, first := of(p)
	begun, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		close(begun)
		for range 40 {
			_, _ = unix.Write(busy, []byte(get))
		}
	}()
	<-begun
	for range 10 {
		_, err := unix.Write(first, []byte(get))
		check(t, err)
	}
	<-done
	receiveAll(t, receives["read"], p.server, 1, 1<<20)
	k.drain()
	var names [][2]uint64
	for _, s := range k.sockets {
		names = append(names, [2]uint64{s.NameLocal, s.NamePeer})
	}
	if len(names) == 2 && names[0][0] == names[1][1] && names[0][1] == names[1][0] {
		return 0
	}
	t.Logf("names %x", names)
	return 1
}
