package agent

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/agent/library"
	"weft/bpf"
)

// probeLibrary puts the probes on the functions of one file: all, or none and an error.
func (k *kernel) probeLibrary(path string, functions library.Functions) ([]link.Link, error) {
	o := &k.objects.WeftPrograms
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open library: %w", err)
	}
	p := &probed{}
	read, write := o.SslReadBegins, o.SslWriteBegins
	if _, frees := functions["SSL_free"]; !frees {
		read, write = o.SslReadLooselyBegins, o.SslWriteLooselyBegins
	}
	for _, f := range []struct {
		name       string
		entry, end *ebpf.Program
	}{
		{"SSL_read", read, o.SslEnds},
		{"SSL_write", write, o.SslEnds},
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
			takeOff(p.links...)
			return nil, fmt.Errorf("probe %s: %w", f.name, err)
		}
	}
	if err := p.putRustls(file, functions, o.RustlsFunction); err != nil {
		takeOff(p.links...)
		return nil, fmt.Errorf("probe rustls: %w", err)
	}
	return p.links, nil
}

// putRustls probes the functions of rustls, at their entries only.
func (p *probed) putRustls(file *link.Executable, functions library.Functions, program *ebpf.Program) error {
	for name, at := range functions {
		options := &link.UprobeOptions{Address: at, Cookie: uint64(bpf.WeftDirectionDIRECTION_RECEIVE)}
		switch {
		case strings.HasPrefix(name, library.RustlsEncrypt):
			options.Cookie = uint64(bpf.WeftDirectionDIRECTION_SEND)
		case !strings.HasPrefix(name, library.RustlsHandle):
			continue
		}
		l, err := attach(file, program, options)
		if err != nil {
			return err
		}
		p.links = append(p.links, l)
	}
	return nil
}

// put probes one function: first where it returns, so that no call is seen to begin that is not seen to end.
func (p *probed) put(file *link.Executable, at uint64, entry, end *ebpf.Program) error {
	if end != nil {
		l, err := attachReturn(file, end, &link.UprobeOptions{Address: at})
		if err != nil {
			return err
		}
		p.links = append(p.links, l)
	}
	l, err := attach(file, entry, &link.UprobeOptions{Address: at})
	if err != nil {
		return err
	}
	p.links = append(p.links, l)
	return nil
}

// probeGo puts probes on crypto/tls in a Go program: one at each entry, and one at each instruction that returns.
func (k *kernel) probeGo(path string, t golang.TLS) ([]link.Link, error) {
	o := &k.objects.WeftPrograms
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open executable: %w", err)
	}
	p := &probed{}
	for call, entry := range map[*golang.Call]*ebpf.Program{t.Read: o.GoTlsReadBegins, t.Write: o.GoTlsWriteBegins} {
		if call == nil {
			continue
		}
		for _, at := range call.Returns {
			if err := p.put(file, at, o.GoTlsReturns, nil); err != nil {
				takeOff(p.links...)
				return nil, fmt.Errorf("probe crypto/tls: %w", err)
			}
		}
		if err := p.put(file, call.Entry, entry, nil); err != nil {
			takeOff(p.links...)
			return nil, fmt.Errorf("probe crypto/tls: %w", err)
		}
	}
	return p.links, nil
}
