package main

import (
	"net/http"
	"strings"
	"sync"
)

// before is what the last request has brought.
var before struct {
	sync.Mutex
	header string
}

func leak(r *http.Request) string {
	before.Lock()
	defer before.Unlock()
	last := before.header
	before.header = r.Header.Get("traceparent")
	return last
}

func leaks(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/first", func(_ http.ResponseWriter, r *http.Request) { leak(r) })
	return byHand(leak)(mux)
}

func upper(r *http.Request) string { return strings.ToUpper(child(r)) }

func truncate(r *http.Request) string {
	header := child(r)
	if header == "" {
		return ""
	}
	return header[:3] + strings.Repeat("0", 16) + header[19:]
}

func planted(r *http.Request) string {
	if r.Header.Get("X-Plant") != "" {
		return ""
	}
	return child(r)
}
