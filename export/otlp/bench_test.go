package otlp

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"weft/correlate/span"
	"weft/export/spill"
)

// discardVariable makes the test binary a collector that throws everything away, so that the benchmark's CPU time
// is the exporter's alone.
const discardVariable = "WEFT_TEST_DISCARD"

func TestMain(m *testing.M) {
	if protocol := os.Getenv(discardVariable); protocol != "" {
		discard(protocol)
		return
	}
	if file := os.Getenv(notedVariable); file != "" {
		note(file, os.Getenv(notedAddress))
		return
	}
	os.Exit(m.Run())
}

func discard(protocol string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", l.Addr())
	if protocol == "grpc" {
		s := grpc.NewServer(grpc.ForceServerCodecV2(blind{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			if err := s.RecvMsg(nil); err != nil {
				return err
			}
			return s.SendMsg(nil)
		}))
		go func() { _ = s.Serve(l) }()
	} else {
		s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		})}
		go func() { _ = s.Serve(l) }()
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
}

// blind is a codec for messages that nobody looks at.
type blind struct{}

func (blind) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (blind) Unmarshal(mem.BufferSlice, any) error { return nil }
func (blind) Name() string                         { return "proto" }

// serveDiscard starts the collector in a process of its own and gives its URL.
func serveDiscard(b *testing.B, protocol string) string {
	b.Helper()
	url, c, in := serveApart(b, discardVariable+"="+protocol)
	b.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	return url
}

// serveApart starts this test as a collector, as the variables say, and gives its URL, which is the first line that it writes. It may end when
// its input does.
func serveApart(b *testing.B, variables ...string) (url string, c *exec.Cmd, in io.Closer) {
	b.Helper()
	c = exec.Command(os.Args[0])
	c.Env = append(os.Environ(), variables...)
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Process.Kill()
		b.Fatal(err)
	}
	return strings.TrimSpace(line), c, in
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExport is the whole way of a span, from Put to the collector's answer; cpu-ns/op is user and system time
// of this process.
func BenchmarkExport(b *testing.B) {
	for _, protocol := range protocols {
		for _, batch := range []int{512, 1024, 2048} {
			b.Run(fmt.Sprintf("%s/%d", protocol, batch), func(b *testing.B) {
				endpoint := serveDiscard(b, protocol)
				e, err := New(context.Background(), Options{Protocol: protocol, Endpoint: endpoint, BatchSize: batch})
				if err != nil {
					b.Fatal(err)
				}
				s := sample(0)
				b.ReportAllocs()
				before := cpu()
				for b.Loop() {
					for c := e.Counts(); c.Waiting > uint64(4*batch); c = e.Counts() {
						time.Sleep(50 * time.Microsecond)
					}
					for range batch {
						e.Put(s)
					}
				}
				if err := e.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
				spent := cpu() - before
				c := e.Counts()
				if c.Exported != c.Put {
					b.Fatalf("counts %+v", c)
				}
				b.ReportMetric(float64(spent.Nanoseconds())/float64(c.Put), "cpu-ns/span")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(c.Put), "ns/span")
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	enc, m := newEncoder(""), newMessage()
	s := sample(0)
	b.ReportAllocs()
	for b.Loop() {
		if m.count == 1024 {
			m.begin()
		}
		enc.add(m, s)
	}
	b.ReportMetric(float64(m.size)/float64(m.count), "B/span")
}

// BenchmarkSpill puts spans while no collector is there, and then drains them to one that throws them away.
func BenchmarkSpill(b *testing.B) {
	const n = 1 << 16
	url := serveDiscard(b, HTTP)
	var disk, put, drained float64
	before := cpu()
	for b.Loop() {
		on := &spill.Options{Dir: b.TempDir(), Size: 1 << 30, Age: time.Hour}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		away := "http://" + l.Addr().String()
		l.Close()
		began := time.Now()
		e := benchExporter(b, Options{Protocol: HTTP, Endpoint: away, Interval: time.Hour, Spill: on})
		for i := range n {
			s := varied(i)
			for e.Counts().Waiting > 1<<15 {
				time.Sleep(time.Millisecond)
			}
			e.Put(s)
		}
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		put += time.Since(began).Seconds()
		files, _ := filepath.Glob(filepath.Join(on.Dir, "*.zst"))
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				b.Fatal(err)
			}
			disk += float64(info.Size())
		}
		began = time.Now()
		e = benchExporter(b, Options{Protocol: HTTP, Endpoint: url, Interval: time.Hour, Spill: on})
		for e.Counts().Spilled > 0 {
			time.Sleep(time.Millisecond)
		}
		drained += time.Since(began).Seconds()
		if c := e.Counts(); c.Exported != n {
			b.Fatalf("counts %+v", c)
		}
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	all := float64(n) * float64(b.N)
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/all, "cpu-ns/span")
	b.ReportMetric(disk/all, "disk-B/span")
	b.ReportMetric(all/put, "spilled-spans/s")
	b.ReportMetric(all/drained, "drained-spans/s")
}

// varied gives a span that is not like the one before it, as those of a compressed message are not.
func varied(i int) *span.Span {
	s := sample(i)
	binary.NativeEndian.PutUint64(s.TraceID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(s.TraceID[8:], rand.Uint64())
	binary.NativeEndian.PutUint64(s.SpanID[:], rand.Uint64())
	binary.NativeEndian.PutUint64(s.ParentID[:], rand.Uint64())
	s.Start += rand.Int64N(1e9)
	s.End = s.Start + rand.Int64N(1e7)
	return s
}

func benchExporter(b *testing.B, o Options) *Exporter {
	b.Helper()
	e, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	return e
}
