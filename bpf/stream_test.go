package bpf

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// TestZeros: a frame of zeros in one operation, each five of which are an empty message of gRPC, is followed to its end. Its bytes are
// counted, its messages are not, and the next frame is told.
func TestZeros(t *testing.T) {
	const size = 200_000
	k := start(t)
	p := families["ipv4"](t)
	f := newFramed(http2.ClientPreface)
	r := rand.New(rand.NewPCG(1, 1))
	f.headers(r, 1, 100, 1, false)
	f.data[1] = &told{bytes: size, messages: uint32(WeftPieceFlagPIECES_FRAMES) | 1}
	f.tell(func() error { return f.WriteData(1, true, make([]byte, size)) })
	f.headers(r, 3, 100, 1, true)
	text, read := f.String(), make(chan error, 1)
	go func() { // a socket's buffers hold less
		var err error
		for left, buf := len(text), make([]byte, 1<<16); left > 0 && err == nil; {
			var n int
			n, err = unix.Read(p.server, buf)
			left -= n
		}
		read <- err
	}()
	n, err := unix.Write(p.client, []byte(text))
	check(t, err)
	check(t, <-read)
	if n != len(text) {
		t.Fatalf("one operation took %d bytes of %d", n, len(text))
	}
	compareFrames(t, "client", f.want, k.frames(p.client, event.Send))
}
