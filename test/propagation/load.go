package propagation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

func hexadecimal(digits int) string {
	text := ""
	for len(text) < digits {
		text += fmt.Sprintf("%016x", rand.Uint64()|1)
	}
	return text[:digits]
}

func traceparent(flags string) string {
	return "00-" + hexadecimal(32) + "-" + hexadecimal(16) + "-" + flags
}

func plain(h http.Header, _ int)  { h.Set("traceparent", traceparent("01")) }
func random(h http.Header, _ int) { h.Set("traceparent", traceparent("03")) }

func nominated(h http.Header, n int) {
	plain(h, n)
	h.Set("Connection", "close, traceparent")
}

func everything(h http.Header, n int) {
	h.Set("traceparent", traceparent("03"))
	h.Set("tracestate", "vendor=opaque,other=1")
	h.Set("baggage", "user=alice,plan=gold;p=1")
}

func b3Single(h http.Header, _ int) { h.Set("b3", hexadecimal(32)+"-"+hexadecimal(16)+"-1") }

func b3Multi(h http.Header, _ int) {
	h.Set("X-B3-TraceId", hexadecimal(32))
	h.Set("X-B3-SpanId", hexadecimal(16))
	h.Set("X-B3-Sampled", "1")
}

func uber(h http.Header, _ int) { h.Set("uber-trace-id", hexadecimal(32)+":"+hexadecimal(16)+":0:1") }

func dd(h http.Header, _ int) {
	h.Set("x-datadog-trace-id", fmt.Sprint(rand.Uint64()>>1|1))
	h.Set("x-datadog-parent-id", fmt.Sprint(rand.Uint64()>>1|1))
	h.Set("x-datadog-sampling-priority", "1")
}

// requestsOf sends n requests over so many connections.
func requestsOf(t *testing.T, address string, f flow, n, connections int) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			for k := c; k < n; k += connections {
				if err := one(client, address, f, k); err != nil {
					t.Errorf("request %d: %v", k, err)
					return
				}
				if f.where == "only after the reply" {
					time.Sleep(50 * time.Millisecond) // so that what is left of a request is over before the next one
				}
			}
		})
	}
	wg.Wait()
}

func one(client *http.Client, address string, f flow, k int) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+address+f.path+"?id="+hexadecimal(16), nil)
	if err != nil {
		return err
	}
	if f.carry == nil {
		plain(r.Header, k)
	} else {
		f.carry(r.Header, k)
	}
	reply, err := client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", reply.StatusCode)
	}
	return nil
}
