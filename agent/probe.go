package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/agent/library"
	"weft/bpf"
)

// probeLibrary puts the probes on the functions of one file: all, or none and an error.
func (k *kernel) probeLibrary(path string, functions library.Functions) ([]link.Link, error) {
	links, err := k.putAll(path, k.libraryPlacements(functions))
	if err != nil {
		return nil, fmt.Errorf("probe a TLS library: %w", err)
	}
	return links, nil
}

// libraryPlacements gives the probes where functions return first, so that no call is seen to begin that is not seen to end.
func (k *kernel) libraryPlacements(functions library.Functions) []placement {
	o := &k.objects.WeftPrograms
	read, write := o.SslReadBegins, o.SslWriteBegins
	if _, frees := functions["SSL_free"]; !frees {
		read, write = o.SslReadLooselyBegins, o.SslWriteLooselyBegins
	}
	var ends, begins []placement
	for _, f := range []struct {
		name       string
		entry, end *ebpf.Program
	}{
		{"SSL_read", read, o.SslEnds},
		{"SSL_write", write, o.SslEnds},
		{"SSL_read_ex", o.SslReadExBegins, o.SslEnds},
		{"SSL_write_ex", o.SslWriteExBegins, o.SslEnds},
		{"SSL_sendfile", o.SslSendfileBegins, o.SslEnds},
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
		if f.end != nil {
			ends = append(ends, placement{program: f.end, at: at, returns: true})
		}
		begins = append(begins, placement{program: f.entry, at: at})
	}
	if !k.cookies {
		return append(ends, begins...)
	}
	nsprEnds, nsprBegins := nsprPlacements(functions, o)
	return slices.Concat(ends, nsprEnds, begins, nsprBegins, rustlsPlacements(functions, o.RustlsFunction))
}

// What the probe of a function of NSPR is told: see bpf/library.h.
const (
	nsprSends = 1 << iota
	nsprHasFlags
)

// nsprPlacements are the functions of NSPR: where they return, and where they begin.
func nsprPlacements(functions library.Functions, o *bpf.WeftPrograms) (ends, begins []placement) {
	for _, f := range []struct {
		name   string
		cookie uint64
	}{{"PR_Read", 0}, {"PR_Write", nsprSends}, {"PR_Recv", nsprHasFlags}, {"PR_Send", nsprSends | nsprHasFlags}} {
		if at, ok := functions[f.name]; ok {
			ends = append(ends, placement{program: o.SslEnds, at: at, returns: true})
			begins = append(begins, placement{program: o.NsprCallBegins, at: at, cookie: f.cookie})
		}
	}
	// A descriptor that is closed is used again, for a file or a connection in clear.
	if at, ok := functions["PR_Close"]; ok {
		begins = append(begins, placement{program: o.TlsObjectEnds, at: at})
	}
	return ends, begins
}

// rustlsPlacements are the functions of rustls, at their entries only.
func rustlsPlacements(functions library.Functions, program *ebpf.Program) (all []placement) {
	for name, at := range functions {
		cookie := uint64(bpf.WeftDirectionDIRECTION_RECEIVE)
		switch {
		case strings.HasPrefix(name, library.RustlsEncrypt):
			cookie = uint64(bpf.WeftDirectionDIRECTION_SEND)
		case !strings.HasPrefix(name, library.RustlsHandle):
			continue
		}
		all = append(all, placement{program: program, at: at, cookie: cookie})
	}
	return all
}

// probeGo puts probes on crypto/tls in a Go program: one at each instruction that returns, and one at each entry.
func (k *kernel) probeGo(path string, t golang.TLS) ([]link.Link, error) {
	o := &k.objects.WeftPrograms
	var ends, begins []placement
	for call, entry := range map[*golang.Call]*ebpf.Program{t.Read: o.GoTlsReadBegins, t.Write: o.GoTlsWriteBegins} {
		if call == nil {
			continue
		}
		for _, at := range call.Returns {
			ends = append(ends, placement{program: o.GoTlsReturns, at: at})
		}
		begins = append(begins, placement{program: entry, at: call.Entry})
	}
	if len(begins) == 0 {
		return nil, nil
	}
	links, err := k.putAll(path, append(ends, begins...))
	if err != nil {
		return nil, fmt.Errorf("probe crypto/tls: %w", err)
	}
	return links, nil
}
