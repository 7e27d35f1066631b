package agent

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
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
	if f.Layout == (golang.GRPCLayout{}) {
		f.GRPC, f.Opens = 0, nil
	}
	if len(f.Handlers)+len(f.Calls)+len(f.Opens) == 0 && f.GRPC == 0 {
		return nil, nil
	}
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open executable: %w", err)
	}
	var links []link.Link
	var failed error
	put := func(at, cookie uint64, program *ebpf.Program) {
		l, err := attach(file, program, &link.UprobeOptions{Address: at, Cookie: cookie})
		if err != nil {
			failed = fmt.Errorf("attach uprobe: %w", err)
			return
		}
		links = append(links, l)
	}
	o := &k.objects.WeftPrograms
	for _, at := range f.Handlers {
		put(at, 0, o.GoHttp2Handler)
	}
	for _, at := range f.Calls {
		put(at, 0, o.GoHttp2Opens)
	}
	if f.GRPC != 0 {
		put(f.GRPC, f.Layout.ServerCookie(), o.GoGrpcHandler)
	}
	for _, at := range f.Opens {
		put(at, f.Layout.ClientCookie(), o.GoGrpcOpens)
	}
	return links, failed
}
