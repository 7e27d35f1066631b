// Command peer is a server or a client in Go, by net/http, grpc-go or connect-go:
//
//	peer serve PROTOCOL ADDRESS
//	peer ask PROTOCOL ADDRESS REQUESTS STREAMS
//
// PROTOCOL is http/1.1, h2, grpc, grpcweb or connect; a server of grpcweb or connect has both. With CERT and KEY, the names of
// files, it speaks TLS. The requests ask for ANSWERS in turn, and have the trace ids LOAD and their number; see ../../load_test.go.
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	protocol, address := os.Args[2], os.Args[3]
	if os.Args[1] == "serve" {
		listener, err := net.Listen("tcp", address)
		check(err)
		switch protocol {
		case "grpc":
			check(serveGRPC(listener))
		case "grpcweb", "connect":
			check(serveHTTP(listener, connectHandler()))
		default:
			check(serveHTTP(listener, http.HandlerFunc(answer)))
		}
		return
	}
	requests, err := strconv.Atoi(os.Args[4])
	check(err)
	streams, err := strconv.Atoi(os.Args[5])
	check(err)
	var one func(i int) error
	switch protocol {
	case "grpc":
		one = callGRPC(address)
	case "grpcweb", "connect":
		one = callConnect(protocol, address)
	default:
		one = get(protocol, address, streams)
	}
	ask(one, requests, streams)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func secure() bool { return os.Getenv("CERT") != "" }

// parse says what the last part of a path asks for: S5 a status, M3 so many messages in each direction, D9 so many bytes.
func parse(p string) (code, messages, size int) {
	last := path.Base(p)
	n, err := strconv.Atoi(last[1:])
	switch {
	case err != nil:
	case last[0] == 'S':
		return n, 1, 0
	case last[0] == 'M':
		return 0, n, 0
	case last[0] == 'D':
		return 0, 1, n
	}
	return 0, 1, 0
}

func serveHTTP(l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, Protocols: &http.Protocols{}}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	if secure() {
		return s.ServeTLS(l, os.Getenv("CERT"), os.Getenv("KEY"))
	}
	return s.Serve(l)
}

func answer(w http.ResponseWriter, r *http.Request) {
	code, _, size := parse(r.URL.Path)
	if code >= 200 {
		w.WriteHeader(code)
	}
	if size > 0 {
		_, _ = w.Write(make([]byte, size))
	}
}

// transport speaks one version of HTTP.
func transport(h2 bool, connections int) *http.Transport {
	t := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &http.Protocols{}, //nolint:gosec // a certificate of the test's own
		MaxIdleConnsPerHost: connections,
	}
	t.Protocols.SetHTTP1(!h2)
	t.Protocols.SetHTTP2(h2)
	t.Protocols.SetUnencryptedHTTP2(h2)
	return t
}

func base(address string) string {
	if secure() {
		return "https://" + address
	}
	return "http://" + address
}

func asked(i int) string {
	answers := strings.Split(os.Getenv("ANSWERS"), ",")
	return answers[i%len(answers)]
}

func parent(i int) string {
	load := os.Getenv("LOAD")
	return fmt.Sprintf("00-%s%016x-%s%08x-01", load, i+1, load[8:], i+1)
}

func get(protocol, address string, streams int) func(i int) error {
	c := &http.Client{Transport: transport(protocol == "h2", streams), Timeout: time.Minute}
	return func(i int) error {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/%s/%d/%s", base(address), os.Getenv("LOAD"), i, asked(i)), nil)
		if err != nil {
			return err
		}
		r.Header.Set("traceparent", parent(i))
		reply, err := c.Do(r)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		_, err = drain(reply.Body)
		return err
	}
}

// ask makes the requests, so many at a time. With TLS it waits a moment, so that what traces it has found the program.
func ask(one func(i int) error, requests, streams int) {
	if secure() {
		time.Sleep(time.Second)
	}
	turns := make(chan int)
	var workers sync.WaitGroup
	for range streams {
		workers.Go(func() {
			for i := range turns {
				check(one(i))
			}
		})
	}
	for i := range requests {
		turns <- i
	}
	close(turns)
	workers.Wait()
	time.Sleep(100 * time.Millisecond) // the last frames are read
}
