package proto

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestMemory holds that what is remembered is what the parser says, whatever came in between and whatever its user did to it.
func TestMemory(t *testing.T) {
	heads := []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Le",
		"\x00\x01", "GET  HTTP/1.1\r\n\r\n", "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "",
	}
	for i := range 3 * memorySlots {
		heads = append(heads, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", i, strings.Repeat("h", i*10)))
	}
	y := NewMemory(HTTP1{})
	a := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		head := []byte(heads[a.IntN(len(heads))])
		from := Side(a.IntN(2))
		var got, want Message
		n, err := y.Next(from, head, &got)
		wantN, wantErr := HTTP1{}.Next(from, head, &want)
		if n != wantN || err != wantErr {
			t.Fatalf("%q from %d: %d, %v, want %d, %v", head, from, n, err, wantN, wantErr)
		}
		if n > 0 && !same(&got, &want) {
			t.Fatalf("%q from %d: %+v, want %+v", head, from, got, want)
		}
		if a.IntN(4) == 0 {
			_ = y.Cut(from, head, &got)
		}
		clear(head) // it is the ring's
		got.Framing, got.Length = Tunnel, 99
	}
}

func same(a, b *Message) bool {
	fields := len(a.Fields) == len(b.Fields)
	for i := 0; fields && i < len(a.Fields); i++ {
		fields = string(a.Fields[i].Name) == string(b.Fields[i].Name) && string(a.Fields[i].Value) == string(b.Fields[i].Value)
	}
	c, d := *a, *b
	c.Fields, d.Fields = nil, nil
	return fields && reflect.DeepEqual(c, d)
}
