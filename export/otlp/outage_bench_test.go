package otlp

import (
	"context"
	"net"
	"testing"
	"time"

	"weft/export/spill"
)

// BenchmarkOutage is two minutes without a collector at 5,000 spans a second, which are put as fast as they can be, and then the drain of
// them beside 5,000 live spans a second. live-ms is how long the live span that waited longest was in memory.
func BenchmarkOutage(b *testing.B) {
	const rate = 5_000
	const backlog = 2 * 60 * rate
	url := serveDiscard(b, HTTP)
	var drained, longest float64
	for b.Loop() {
		on := &spill.Options{Dir: b.TempDir(), Size: 1 << 30, Age: time.Hour}
		putAway(b, on, backlog)
		began := time.Now()
		e := benchExporter(b, Options{Protocol: HTTP, Endpoint: url, Interval: 200 * time.Millisecond, Spill: on})
		live, since := 0, began
		for e.Counts().Spilled > 0 {
			for due := int(time.Since(began).Seconds() * rate); live < due; live++ {
				e.Put(varied(live))
			}
			c := e.Counts()
			if c.Waiting < rate/5 { // what is put in the time that a span waits for others
				since = time.Now()
			}
			longest = max(longest, time.Since(since).Seconds()+0.2)
			time.Sleep(time.Millisecond)
		}
		drained += time.Since(began).Seconds()
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		if c := e.Counts(); c.Exported != backlog+uint64(live) || c.Dropped() != 0 {
			b.Fatalf("%d live, counts %+v", live, c)
		}
	}
	b.ReportMetric(float64(b.N)*backlog/drained, "drained-spans/s")
	b.ReportMetric(1e3*longest, "live-ms")
}

// putAway puts spans on disk, for want of a collector.
func putAway(b *testing.B, on *spill.Options, n int) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	away := "http://" + l.Addr().String()
	l.Close()
	e := benchExporter(b, Options{Protocol: HTTP, Endpoint: away, Interval: time.Hour, Spill: on})
	for i := range n {
		for e.Counts().Waiting > 1<<15 {
			time.Sleep(time.Millisecond)
		}
		e.Put(varied(i))
	}
	if err := e.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	if c := e.Counts(); c.Spilled != uint64(n) {
		b.Fatalf("counts %+v", c)
	}
}
