package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const service = "/shop.Echo/"

func drain(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// raw passes messages as they are, in grpc-go and in connect-go.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

func serveGRPC(l net.Listener) error {
	options := []grpc.ServerOption{grpc.UnknownServiceHandler(serveCall), grpc.ForceServerCodec(raw{})}
	if secure() {
		c, err := credentials.NewServerTLSFromFile(os.Getenv("CERT"), os.Getenv("KEY"))
		check(err)
		options = append(options, grpc.Creds(c))
	}
	return grpc.NewServer(options...).Serve(l)
}

func serveCall(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	code, messages, size := parse(method)
	for {
		var in []byte
		if err := s.RecvMsg(&in); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
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

func callGRPC(address string) func(i int) error {
	creds := insecure.NewCredentials()
	if secure() {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate of the test's own
	}
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	check(err)
	return func(i int) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := call(metadata.AppendToOutgoingContext(ctx, "traceparent", parent(i)), c, service+asked(i))
		if s, ok := status.FromError(err); ok && s.Message() == "as asked" {
			return nil
		}
		return err
	}
}

func call(ctx context.Context, c *grpc.ClientConn, method string) error {
	_, messages, size := parse(method)
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
		if err := s.RecvMsg(&in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// connectHandler answers Connect, gRPC-Web and gRPC.
func connectHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := connect.NewBidiStreamHandler(r.URL.Path, func(_ context.Context, s *connect.BidiStream[[]byte, []byte]) error {
			code, messages, size := parse(r.URL.Path)
			for {
				if _, err := s.Receive(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return err
				}
			}
			if code != 0 {
				return connect.NewError(connect.Code(code), errors.New("as asked"))
			}
			out := make([]byte, size)
			for range messages {
				if err := s.Send(&out); err != nil {
					return err
				}
			}
			return nil
		}, connect.WithCodec(raw{}), connect.WithCompression("gzip", nil, nil))
		h.ServeHTTP(w, r)
	})
}

func callConnect(protocol, address string) func(i int) error {
	c := &http.Client{Transport: transport(true, 1), Timeout: time.Minute}
	options := []connect.ClientOption{connect.WithCodec(raw{}), connect.WithAcceptCompression("gzip", nil, nil)}
	if protocol == "grpcweb" {
		options = append(options, connect.WithGRPCWeb())
	}
	return func(i int) error {
		_, messages, size := parse(asked(i))
		s := connect.NewClient[[]byte, []byte](c, base(address)+service+asked(i), options...).CallBidiStream(context.Background())
		s.RequestHeader().Set("traceparent", parent(i))
		out := make([]byte, size)
		for range messages {
			if err := s.Send(&out); err != nil {
				break
			}
		}
		if err := s.CloseRequest(); err != nil {
			return err
		}
		defer s.CloseResponse() //nolint:errcheck // read to its end
		for {
			_, err := s.Receive()
			var told *connect.Error
			if errors.Is(err, io.EOF) || errors.As(err, &told) && told.Message() == "as asked" {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}
