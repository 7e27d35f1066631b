// Command peer is a server or a client of HTTP/2 or gRPC in Go, without TLS.
//
//	peer grpc-server|h2-server|http-server
//	peer grpc-client|h2-client ADDRESS REQUESTS STREAMS
//
// A server writes its address to the standard output and serves until its standard input ends. What it answers is said by the
// last part of the path, see answer. With NEXT it asks another server first, and passes the trace context on unless FORGET is
// set. A client sends a trace context with each request. What else the environment says is told where it is read.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c" //nolint:staticcheck // the only server in Go that is asked for HTTP/2 by Upgrade
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("peer: no mode"))
	}
	switch os.Args[1] {
	case "grpc-server":
		listener := listen()
		workers, _ := strconv.ParseUint(os.Getenv("WORKERS"), 10, 32)
		s := grpc.NewServer(grpc.UnknownServiceHandler(serveCall), grpc.ForceServerCodec(raw{}), grpc.NumStreamWorkers(uint32(workers)))
		go func() { fail(s.Serve(listener)) }()
	case "http-server":
		s := &http.Server{Handler: http.HandlerFunc(serve), Protocols: &http.Protocols{}, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 2000}}
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		go func(l net.Listener) { fail(s.Serve(l)) }(listen())
	case "h2-server":
		listener := listen()
		s := &http.Server{Handler: h2c.NewHandler(http.HandlerFunc(serve), &http2.Server{})} //nolint:staticcheck // as above
		go func() { fail(s.Serve(listener)) }()
	case "grpc-client":
		ask(callGRPC())
		return
	case "h2-client":
		ask(callHTTP())
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println(l.Addr())
	return l
}

// answer says what the last part of a path asks for: S5 a status, M3 so many messages in each direction, D9 so many bytes.
func answer(p string) (code, messages, size int) {
	messages = 1
	last := path.Base(p)
	n, err := strconv.Atoi(last[1:])
	if err != nil {
		return 0, 1, 0
	}
	switch last[0] {
	case 'S':
		code = n
	case 'M':
		messages = n
	case 'D':
		size = n
	}
	return code, messages, size
}

// raw passes messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}
func (raw) Name() string { return "proto" }

func serveCall(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	code, messages, size := answer(method)
	for {
		var in []byte
		err := s.RecvMsg(&in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	md, _ := metadata.FromIncomingContext(s.Context())
	if err := askNext(method, strings.Join(md.Get("traceparent"), "")); err != nil {
		return err
	}
	if code != 0 {
		return status.Error(codes.Code(code), "as asked")
	}
	out := make([]byte, size)
	for range messages {
		if err := s.SendMsg(&out); err != nil {
			return err
		}
	}
	return nil
}

// dialled are the connections by address.
var dialled sync.Map

func dial(address string) *grpc.ClientConn {
	if c, ok := dialled.Load(address); ok {
		return c.(*grpc.ClientConn)
	}
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	fail(err)
	first, _ := dialled.LoadOrStore(address, c)
	return first.(*grpc.ClientConn)
}

// call makes a call with as many messages as the method asks for, and takes those of the answer.
func call(ctx context.Context, c *grpc.ClientConn, method string) error {
	_, messages, size := answer(method)
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodec(raw{}))
	if err != nil {
		return err
	}
	out := make([]byte, size)
	for range messages {
		if err := s.SendMsg(&out); err != nil {
			break
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	for {
		var in []byte
		if err := s.RecvMsg(&in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	code, _, size := answer(r.URL.Path)
	_, _ = io.Copy(io.Discard, r.Body)
	fail(askNext(r.URL.Path, r.Header.Get("traceparent")))
	if tellEvents(w, r) {
		return
	}
	if code >= 200 {
		w.WriteHeader(code)
	}
	_, _ = io.CopyN(w, zeros{}, int64(size))
}

// methods are what is asked for, in turn.
func methods() []string {
	if m := os.Getenv("METHODS"); m != "" {
		return strings.Split(m, ",")
	}
	return []string{"/shop.Echo/S0"}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// newParent makes a context; with SAME it is always that one, and that of THEN once the standard input has ended.
func newParent() string {
	if same := os.Getenv("SAME"); same != "" {
		if inputEnded() {
			return os.Getenv("THEN")
		}
		return same
	}
	return fmt.Sprintf("00-%016x%016x-%016x-01", rand.Uint64()|1, rand.Uint64(), rand.Uint64()|1)
}

// inputEnded tells whether the standard input has ended.
func inputEnded() bool {
	select {
	case <-ended():
		return os.Getenv("THEN") != ""
	default:
		return false
	}
}

var ended = sync.OnceValue(func() chan struct{} {
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	return end
})

// child is a context that goes on from another.
func child(parent string) string {
	if len(parent) != 55 {
		return newParent()
	}
	return fmt.Sprintf("%s%016x-01", parent[:36], rand.Uint64()|1)
}

func callGRPC() func(method string) error {
	c := dial(os.Args[2])
	return func(method string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if os.Getenv("BARE") == "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", newParent())
		}
		err := call(ctx, c, method)
		if s, ok := status.FromError(err); ok && s.Message() == "as asked" {
			return nil
		}
		return err
	}
}

func callHTTP() func(method string) error {
	c := newHTTP2()
	return func(method string) error {
		_, _, size := answer(method)
		ctx, cancel := context.WithTimeout(context.Background(), patience())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "POST", "http://"+os.Args[2]+method, http.NoBody)
		if err != nil {
			return err
		}
		if size > 0 {
			r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, int64(size))), int64(size)
		}
		if os.Getenv("BARE") == "" {
			r.Header.Set("traceparent", newParent())
		}
		reply, err := c.Do(r)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		_, err = io.Copy(io.Discard, reply.Body)
		if os.Getenv("TIMEOUT") != "" && ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// patience is how long a client waits for a reply: TIMEOUT, and then leaves, or long.
func patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("TIMEOUT")); err == nil {
		return d
	}
	return 5 * time.Minute
}

// ask sends the requests, so many at a time.
func ask(one func(method string) error) {
	requests, err := strconv.Atoi(os.Args[3])
	fail(err)
	streams, err := strconv.Atoi(os.Args[4])
	fail(err)
	list := methods()
	turns := make(chan string)
	var workers sync.WaitGroup
	for range streams {
		workers.Go(func() {
			for method := range turns {
				fail(one(method))
			}
		})
	}
	pace, _ := time.ParseDuration(os.Getenv("PACE"))
	for i := range requests {
		time.Sleep(pace)
		if i == 1 && os.Getenv("ALONE") != "" {
			time.Sleep(500 * time.Millisecond)
		}
		method := list[i%len(list)]
		if os.Getenv("NUMBERED") != "" {
			method = fmt.Sprintf("/shop.Echo%d/%s", i, path.Base(method))
		}
		turns <- method
	}
	close(turns)
	workers.Wait()
	// The connection stays until the last replies were read.
	time.Sleep(100 * time.Millisecond)
}
