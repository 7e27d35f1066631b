// Command app is a server and a client over TLS for the tests: `app serve ADDRESS CERTIFICATE KEY` and
// `app ask URL CONNECTIONS REQUESTS`. The server asks on at the URL of the query `to`, with a trace context that goes on unless the path
// begins with /drop.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2], os.Args[3], os.Args[4])
	case "ask":
		err = ask(os.Args[2], os.Args[3], os.Args[4])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// client speaks HTTP/1 only.
func client(connections int) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
	}}
}

func serve(address, certificate, key string) error {
	c := client(64)
	s := &http.Server{
		Addr: address, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to := r.URL.Query().Get("to"); to != "" {
				if err := pass(c, to+r.URL.Path, r); err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
			}
			fmt.Fprintln(w, "hello")
		}),
	}
	return s.ListenAndServeTLS(certificate, key)
}

func pass(c *http.Client, url string, r *http.Request) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) == 4 && !strings.HasPrefix(r.URL.Path, "/drop") {
		parts[2] = "ab" + parts[2][2:]
		req.Header.Set("traceparent", strings.Join(parts, "-"))
	}
	return drain(c.Do(req))
}

func drain(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// ask waits a moment, so that what traces it has found it; each connection has its own requests: URL/CONNECTION.REQUEST.
func ask(url, connections, requests string) error {
	n, _ := strconv.Atoi(connections)
	each, _ := strconv.Atoi(requests)
	base, query, _ := strings.Cut(url, "?")
	if query != "" {
		query = "?" + query
	}
	time.Sleep(time.Second)
	var wait sync.WaitGroup
	faults := make([]error, n)
	for i := range n {
		wait.Go(func() {
			c := client(1)
			for j := range each {
				req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/%d.%d%s", base, i, j, query), nil)
				if err != nil {
					faults[i] = err
					return
				}
				req.Header.Set("traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", time.Now().UnixNano(), i<<16|j+1, i<<16|j+1))
				faults[i] = errors.Join(faults[i], drain(c.Do(req)))
			}
		})
	}
	wait.Wait()
	return errors.Join(faults...)
}
