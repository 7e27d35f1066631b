package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// receiver is an OTLP/HTTP endpoint that counts spans by service and kind and keeps none.
type receiver struct {
	*child
	endpoint string
}

// tally counts spans; the keys are like nginx/server.
type tally map[string]uint64

func startReceiver() (*receiver, error) {
	var ready listening
	c, err := startRole("receiver", &ready, "receiver")
	if err != nil {
		return nil, err
	}
	return &receiver{child: c, endpoint: "http://" + ready.Address}, nil
}

// counts gives what has come so far.
func (r *receiver) counts() (tally, error) {
	t := tally{}
	return t, r.ask(&t)
}

func (t tally) total() (n uint64) {
	for _, one := range t {
		n += one
	}
	return n
}

// since takes off what had come before.
func (t tally) since(before tally) tally {
	d := tally{}
	for key, n := range t {
		if n -= before[key]; n > 0 {
			d[key] = n
		}
	}
	return d
}

// listening is the first line of the roles that serve.
type listening struct{ Address string }

func receive([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	counts := tally{}
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			return // weft's own metrics and log records
		}
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		if cap(*buffer) < int(r.ContentLength) {
			*buffer = make([]byte, r.ContentLength)
		}
		body := (*buffer)[:max(r.ContentLength, 0)]
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		err := counts.add(body)
		mu.Unlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	return obey(listening{l.Addr().String()}, func() any {
		mu.Lock()
		defer mu.Unlock()
		t := tally{}
		for key, n := range counts {
			t[key] = n
		}
		return t
	})
}

// The fields of opentelemetry/proto/trace/v1/trace.proto and its neighbours that are counted by.
const (
	requestResourceSpans = 1
	resourceSpansOwner   = 1
	resourceSpansScopes  = 2
	resourceAttributes   = 1
	attributeKey         = 1
	attributeValue       = 2
	valueString          = 1
	scopeSpansSpans      = 2
	spanKind             = 6
)

var kinds = map[uint64]string{2: "server", 3: "client"}

// add counts the spans of an ExportTraceServiceRequest.
func (t tally) add(message []byte) error {
	return fields(message, requestResourceSpans, func(group []byte) error {
		service := "unknown"
		byKind := map[uint64]uint64{}
		err := fields(group, resourceSpansOwner, func(owner []byte) error {
			return fields(owner, resourceAttributes, func(a []byte) error {
				if string(text(a, attributeKey)) == "service.name" {
					service = string(text(text(a, attributeValue), valueString))
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		err = fields(group, resourceSpansScopes, func(scope []byte) error {
			return fields(scope, scopeSpansSpans, func(s []byte) error {
				byKind[number(s, spanKind)]++
				return nil
			})
		})
		for kind, n := range byKind {
			t[service+"/"+kinds[kind]] += n
		}
		return err
	})
}

// fields calls each for every field of the given number that has a length.
func fields(b []byte, number protowire.Number, each func([]byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("read message: %w", protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(field, kind, b)
		if size < 0 {
			return fmt.Errorf("read field %d: %w", field, protowire.ParseError(size))
		}
		if field == number && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b)
			if err := each(value); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// text gives the last field of that number, nil if there is none.
func text(b []byte, number protowire.Number) (value []byte) {
	fields(b, number, func(v []byte) error {
		value = v
		return nil
	})
	return value
}

// number gives the first varint field of that number, 0 if there is none.
func number(b []byte, wanted protowire.Number) uint64 {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0
		}
		b = b[n:]
		if field == wanted && kind == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(b)
			return v
		}
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return 0
		}
		b = b[n:]
	}
	return 0
}
