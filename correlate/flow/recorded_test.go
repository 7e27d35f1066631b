package flow

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"weft/correlate/event"
)

// TestRecordedStreams: what was recorded of HTTP/2 is the same exchanges again, without what is secret.
func TestRecordedStreams(t *testing.T) {
	for seed := range uint64(20) {
		s, _, client, srv := connection(t, true)
		r := rand.New(rand.NewPCG(seed, 2))
		if client.cut = nil; seed%2 == 0 {
			client.cut, srv.cut = r, r
		}
		var file bytes.Buffer
		w, err := event.NewWriter(&file, event.Redaction{Headers: []string{"x-token"}})
		check(t, err)
		keep := func(ev *event.Event) { check(t, w.Write(ev)) }
		client.keep, srv.keep = keep, keep
		for i := range 60 {
			stream := uint32(2*i + 1)
			if seed%3 == 0 && r.IntN(15) == 0 {
				client.silent = true
			}
			client.request(stream, false, fmt.Sprintf("/call/%d?key=secret%d", i%7, i), "authorization:secret", "x-token:secret",
				"grpc-timeout:1S", "content-type:application/grpc", fmt.Sprintf("other:%d", i%3))
			client.silent = false
			block := bytes.Clone(client.fields("cookie:secret", "sum:1"))
			check(t, client.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:2], EndStream: true}))
			client.tell(uint64(i), 2)
			check(t, client.framer.WriteContinuation(stream, true, block[2:]))
			client.tell(uint64(i), 2)
			srv.headers(stream, false, ":status:200", "set-cookie:secret")
			srv.headers(stream, true, "grpc-status:0")
		}
		check(t, w.Close())
		again := replay(t, &file)
		if len(again.ended) != len(s.ended) || again.started != s.started {
			t.Fatalf("seed %d: %d exchanges, recorded were %d", seed, len(again.ended), len(s.ended))
		}
		for i, x := range s.ended {
			y := again.ended[i]
			path, _, _ := strings.Cut(x.Target, "?")
			known := strings.HasPrefix(y.Target, path) && (y.Host == x.Host || y.Partial)
			if !known || y.Stream != x.Stream || y.Start < x.Start || y.Start >= x.FirstByte || y.End != x.End || y.Status != x.Status || y.RequestBody != x.RequestBody ||
				y.RequestMessages != x.RequestMessages || y.Timeout != x.Timeout && !y.Partial || y.Offset != x.Offset || y.Partial != x.Partial {
				t.Fatalf("seed %d, exchange %d: %+v, recorded was %+v", seed, i, y, x)
			}
			if strings.Contains(y.Target, "secret") {
				t.Fatalf("a secret was recorded: %s", y.Target)
			}
		}
		for _, head := range again.heads {
			if strings.Contains(head, "secret") {
				t.Fatalf("a secret was recorded: %s", head)
			}
		}
	}
}

// replay feeds a recording to a table.
func replay(t *testing.T, file io.Reader) *seen {
	t.Helper()
	s, table, _, _ := connection(t, true)
	reader, err := event.NewReader(file)
	check(t, err)
	var ev event.Event
	for err = reader.Next(&ev); err == nil; err = reader.Next(&ev) {
		table.Feed(&ev)
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return s
}
