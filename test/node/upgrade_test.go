package node

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestUpgradeWithoutAGap starts the next weft beside the one that traces, as the manifests have it, and ends that one under load: each
// request is told once, by one or the other, and those that are under way in that moment are whole traces, too. The two read the clock
// microseconds apart, so that what ends in these is told by both, as the same span: one of 20,160 where it was seen.
func TestUpgradeWithoutAGap(t *testing.T) {
	containers := chain(t)
	c := receive(t)
	spill := filepath.Join(t.TempDir(), "spill")
	next := func() *tracer.Tracer {
		return startWeft(t, tracer.Options{Output: "otlp", Args: []string{"--spill-dir", spill}, Env: []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "WEFT_ID_KEY=" + strings.Repeat("ab", 16),
		}})
	}
	old := next()
	ctx, cancel := context.WithCancel(t.Context())
	var served []string
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			served = append(served, send(t, "http://"+address(1)+":8080", 20, fmt.Sprint("t-up", i))...)
		}
	})
	time.Sleep(time.Second)
	fresh := next()
	time.Sleep(time.Second)
	before := stop(t, old)
	time.Sleep(time.Second)
	cancel()
	load.Wait()
	all := spansEach * len(served)
	await(t, "all spans", func() bool { return len(c.Spans()) >= all })
	after := stop(t, fresh)
	const twice = 2
	if n := len(c.Spans()); n > all+twice || different(c) != all || before.Exported+after.Exported != uint64(n) || after.Exported == 0 || before.Exported == 0 {
		t.Errorf("%d spans arrived, %d different, of %d: %d by the first weft, %d by the second", n, different(c), all, before.Exported, after.Exported)
	}
	t.Logf("%d spans by the first weft, %d by the second", before.Exported, after.Exported)
	seen := map[string]bool{}
	groups := byToken(slices.DeleteFunc(arrived(c), func(s *tracer.Span) bool {
		before := seen[s.SpanID]
		seen[s.SpanID] = true
		return before
	}))
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
	if n := fresh.Counts.Other["spans_of_another_weft"]; n == 0 {
		t.Error("the second weft has seen nothing that the first one told")
	}
}
