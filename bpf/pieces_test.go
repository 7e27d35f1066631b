package bpf

import (
	"fmt"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// TestChunks: what a body in chunks has come in is counted, at its end or, where that never comes, with the connection.
func TestChunks(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprint(ends), func(t *testing.T) {
			k := start(t)
			p := families["ipv4"](t)
			move(t, p.client, p.server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1<<16)
			move(t, p.server, p.client, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", 1<<16)
			const n = 5
			for i := range n {
				move(t, p.server, p.client, fmt.Sprintf("%x\r\n%0*d\r\n", 10+i, 10+i, i), 1<<16)
			}
			if ends {
				move(t, p.server, p.client, "0\r\n\r\n", 1<<16)
			}
			k.drain()
			got := 0
			for _, r := range k.records {
				if r.Flags&event.End == 0 || r.Flags&event.Start != 0 {
					continue
				}
				if got++; r.Unread != n || r.Body != 10+11+12+13+14 {
					t.Errorf("%d chunks with %d bytes are told: %+v", r.Unread, r.Body, r)
				}
			}
			if ends != (got == 2) || !ends && got > 0 {
				t.Errorf("%d ends are told", got)
			}
			check(t, unix.Shutdown(p.server, unix.SHUT_RDWR))
			check(t, unix.Shutdown(p.client, unix.SHUT_RDWR))
			k.drain()
			sent, received := uint32(0), uint32(0)
			for _, c := range k.closed {
				sent, received = max(sent, c.Close.SentMessages), max(received, c.Close.ReceivedMessages)
			}
			if want := uint32(n * (1 - got/2)); sent != want || received != want {
				t.Errorf("%d and %d chunks are told with the end of the connection, want %d", sent, received, want)
			}
		})
	}
}

// TestPieces: of DATA that is no gRPC the frames are counted; a peer that gives a stream up is told what it has got.
func TestPieces(t *testing.T) {
	const n, frames, other = 5, uint32(WeftPieceFlagPIECES_FRAMES), uint32(WeftPieceFlagPIECES_OTHER)
	for _, left := range []bool{false, true} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			k := start(t)
			p := families["ipv4"](t)
			client, server := newFramed(http2.ClientPreface), newFramed("")
			check(t, client.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndStream: true, EndHeaders: true}))
			move(t, p.client, p.server, client.String(), 1<<16)
			check(t, server.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndHeaders: true}))
			for range n {
				check(t, server.WriteData(1, false, []byte("data: something\n\n")))
			}
			want := n | frames
			if !left {
				check(t, server.WriteData(1, true, nil))
			}
			move(t, p.server, p.client, server.String(), 50)
			if left {
				want |= other
				client.Reset()
				check(t, client.WriteRSTStream(1, http2.ErrCodeCancel))
				move(t, p.client, p.server, client.String(), 1<<16)
			}
			k.drain()
			told := 0
			for _, r := range k.records {
				if r.text == "" || r.Body == 0 {
					continue
				}
				if told++; r.Messages != want || r.Body != n*17 {
					t.Errorf("%d bytes in %#x pieces are told: %+v", r.Body, r.Messages, r)
				}
			}
			if told != 2 && !left || told == 0 {
				t.Errorf("it is told %d times", told)
			}
		})
	}
}
