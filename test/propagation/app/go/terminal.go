package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// tried are the ids that /flaky has failed once.
var tried sync.Map

func terminal(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/flaky", func(w http.ResponseWriter, r *http.Request) {
		if _, again := tried.LoadOrStore(r.URL.Query().Get("id"), true); !again {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, "flaky")
	})
	mux.HandleFunc("/fail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// What exporters send is read, so that their connections stay open.
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, "{}")
	})
	return nil
}

func proxy(*http.ServeMux) http.Handler {
	to, err := url.Parse(upstream)
	if err != nil {
		panic(err)
	}
	return httputil.NewSingleHostReverseProxy(to)
}
