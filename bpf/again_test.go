package bpf

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// likeTheLast are replies that the kernel may or may not take for the one before, come again. Each is a head and a body.
func likeTheLast() (replies [][2]string) {
	body := func(n int) string { return strings.Repeat("\r\n\r\nb", n)[:n] }
	answer := func(before string, n int, behind string) {
		replies = append(replies, [2]string{fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n%s\r\n", before, n, behind), body(n)})
	}
	for _, n := range []int{5, 5, 7, 1000, 999, 10, 9, 0, 12345, 8} {
		answer("Server: a\r\n", n, "ETag: \"e\"\r\n") // the number of digits changes
	}
	for range 2 {
		answer("Server: a\r\n", 8, "")                // nothing behind the length
		answer("Server: a\r\n", 8, "ETag: \"f\"\r\n") // and again something
		answer("", 8, "Server: a\r\nETag: \"f\"\r\n") // as long, but in another order
		answer("S: a\r\n", 8, "X: b\r\n")
		answer("S: a\r\n", 8, "X: b\r\nY: "+strings.Repeat("y", 100)+"\r\n") // much longer
		answer("S: a\r\n", 8, "X: b\r\n")
	}
	// Content-Length where it was, but not in a head as long; then one as long without it.
	answer("S: a\r\n", 300, "X: bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")
	answer("S: a\r\n", 300, "X: b\r\n")
	chunked := "HTTP/1.1 200 OK\r\nS: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	return append(replies, [2]string{chunked, "3\r\nabc\r\n0\r\n\r\n"}, [2]string{chunked, "5\r\nabcde\r\n0\r\n\r\n"})
}

// bodySize is what a body comes to without its framing.
func bodySize(reply [2]string) uint64 {
	if !strings.Contains(reply[0], "chunked") {
		return uint64(len(reply[1]))
	}
	return uint64(strings.IndexByte(reply[1][3:], '\r'))
}

// TestRepliesLikeTheLast: a reply that looks like the one before it is not scanned, and is all the same seen for what it is,
// however its bytes are cut.
func TestRepliesLikeTheLast(t *testing.T) {
	k := start(t)
	ways := map[string]func(p pair, head, body string){
		"one write": func(p pair, head, body string) { move(t, p.server, p.client, head+body, 1<<20) },
		"two vectors": func(p pair, head, body string) {
			n, err := unix.Writev(p.server, [][]byte{[]byte(head), []byte(body)})
			if err != nil || n != len(head)+len(body) {
				t.Fatal(n, err)
			}
			receiveAll(t, receives["readv"], p.client, n, 1<<16)
		},
		"three vectors": func(p pair, head, body string) {
			cut := len(head) - 20
			n, err := unix.Writev(p.server, [][]byte{[]byte(head[:cut]), []byte(head[cut:] + body[:len(body)/2]), []byte(body[len(body)/2:])})
			if err != nil || n != len(head)+len(body) {
				t.Fatal(n, err)
			}
			receiveAll(t, receives["recvmsg"], p.client, n, 1<<16)
		},
		"two writes":   func(p pair, head, body string) { move(t, p.server, p.client, head+body, len(head)+3) },
		"cut in heads": func(p pair, head, body string) { move(t, p.server, p.client, head+body, len(head)-3) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			p := families["ipv4"](t)
			k.forget()
			var want []ended
			offset := uint64(0)
			for _, reply := range likeTheLast() {
				move(t, p.client, p.server, get, 1<<20)
				way(p, reply[0], reply[1])
				x := one
				x.offset, x.replyBody = offset, bodySize(reply)
				offset += uint64(len(get))
				want = append(want, x)
			}
			for _, server := range []bool{true, false} {
				compare(t, want, k.exchanges(server), server)
			}
			if k.lost != 0 {
				t.Errorf("%d exchanges abandoned", k.lost)
			}
		})
	}
}
