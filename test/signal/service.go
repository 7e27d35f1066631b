// Package signal runs a service that drops trace contexts under weft, and holds what weft tells of it to a real collector, to a
// Prometheus server, to a pipeline that waits for an exit code, and to a person.
package signal

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
)

// role is the variable that makes the test binary one of the two services: shop, which calls bank.
const role = "SIGNAL_ROLE"

// Routes of shop: one carries the context on, the other drops it.
const (
	carries = "/carry"
	drops   = "/charge"
)

// serve answers on PORT of loopback; shop calls the server at UPSTREAM.
func serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("/pay", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "paid") })
	mux.HandleFunc(carries, func(w http.ResponseWriter, r *http.Request) {
		in := r.Header.Get("traceparent")
		call(w, r, in[:36]+fmt.Sprintf("%016x", rand.Uint64()|1)+in[52:])
	})
	mux.HandleFunc(drops, func(w http.ResponseWriter, r *http.Request) { call(w, r, "") })
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
}

func call(w http.ResponseWriter, r *http.Request, traceparent string) {
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+os.Getenv("UPSTREAM")+"/pay", nil)
	if err == nil {
		out.Header.Set("User-Agent", "shop-client/1.2")
		if traceparent != "" {
			out.Header.Set("traceparent", traceparent)
		}
		var reply *http.Response
		if reply, err = http.DefaultClient.Do(out); err == nil {
			defer reply.Body.Close()
			_, err = io.Copy(w, reply.Body)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}
