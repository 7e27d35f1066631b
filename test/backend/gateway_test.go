package backend

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weft/correlate/event"
	"weft/correlate/span"
	"weft/export/otlp"
	"weft/test/collector"
	"weft/test/fleet"
)

// TestGateway sends traces in parts through the configuration that is in the tree to three collectors of the second tier, which the
// gateway finds by one name: all parts of a trace come to the same one, and none is without traces. When one of them goes away, and the
// name no longer gives it, the traces after that come to the other two.
func TestGateway(t *testing.T) {
	cache, err := fleet.Cache()
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.InstallBackend(cache); err != nil {
		t.Fatal(err)
	}
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ports[2])
	if err != nil {
		t.Fatal(err)
	}
	var tiers []*collector.Collector
	for i := range 3 {
		l, err := net.Listen("tcp", net.JoinHostPort(fmt.Sprint("127.0.0.", i+2), port))
		if err != nil {
			t.Fatal(err)
		}
		tiers = append(tiers, collector.Serve(l, "grpc"))
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	name := func(addresses ...string) {
		text := "127.0.0.1 localhost\n"
		for _, a := range addresses {
			text += a + " weft-sampling\n"
		}
		if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name("127.0.0.2", "127.0.0.3", "127.0.0.4")
	// The name is known to the gateway alone: in a mount namespace of its own.
	prefix := []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}
	tier(t, cache, "gateway.yaml", prefix, "LISTEN="+ports[0], "LISTEN_HTTP="+ports[1], "SAMPLING_PORT="+port)
	if err := (&Backend{}).await(ports[0]); err != nil {
		t.Fatal(err)
	}
	const traces = 60
	sendTraces(t, "http://"+ports[0], 0, traces)
	where := awaitWhole(t, tiers, traces)
	for i := range tiers {
		if n := count(where, i); n == 0 || n == traces {
			t.Errorf("%d of %d traces came to collector %d", n, traces, i)
		}
	}
	tiers[2].Close()
	name("127.0.0.2", "127.0.0.3")
	time.Sleep(12 * time.Second) // the name is asked for every 5 s, and the file is read again after as long
	sendTraces(t, "http://"+ports[0], traces, 2*traces)
	where = awaitWhole(t, tiers, 2*traces)
	for trace, i := range where {
		if i == 2 && trace[15] >= traces {
			t.Errorf("trace %x came to a collector that is gone", trace)
		}
	}
}

// sendTraces sends traces of three spans, each span in a message of its own, all second spans after all first ones.
func sendTraces(t *testing.T, endpoint string, from, to int) {
	t.Helper()
	resource := &span.Resource{Service: "shop", Attributes: []event.Attribute{{Key: "service.name", Value: "shop"}}}
	e, err := otlp.New(context.Background(), otlp.Options{Protocol: otlp.GRPC, Endpoint: endpoint, BatchSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for part := range 3 {
		for i := from; i < to; i++ {
			s := &span.Span{Kind: span.Client, Resource: resource, Sampled: true, Start: time.Now().UnixNano(), Method: "GET", Path: "/", Scheme: "http", Host: "shop", Status: 200, Minor: 1}
			s.End = s.Start + int64(time.Millisecond)
			s.TraceID[0], s.TraceID[15] = 1, byte(i)
			binary.BigEndian.PutUint64(s.SpanID[:], uint64(1+part)<<32|uint64(i))
			e.Put(s)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil || e.Counts().Exported != uint64(3*(to-from)) {
		t.Fatalf("%v, counts %+v", err, e.Counts())
	}
}

// awaitWhole waits until all spans of n traces have come, and gives the collector of each; it fails for one in two of them.
func awaitWhole(t *testing.T, tiers []*collector.Collector, n int) map[[16]byte]int {
	t.Helper()
	spans := 0
	where := map[[16]byte]int{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && spans < 3*n; time.Sleep(100 * time.Millisecond) {
		spans = 0
		for i, c := range tiers {
			for _, s := range c.Spans() {
				spans++
				trace := [16]byte(s.TraceId)
				if other, known := where[trace]; known && other != i {
					t.Fatalf("trace %x came to the collectors %d and %d", trace, other, i)
				}
				where[trace] = i
			}
		}
	}
	if spans != 3*n || len(where) != n {
		t.Fatalf("%d spans of %d traces came, want three of each of %d", spans, len(where), n)
	}
	return where
}

func count(where map[[16]byte]int, tier int) (n int) {
	for _, i := range where {
		if i == tier {
			n++
		}
	}
	return n
}
