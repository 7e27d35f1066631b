package bpf

import (
	"cmp"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

const upgradeRequest = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
const upgradeReply = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// socketFrames writes frames of WebSocket, with messages in pieces and control frames between them.
func socketFrames(r *rand.Rand, n int, masked bool) string {
	var out []byte
	frame := func(first byte, size int) {
		mask := byte(0)
		if masked {
			mask = 0x80
		}
		out = append(out, first)
		switch {
		case size < 126:
			out = append(out, mask|byte(size))
		case size < 1<<16:
			out = binary.BigEndian.AppendUint16(append(out, mask|126), uint16(size))
		default:
			out = binary.BigEndian.AppendUint64(append(out, mask|127), uint64(size))
		}
		if masked {
			out = append(out, 1, 2, 3, 4)
		}
		out = append(out, strings.Repeat("\x81", size)...)
	}
	for range n {
		size := []int{0, 5, 125, 126, 4000, 70000}[r.IntN(6)]
		if r.IntN(3) == 0 {
			frame(0x1, size)
			frame(0x89, 3)
			frame(0x0, 0)
			frame(0x80, 9)
			continue
		}
		frame(0xc2, size)
	}
	frame(0x88, 2)
	return string(out)
}

// TestWebSocket: the messages of both directions are counted, however they are cut, and told at the end.
func TestWebSocket(t *testing.T) {
	k := start(t)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			k.forget()
			a, p := newAuthor(seed), families["ipv4"](t)
			r := rand.New(rand.NewPCG(seed, 1))
			up, down := 1+r.IntN(30), r.IntN(30)
			move(t, p.client, p.server, upgradeRequest, 1<<20)
			move(t, p.server, p.client, upgradeReply, 1<<20)
			before := len(k.records)
			a.talk(t, p.client, p.server, socketFrames(r, up, true))
			a.talk(t, p.server, p.client, socketFrames(r, down, false))
			check(t, unix.Shutdown(p.client, unix.SHUT_RDWR))
			check(t, unix.Shutdown(p.server, unix.SHUT_RDWR))
			time.Sleep(20 * time.Millisecond)
			k.drain()
			if n := len(k.records) - before; n > 4 {
				t.Errorf("%d records", n)
			}
			for _, c := range k.closed {
				if counts := (event.Close{SentMessages: c.Close.SentMessages, ReceivedMessages: c.Close.ReceivedMessages}); counts !=
					(event.Close{SentMessages: uint32(up), ReceivedMessages: uint32(down)}) && counts !=
					(event.Close{SentMessages: uint32(down), ReceivedMessages: uint32(up)}) {
					t.Errorf("%d sent, %d received; %d and %d were", counts.SentMessages, counts.ReceivedMessages, up, down)
				}
			}
			if len(k.closed) != 2 || len(k.ended) != 2 || !k.ended[0].upgraded || k.ended[0].status != 101 {
				t.Errorf("%d closes, exchanges %+v", len(k.closed), k.ended)
			}
		})
	}
}

// TestWebSocketOverTLS: the messages are told at the end as they are without TLS.
func TestWebSocketOverTLS(t *testing.T) {
	k := startTLS(t)
	r := rand.New(rand.NewPCG(1, 1))
	up, down := socketFrames(r, 7, true), socketFrames(r, 4, false)
	take := func(conn *tls.Conn, text string) error {
		_, err := io.ReadFull(conn, make([]byte, len(text)))
		return err
	}
	give := func(conn *tls.Conn, text string) error {
		_, err := io.WriteString(conn, text)
		return err
	}
	c := newTalkTo(t, tls.VersionTLS13, asIs, func(conn *tls.Conn) error {
		defer conn.Close()
		return cmp.Or(take(conn, upgradeRequest), give(conn, upgradeReply), take(conn, up), give(conn, down))
	})
	check(t, cmp.Or(give(c.client, upgradeRequest), take(c.client, upgradeReply), give(c.client, up), take(c.client, down)))
	c.end()
	k.empty()
	k.drain()
	if len(k.closed) != 2 || len(k.ended) != 2 || !k.ended[0].upgraded {
		t.Fatalf("%d closes, exchanges %+v", len(k.closed), k.ended)
	}
	for _, c := range k.closed {
		if sent, received := c.Close.SentMessages, c.Close.ReceivedMessages; sent+received != 7+4 || (sent != 7 && received != 7) {
			t.Errorf("%d sent, %d received; 7 and 4 were", sent, received)
		}
	}
}
