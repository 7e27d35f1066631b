package bpf

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"weft/agent/golang"
)

// startStreams is load, with probes on the HTTP/2 and the gRPC of this very program.
func startStreams(t *testing.T) *capture {
	t.Helper()
	// Programs of go test do not tell which modules they are of: the layout comes from go.mod. The places are there all the same.
	found, _ := golang.InspectStreams(self)
	modules, err := os.ReadFile("../go.mod")
	check(t, err)
	version := regexp.MustCompile(`google.golang.org/grpc (v\S+)`).FindSubmatch(modules)[1]
	layout, ok := golang.GRPCLayoutOf(string(version))
	if !ok {
		t.Fatalf("the layout of google.golang.org/grpc %s is not known: see agent/golang/generate", version)
	}
	k := load(t, everything())
	k.traceSelf(t)
	place := func(p *ebpf.Program, cookie uint64, at ...uint64) {
		if len(at) == 0 || at[0] == 0 {
			t.Fatalf("%v has no place: %+v", p, found)
		}
		put(t, self, p, cookie, at...)
	}
	place(k.objects.GoHttp2Handler, 0, found.Handlers...)
	place(k.objects.GoHttp2Opens, 0, found.Calls...)
	place(k.objects.GoGrpcHandler, layout.ServerCookie(), found.GRPC)
	place(k.objects.GoGrpcOpens, layout.ClientCookie(), found.Opens...)
	return k
}

// streams gives what was told of streams since the last time, by direction.
func (k *capture) streams() (told [2][]WeftStreamRecord) {
	k.t.Helper()
	k.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := k.reader.ReadInto(&k.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return told
		}
		check(k.t, err)
		r := (*WeftStreamRecord)(unsafe.Pointer(&k.record.RawSample[0]))
		if r.Head.Kind == uint8(WeftRecordKindRECORD_STREAM) {
			told[r.Head.Direction&1] = append(told[r.Head.Direction&1], *r)
		}
	}
}

// goroutine is the number of the one that asks.
func goroutine() uint64 {
	var b [64]byte
	text := bytes.TrimPrefix(b[:runtime.Stack(b[:], false)], []byte("goroutine "))
	id, _ := strconv.ParseUint(string(text[:bytes.IndexByte(text, ' ')]), 10, 64)
	return id
}

// heard is what handlers have noted of themselves.
type heard struct {
	sync.Mutex
	goroutines []uint64
}

func (h *heard) note() {
	h.Lock()
	defer h.Unlock()
	h.goroutines = append(h.goroutines, goroutine())
}

// dialled keeps the number of the socket that was opened last. The kernel gives one when it is first asked for it.
type dialled struct {
	cookie uint64
	err    error
}

func (d *dialled) dial(_ context.Context, _, address string) (net.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { d.cookie, d.err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE) })
	}
	return c, errors.Join(err, d.err)
}

// TestStreamsOfHTTP2: of every request the goroutine of its handler is told, and the one that has opened its stream.
func TestStreamsOfHTTP2(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run("TLS "+strconv.FormatBool(secure), func(t *testing.T) {
			k := startStreams(t)
			var h heard
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { h.note() }))
			var client *http.Transport
			if secure {
				s.EnableHTTP2 = true
				s.StartTLS()
				client = s.Client().Transport.(*http.Transport)
			} else {
				s.Config.Protocols = &http.Protocols{}
				s.Config.Protocols.SetUnencryptedHTTP2(true)
				s.Start()
				client = &http.Transport{Protocols: s.Config.Protocols}
			}
			t.Cleanup(s.Close)
			t.Cleanup(client.CloseIdleConnections)
			var d dialled
			client.DialContext = d.dial
			k.expectStreams(t, &h, &d, func() {
				r, err := http.NewRequest("POST", s.URL, bytes.NewReader([]byte("body")))
				check(t, err)
				reply, err := client.RoundTrip(r)
				check(t, err)
				_, err = io.Copy(io.Discard, reply.Body)
				check(t, err)
				reply.Body.Close()
			}, true)
		})
	}
}

// TestStreamsOfGRPC is the same for gRPC, whose calls are opened by the goroutine that makes them; with workers their handlers
// are older than the calls.
func TestStreamsOfGRPC(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	t.Cleanup(certified.Close)
	config := &tls.Config{Certificates: certified.TLS.Certificates, InsecureSkipVerify: true} //nolint:gosec // both ends are this test
	for name, test := range map[string]struct {
		workers uint32
		secure  credentials.TransportCredentials
	}{
		"plain": {0, insecure.NewCredentials()}, "workers": {2, insecure.NewCredentials()}, "TLS": {0, credentials.NewTLS(config)},
	} {
		t.Run(name, func(t *testing.T) {
			k := startStreams(t)
			var h heard
			s := grpc.NewServer(grpc.NumStreamWorkers(test.workers), grpc.Creds(test.secure), grpc.ForceServerCodec(empty{}),
				grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
					h.note()
					return s.SendMsg(nil)
				}))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			go s.Serve(l) //nolint:errcheck // ends with the test
			t.Cleanup(s.Stop)
			var d dialled
			c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(test.secure),
				grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { return d.dial(ctx, "", a) }))
			check(t, err)
			t.Cleanup(func() { c.Close() })
			k.expectStreams(t, &h, &d, func() {
				check(t, c.Invoke(context.Background(), "/a/b", nil, nil, grpc.ForceCodec(empty{})))
			}, false)
		})
	}
}

// empty makes messages of nothing.
type empty struct{}

func (empty) Marshal(any) ([]byte, error)     { return nil, nil }
func (empty) Unmarshal(b []byte, v any) error { return nil }
func (empty) Name() string                    { return "proto" }

// expectStreams compares what is told of requests with what their handlers and their caller say. below: a stream is opened by a child
// of the goroutine that calls.
func (k *capture) expectStreams(t *testing.T, h *heard, d *dialled, ask func(), below bool) {
	t.Helper()
	const n = 5
	k.streams()
	for range n {
		ask()
	}
	told := k.streams()
	if len(told[0]) != n || len(told[1]) != n || len(h.goroutines) != n {
		t.Fatalf("%d requests: %d handlers are told, %d calls; %d handlers have run", n, len(told[0]), len(told[1]), len(h.goroutines))
	}
	caller, socket := goroutine(), d.cookie
	for i := range told[0] {
		in, out := &told[0][i], &told[1][i]
		want := uint32(2*i + 1)
		if in.Stream != want || out.Stream != want {
			t.Errorf("request %d is told to be on stream %d, and to be sent on %d", i, in.Stream, out.Stream)
		}
		if in.Goroutine != h.goroutines[i] || in.ParentGoroutine == 0 {
			t.Errorf("request %d is told to be handled by goroutine %d of %d, not %d", i, in.Goroutine, in.ParentGoroutine, h.goroutines[i])
		}
		if below != (out.ParentGoroutine == caller) || below == (out.Goroutine == caller) {
			t.Errorf("call %d is told to be made by goroutine %d of %d, not %d", i, out.Goroutine, out.ParentGoroutine, caller)
		}
		if out.Head.Socket != socket {
			t.Errorf("call %d is told to be on socket %d, not %d", i, out.Head.Socket, socket)
		}
	}
}
