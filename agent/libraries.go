package agent

import (
	"errors"
	"log/slog"

	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/agent/library"
)

// libraries puts probes on the TLS libraries that processes run, once for each file: a probe holds for every process that maps the
// file, and which of them are traced is decided in the kernel as for sockets. It belongs to the scout's goroutine.
type libraries struct {
	kernel *kernel
	log    *slog.Logger
	files  map[library.File]*probed
	users  map[uint32][]*probed
}

// probed is one file that was looked at.
type probed struct {
	file   library.File
	links  []link.Link // none: there is nothing in it, or it could not be had
	users  int
	lasts  bool  // stays without users
	failed error // why it could not be had
}

// probedMax bounds the files that are remembered while no process uses them.
const probedMax = 1 << 10

func newLibraries(k *kernel, log *slog.Logger) *libraries {
	l := &libraries{kernel: k, log: log, files: make(map[library.File]*probed), users: make(map[uint32][]*probed)}
	for _, m := range library.Usual() {
		l.file(m).lasts = true
	}
	return l
}

// look puts probes on what a process has mapped by now. It tells whether weft can read the TLS of the process.
func (l *libraries) look(pid uint32) bool {
	mappings, err := library.Mappings(pid)
	if err != nil {
		return false
	}
	var files []*probed
	for _, m := range mappings {
		p := l.file(m)
		p.users++
		files = append(files, p)
	}
	l.forget(pid)
	l.users[pid] = files
	return l.reads(pid)
}

// reads tells whether a library that the process runs has probes.
func (l *libraries) reads(pid uint32) bool {
	for _, p := range l.users[pid] {
		if len(p.links) > 0 {
			return true
		}
	}
	return false
}

func (l *libraries) file(m library.Mapping) *probed {
	if p := l.files[m.File]; p != nil {
		return p
	}
	p := &probed{file: m.File}
	l.files[m.File] = p
	err := l.probe(p, m)
	if err != nil && !errors.Is(err, library.ErrNone) {
		p.failed = err
		l.log.Warn("what passes through a TLS library is not read", "file", m.Name, "reason", err)
	}
	return p
}

// probe puts what probes there are for a file on it.
func (l *libraries) probe(p *probed, m library.Mapping) error {
	calls, err := golang.InspectTLS(m.Path)
	if !errors.Is(err, golang.ErrNotGo) {
		if err == nil {
			p.links, err = l.kernel.probeGo(m.Path, calls)
		}
		return err
	}
	functions, err := library.Inspect(m.Path)
	if err == nil {
		p.links, err = l.kernel.probeLibrary(m.Path, functions)
	}
	return err
}

func (l *libraries) forget(pid uint32) {
	for _, p := range l.users[pid] {
		if p.users--; p.users == 0 && !p.lasts && (len(p.links) > 0 || len(l.files) > probedMax) {
			p.close()
			delete(l.files, p.file)
		}
	}
	delete(l.users, pid)
}

func (l *libraries) close() {
	for _, p := range l.files {
		p.close()
	}
}

func (p *probed) close() {
	for _, one := range p.links {
		one.Close()
	}
	p.links = nil
}
