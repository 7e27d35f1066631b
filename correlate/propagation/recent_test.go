package propagation

import (
	"testing"

	"weft/correlate/tracecontext"
)

// TestRecent: what was seen just now is known, whatever else was seen beside it.
func TestRecent(t *testing.T) {
	var r recent
	context := func(i int) *tracecontext.Context {
		c := &tracecontext.Context{Width: 128}
		for k := range 8 {
			c.TraceID[8+k] = byte(uint64(i) * 0x9e3779b97f4a7c15 >> (8 * k))
		}
		return c
	}
	for i := range 20_000 {
		r.add("shop", context(i))
		r.add("bank", context(i))
		if !r.has("shop", context(i)) || i > 0 && !r.has("shop", context(i-1)) {
			t.Fatalf("trace %d was just seen and is not known", i)
		}
	}
	if r.has("shop", context(20_001)) || len(r.seen) != recentSize {
		t.Error("a trace is known that never came")
	}
}
