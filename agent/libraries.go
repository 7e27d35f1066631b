package agent

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

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
	functions, err := library.Inspect(m.Path)
	if err == nil {
		p.links, err = l.kernel.probeLibrary(m.Path, functions)
	}
	if err != nil && !errors.Is(err, library.ErrNone) {
		p.failed = err
		l.log.Warn("what passes through a TLS library is not read", "file", m.Name, "reason", err)
	}
	return p
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

// probeLibrary puts the probes on the functions of one file: all, or none and an error.
func (k *kernel) probeLibrary(path string, functions library.Functions) ([]link.Link, error) {
	o := &k.objects.WeftPrograms
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open library: %w", err)
	}
	p := &probed{}
	for _, f := range []struct {
		name       string
		entry, end *ebpf.Program
	}{
		{"SSL_read", o.SslReadBegins, o.SslEnds},
		{"SSL_write", o.SslWriteBegins, o.SslEnds},
		{"SSL_read_ex", o.SslReadExBegins, o.SslEnds},
		{"SSL_write_ex", o.SslWriteExBegins, o.SslEnds},
		{"SSL_free", o.TlsObjectEnds, nil},
		// ssize_t gnutls_record_recv(gnutls_session_t, void *, size_t) and its counterpart have their arguments where SSL_read does.
		{"gnutls_record_recv", o.SslReadBegins, o.SslEnds},
		{"gnutls_record_send", o.SslWriteBegins, o.SslEnds},
		{"gnutls_deinit", o.TlsObjectEnds, nil},
	} {
		at, ok := functions[f.name]
		if !ok {
			continue
		}
		if err := p.put(file, at, f.entry, f.end); err != nil {
			p.close()
			return nil, fmt.Errorf("probe %s: %w", f.name, err)
		}
	}
	return p.links, nil
}

// put probes one function: first where it returns, so that no call is seen to begin that is not seen to end.
func (p *probed) put(file *link.Executable, at uint64, entry, end *ebpf.Program) error {
	if end != nil {
		l, err := file.Uretprobe("", end, &link.UprobeOptions{Address: at})
		if err != nil {
			return err
		}
		p.links = append(p.links, l)
	}
	l, err := file.Uprobe("", entry, &link.UprobeOptions{Address: at})
	if err != nil {
		return err
	}
	p.links = append(p.links, l)
	return nil
}
