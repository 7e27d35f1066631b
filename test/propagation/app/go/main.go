// Command service is a small service that handles trace context in one way, right or wrong: `service MODE`. PORT is where it
// listens on loopback, UPSTREAM the address of the server that it calls, SPANS where it exports spans to, if it does.
//
//	terminal   the server that is called, and the collector of spans: /work, /flaky, /fail, and 200 to everything else
//	proxy      httputil.ReverseProxy
//	otel       otelhttp in and out; /fresh calls with a context of its own
//	drop       calls without a header
//	child      sends a new parent id, by hand; the modes below differ from it in one point
//	retry      tries again after an error, without a header
//	fallback   calls another path after an error, without a header
//	async      calls once more after its reply, without a header
//	leak       sends what the request before has brought; /first calls nobody
//	upper      writes its ids in upper case
//	truncate   keeps the right half of the trace id only
//	planted    drops the header of requests that have an X-Plant
//	b3         reads and writes the single b3 header, through OpenTelemetry's propagator
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"time"
)

func main() {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 100
	mode, ok := modes[mustArgument()]
	if !ok {
		log.Fatalf("unknown mode %q", os.Args[1])
	}
	mux := http.NewServeMux()
	var handler http.Handler = mux
	if wrap := mode(mux); wrap != nil {
		handler = wrap
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), handler))
}

func mustArgument() string {
	if len(os.Args) != 2 {
		log.Fatal("usage: service MODE")
	}
	return os.Args[1]
}

// modes register the routes of a mode; what they give, if anything, wraps them.
var modes = map[string]func(*http.ServeMux) http.Handler{
	"terminal": terminal,
	"proxy":    proxy,
	"otel":     otel,
	"b3":       b3,
	"drop":     byHand(func(*http.Request) string { return "" }),
	"child":    byHand(child),
	"leak":     leaks,
	"upper":    byHand(upper),
	"truncate": byHand(truncate),
	"planted":  byHand(planted),
	"retry":    retry,
	"fallback": fallback,
	"async":    async,
}

var upstream = os.Getenv("UPSTREAM")

// call sends a request with that traceparent, or none, and gives its status.
func call(ctx context.Context, client *http.Client, path, traceparent string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, upstream+path, nil)
	if err != nil {
		return 0, err
	}
	if traceparent != "" {
		r.Header.Set("traceparent", traceparent)
	}
	reply, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	return reply.StatusCode, err
}

// answer tells the caller how the call went.
func answer(w http.ResponseWriter, status int, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
	fmt.Fprintln(w, "called")
}

func byHand(header func(*http.Request) string) func(*http.ServeMux) http.Handler {
	return func(mux *http.ServeMux) http.Handler {
		mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
			status, err := call(r.Context(), http.DefaultClient, "/work", header(r))
			answer(w, status, err)
		})
		return nil
	}
}

// child continues the trace under a new parent id.
func child(r *http.Request) string {
	in := r.Header.Get("traceparent")
	if len(in) != 55 {
		return ""
	}
	return in[:36] + fmt.Sprintf("%016x", rand.Uint64()|1) + in[52:]
}

func retry(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		path := "/flaky?id=" + r.URL.Query().Get("id")
		status, err := call(r.Context(), http.DefaultClient, path, child(r))
		if err == nil && status == http.StatusServiceUnavailable {
			status, err = call(r.Context(), http.DefaultClient, path, "")
		}
		answer(w, status, err)
	})
	return nil
}

func fallback(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		status, err := call(r.Context(), http.DefaultClient, "/flaky?id="+r.URL.Query().Get("id"), child(r))
		if err == nil && status == http.StatusServiceUnavailable {
			status, err = call(r.Context(), http.DefaultClient, "/work", "")
		} else if err == nil {
			status, err = call(r.Context(), http.DefaultClient, "/work", child(r))
		}
		answer(w, status, err)
	})
	return nil
}

func async(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		status, err := call(r.Context(), http.DefaultClient, "/work", child(r))
		answer(w, status, err)
		go func() {
			time.Sleep(20 * time.Millisecond)
			if _, err := call(context.Background(), http.DefaultClient, "/work?late", ""); err != nil {
				log.Print(err)
			}
		}()
	})
	return nil
}
