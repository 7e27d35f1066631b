package otlp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/export/spill"
)

// notedVariable, if set, makes the test binary a collector at an address that appends the id of each span to a file before it answers, so
// that the file tells what it took, whenever it is killed.
const notedVariable, notedAddress = "WEFT_TEST_NOTED", "WEFT_TEST_ADDRESS"

func note(file, address string) {
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := parse(r)
		var ids []byte
		for _, resource := range m.GetResourceSpans() {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					ids = append(ids, span.SpanId...)
				}
			}
		}
		if _, writeErr := out.Write(ids); err != nil || writeErr != nil {
			http.Error(w, "not taken", http.StatusBadRequest)
		}
	})}
	go func() { _ = s.Serve(l) }()
	fmt.Printf("http://%s\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// noting starts such a collector and gives its URL, and what kills it.
func noting(b *testing.B, file, address string) (url string, kill func()) {
	b.Helper()
	url, c, in := serveApart(b, notedVariable+"="+file, notedAddress+"="+address)
	kill = func() { _ = c.Process.Kill(); _ = c.Wait(); _ = in.Close() }
	b.Cleanup(kill)
	return url, kill
}

// BenchmarkCollectorKilled puts 5,000 spans a second all the time, kills the collector and starts it again after OUTAGE, a time such as
// 10m; ten seconds if it is not set. Each span that was put has to be at the collector when the disk is empty.
func BenchmarkCollectorKilled(b *testing.B) {
	const rate = 5_000
	length, err := time.ParseDuration(os.Getenv("OUTAGE"))
	if err != nil {
		length = 10 * time.Second
	}
	for b.Loop() {
		file := filepath.Join(b.TempDir(), "noted")
		url, kill := noting(b, file, "127.0.0.1:0")
		on := &spill.Options{Dir: filepath.Join(b.TempDir(), "spill"), Size: 1 << 30, Age: time.Hour}
		e := benchExporter(b, Options{Protocol: HTTP, Endpoint: url, Interval: 200 * time.Millisecond, Spill: on})
		put, began := 0, time.Now()
		live := func(until func() bool) {
			for ; !until(); time.Sleep(time.Millisecond) {
				for due := int(time.Since(began).Seconds() * rate); put < due; put++ {
					e.Put(varied(put))
				}
			}
		}
		after := func(d time.Duration) func() bool {
			end := time.Now().Add(d)
			return func() bool { return time.Now().After(end) }
		}
		live(after(2 * time.Second))
		kill()
		live(after(length))
		backlog, kept := e.Counts().Spilled, size(b, on.Dir)
		_, _ = noting(b, file, strings.TrimPrefix(url, "http://"))
		back := time.Now()
		live(func() bool { return e.Counts().Spilled == 0 })
		b.ReportMetric(time.Since(back).Seconds(), "s-to-drain")
		b.ReportMetric(float64(backlog), "spans-waited")
		b.ReportMetric(float64(kept)/(1<<20), "MiB-on-disk")
		live(after(time.Second))
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		c, got := e.Counts(), different(b, file)
		if c.Put != uint64(put) || c.Exported != c.Put || c.Dropped() != 0 || got != put {
			b.Fatalf("%d spans were put, %d are at the collector, counts %+v", put, got, c)
		}
		b.ReportMetric(float64(put), "spans")
	}
}

// size sums the files of a folder.
func size(b *testing.B, dir string) (sum int64) {
	b.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*.zst"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil { // it may be gone meanwhile
			sum += info.Size()
		}
	}
	return sum
}

// different counts the ids in a file.
func different(b *testing.B, file string) int {
	b.Helper()
	noted, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	seen := map[[8]byte]bool{}
	for ; len(noted) >= 8; noted = noted[8:] {
		seen[[8]byte(noted)] = true
	}
	return len(seen)
}
