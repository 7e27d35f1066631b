package guest

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"weft/test/tracer"
)

// protocols are what this very process speaks with itself.
var protocols = []struct {
	name      string
	secure    bool
	protocols func(*http.Protocols)
}{
	{"h2c", false, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
	{"https", true, func(p *http.Protocols) { p.SetHTTP1(true) }},
	{"h2", true, func(p *http.Protocols) { p.SetHTTP2(true) }},
}

// TestProtocols asks a server of HTTP/2, of HTTP/1 under TLS and of HTTP/2 under TLS: each request has a span at each end, and the two are
// joined.
func TestProtocols(t *testing.T) {
	w, err := tracer.Start(os.Getenv("WEFT"), tracer.Options{Args: []string{"--hook", os.Getenv("WEFT_HOOK"), "--control", "/run/weft"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	for _, p := range protocols {
		var spoken http.Protocols
		p.protocols(&spoken)
		askProtocol(t, p.name, p.secure, &spoken)
	}
	w.Await(20*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 2*calls*len(protocols) })
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	missed := int(w.Counts.Kernel["programs_missed"])
	for _, p := range protocols {
		if whole := joinedCalls(w.Spans(), p.name); whole < calls-2*missed {
			t.Errorf("%s: %d calls have both ends, joined, and %d operations were missed, want %d", p.name, whole, missed, calls)
		}
	}
	if t.Failed() {
		t.Logf("weft counted %+v and wrote:\n%s", w.Counts, w.Log())
	}
}

// askProtocol sends the calls, one after the other on one connection.
func askProtocol(t *testing.T, name string, secure bool, spoken *http.Protocols) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.Path) }))
	server.Config.Protocols = spoken
	if secure {
		server.EnableHTTP2 = spoken.HTTP2()
		server.StartTLS()
	} else {
		server.Start()
	}
	defer server.Close()
	transport := &http.Transport{Protocols: spoken, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for i := range calls {
		r, err := client.Get(fmt.Sprintf("%s/%s/%d", server.URL, name, i))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || (r.ProtoMajor == 2) != (name != "https") {
			t.Fatalf("%s: %v, %s %s", name, err, r.Proto, r.Status)
		}
	}
}

// joinedCalls counts the calls of a protocol whose server span has its client span as parent.
func joinedCalls(spans []*tracer.Span, name string) (n int) {
	clients := map[string]string{}
	for _, s := range spans {
		if s.Kind == tracer.Client {
			clients[s.SpanID] = s.Path()
		}
	}
	for i := range calls {
		path := fmt.Sprintf("/%s/%d", name, i)
		for _, s := range spans {
			if s.Kind == tracer.Server && s.Path() == path && clients[s.ParentID] == path {
				n++
			}
		}
	}
	return n
}
