package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"google.golang.org/grpc/metadata"
)

// askNext asks the server of NEXT before a request is answered, by NEXT_BY: grpc, which is usual, h2 or http1. The method asked for has
// the number of the one that was asked, if that has one. The context goes on unless FORGET is set. With SPAWN the call is made by
// a goroutine that another one has started.
func askNext(method, parent string) (err error) {
	next := os.Getenv("NEXT")
	if next == "" {
		return nil
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(method, "/shop.Echo"), "/")
	if os.Getenv("FORGET") != "" {
		parent = ""
	} else {
		parent = child(parent)
	}
	ask := func() { err = callNext(next, "/shop.Next"+number+"/S0", parent) }
	if os.Getenv("SPAWN") == "" {
		ask()
		return err
	}
	var outer sync.WaitGroup
	outer.Go(func() {
		var inner sync.WaitGroup
		inner.Go(ask)
		inner.Wait()
	})
	outer.Wait()
	return err
}

func callNext(next, method, parent string) error {
	by := os.Getenv("NEXT_BY")
	if by == "" || by == "grpc" {
		ctx := context.Background()
		if parent != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
		}
		return call(ctx, dial(next), method)
	}
	r, err := http.NewRequest("GET", "http://"+next+method, nil)
	if err != nil {
		return err
	}
	if parent != "" {
		r.Header.Set("traceparent", parent)
	}
	reply, err := clients()[by].Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	return err
}

var clients = sync.OnceValue(func() map[string]*http.Client {
	one := &http.Transport{MaxIdleConnsPerHost: 64}
	return map[string]*http.Client{"h2": newHTTP2(), "http1": {Transport: one}}
})

// newHTTP2 makes a client that speaks HTTP/2 to those who know that it does.
func newHTTP2() *http.Client {
	t := &http.Transport{Protocols: &http.Protocols{}}
	t.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: t}
}
