package agent

import (
	"errors"
	"os"
	"time"

	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/agent/node"
)

// program is one executable.
type program struct {
	offsets golang.Offsets
	isGo    bool
	users   int
	watched bool      // watchHandover was here
	probe   link.Link // on the hand-over of its HTTP client, or nil
	// streams are the probes that tell which goroutine works on which stream of HTTP/2; streamsWatched: watchStreams was here.
	streams        []link.Link
	streamsWatched bool
	turns          []uint64  // where Node's event loop goes on with what is no socket; none: it is no Node
	rested         time.Time // without users: when the last one ended
}

// restFor is how long a program without processes is remembered, with its probe: one that ends is often started again, and its first
// calls would be over before it was looked at again. The probe keeps the space of a deleted file for as long. restedMax bounds
// how many those are.
const (
	restFor   = time.Minute
	restedMax = 256
)

// dropRested forgets the programs that were not run again.
func (s *scout) dropRested(now time.Time) {
	rested := 0
	for key, p := range s.programs {
		if p.users > 0 {
			continue
		}
		if rested++; rested > restedMax || now.Sub(p.rested) > restFor {
			takeOff(p.probes()...)
			delete(s.programs, key)
		}
	}
}

func (s *scout) read(path string) *program {
	p := &program{}
	offsets, version, err := golang.Inspect(path)
	switch {
	case errors.Is(err, golang.ErrNotGo):
		p.turns, _ = node.Executable(path) // one that can't be read is told of when it talks
		return p
	case err != nil:
		name, _ := os.Readlink(path)
		s.log.Warn("goroutines of a program are not told apart", "executable", name, "go", version, "reason", err)
		return p
	}
	p.isGo, p.offsets = true, offsets
	return p
}

// watchHandover puts the probe on the program's HTTP client, once. That takes tens of milliseconds where many processes run: it comes
// after all else that a new process waits for.
func (s *scout) watchHandover(p *program, path string) {
	if !p.isGo || p.watched || !s.handover || p.offsets.RoundTrip == 0 {
		return
	}
	p.watched = true
	var err error
	p.probe, err = s.kernel.probe(path, p.offsets.RoundTrip, s.kernel.objects.GoRoundTrip)
	if err != nil {
		s.log.Warn("requests on pooled connections of Go programs are not linked", "reason", err)
	}
}

// probes are all that hold the file of the program.
func (p *program) probes() []link.Link {
	if p.probe == nil {
		return p.streams
	}
	return append([]link.Link{p.probe}, p.streams...)
}
