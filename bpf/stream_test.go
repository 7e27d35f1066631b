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

// TestEmptyMessages: messages without bytes are counted, however many there are in a stream; a frame with more than 256 is taken for
// zeros, as costs little from then on.
func TestEmptyMessages(t *testing.T) {
	const frames, few, many = 20, 250, 300
	k := start(t)
	p := families["ipv4"](t)
	f := newFramed(http2.ClientPreface)
	r := rand.New(rand.NewPCG(1, 1))
	for i, empty := range []int{few, many} {
		stream := uint32(2*i + 1)
		f.headers(r, stream, 100, 1, false)
		f.data[stream] = &told{bytes: 5 * uint64(frames*empty), messages: frames * few}
		if empty == many {
			f.data[stream].messages = uint32(WeftPieceFlagPIECES_FRAMES) | frames
		}
		for i := range frames {
			write := func() error { return f.WriteData(stream, i == frames-1, make([]byte, 5*empty)) }
			if i < frames-1 {
				check(t, write())
			} else {
				f.tell(write)
			}
		}
	}
	move(t, p.client, p.server, f.String(), 1<<12)
	compareFrames(t, "client", f.want, k.frames(p.client, event.Send))
	compareFrames(t, "server", f.want, k.frames(p.server, event.Receive))
}
