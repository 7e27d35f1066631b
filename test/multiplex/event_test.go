package multiplex

import (
	"os/exec"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestEvents: a response of server-sent events is one span that tells in how many pieces it came, over HTTP/1 and HTTP/2, also if the
// client leaves.
func TestEvents(t *testing.T) {
	p := prepare(t)
	address := serve(t, p.command("go", "http-server"))
	w := p.trace(t, address)
	const n = 7
	ask := func(path string, args ...string) {
		argv := append(args, "-sN", "-o", "/dev/null", "http://"+address+path)
		_ = exec.Command("curl", argv...).Run() // of those that leave it is an error
	}
	ask("/one/E7")
	ask("/one/F7", "--max-time", "1")
	ask("/two/E7", "--http2-prior-knowledge")
	ask("/none/S200")
	c := p.command("go", "h2-client", address, "1", "1")
	c.Env = append(c.Env, "METHODS=/left/F7", "TIMEOUT=1s")
	(&load{name: "client that leaves"}).run(t, c)
	const ends = 10
	w.Await(10*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= ends })
	check(t, w.Stop())
	for _, s := range w.Spans() {
		want := int64(n)
		if s.Path() == "/none/S200" {
			want = 0
		}
		got, _ := s.Attr["weft.event_stream.pieces"]
		if s.Attr.Int("weft.event_stream.pieces") != want || (want == 0) != (got == nil) {
			t.Errorf("%d events are told as %v pieces: %v", want, got, s)
		}
	}
	if len(w.Spans()) != ends {
		t.Errorf("%d spans of %d", len(w.Spans()), ends)
	}
}
