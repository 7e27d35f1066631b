package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"weft/correlate"
	"weft/correlate/event"
	"weft/correlate/span"
)

// wordField is where the word of a request stands when not in its path.
const wordField = "x-word"

// exchange is a span as the scores and the references see it. Times are Unix time, ns.
type exchange struct {
	name              name
	server            bool
	pid, tid          uint32
	start, end, first int64
	port              uint16 // of the peer, of a call
	id, parent        span.ID
	evidence          span.Evidence
	confidence        float64
	alternates        int
	passedOn          bool // it is the request that came in, by FastCGI
}

// key names a request in a process.
type key struct {
	pid  uint32
	tree uint32
	node uint8
}

// each visits the events of a recording.
func each(path string, visit func(*event.Event) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := event.NewReader(bufio.NewReader(file))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	var ev event.Event
	for {
		switch err := r.Next(&ev); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := visit(&ev); err != nil {
			return err
		}
	}
}

// replay gives the exchanges of a recording whose names are known, as weft tells them.
func replay(path string) ([]exchange, error) {
	var all []exchange
	o := correlate.Options{Hold: 2e8, Sockets: 1 << 16, HeadersRequest: []string{wordField}, Poison: true}
	p, err := correlate.New(o, func() *span.Span { return new(span.Span) }, func(one *span.Span) {
		if x, ok := read(one); ok {
			all = append(all, x)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := each(path, func(ev *event.Event) error { p.Feed(ev); return nil }); err != nil {
		return nil, err
	}
	p.Close()
	return all, nil
}

func read(s *span.Span) (exchange, bool) {
	text := s.Path
	for _, h := range s.Headers {
		if h.Key == "http.request.header."+wordField {
			text = h.Value
		}
	}
	n, ok := nameIn(text)
	return exchange{
		name: n, server: s.Kind == span.Server, pid: s.PID, tid: s.TID, start: s.Start, end: s.End, first: s.FirstByte, port: s.Peer.Port(),
		id: s.SpanID, parent: s.ParentID, evidence: s.Evidence, confidence: s.Confidence, alternates: s.Alternates,
		passedOn: s.FastCGI && s.Kind == span.Client,
	}, ok
}

// cause gives what the exchange is part of, of a call: in a proxy the same request, else the one that the name tells.
func (x *exchange) cause(proxy bool) key {
	k := key{x.pid, x.name.tree, x.name.parent}
	if proxy || x.passedOn {
		k.node = x.name.node
	}
	return k
}
