package agent

import (
	"errors"

	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
)

// watchStreams puts the probes on where the goroutines of a program meet its streams of HTTP/2, once. It comes after all else, like
// watchHandover.
func (s *scout) watchStreams(p *program, path string) {
	if !p.isGo || p.streamsWatched || !s.handover {
		return
	}
	p.streamsWatched = true
	found, err := golang.InspectStreams(path)
	if err != nil && !errors.Is(err, golang.ErrNotGo) {
		s.log.Warn("calls of Go's gRPC are not linked", "reason", err)
	}
	if p.streams, err = s.kernel.probeStreams(path, &found); err != nil {
		s.log.Warn("calls of Go programs that serve HTTP/2 are not linked", "reason", err)
	}
}

// probeStreams puts the probes on a program: those that could be put, and why not all.
func (k *kernel) probeStreams(path string, f *golang.Streams) ([]link.Link, error) {
	if f.Layout == (golang.GRPCLayout{}) || !k.cookies {
		f.GRPC, f.Opens = 0, nil
	}
	if len(f.Handlers)+len(f.Calls)+len(f.Opens) == 0 && f.GRPC == 0 {
		return nil, nil
	}
	o := &k.objects.WeftPrograms
	var all []placement
	for _, at := range f.Handlers {
		all = append(all, placement{program: o.GoHttp2Handler, at: at})
	}
	for _, at := range f.Calls {
		all = append(all, placement{program: o.GoHttp2Opens, at: at})
	}
	if f.GRPC != 0 {
		all = append(all, placement{program: o.GoGrpcHandler, at: f.GRPC, cookie: f.Layout.ServerCookie()})
	}
	for _, at := range f.Opens {
		all = append(all, placement{program: o.GoGrpcOpens, at: at, cookie: f.Layout.ClientCookie()})
	}
	return k.put(path, all)
}
