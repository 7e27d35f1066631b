package bpf

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weft/agent/library"
)

// startLibrary builds a program of testdata that has functions of a TLS library, and follows what it does: at finds a function of it.
func startLibrary(t *testing.T, name string) (k *capture, program string, at library.Functions) {
	t.Helper()
	program = filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("gcc", "-O2", "-pthread", "-o", program, "testdata/"+name+".c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at, err := library.Inspect(program)
	check(t, err)
	s := everything()
	s.Tls = 1
	k = load(t, s)
	k.attach()
	return k, program, at
}

// putReturn puts a program where a function returns.
func putReturn(t *testing.T, path string, p *ebpf.Program, at uint64) {
	t.Helper()
	file, err := link.OpenExecutable(path)
	check(t, err)
	var l link.Link
	if probesHere() == Multi {
		l, err = file.UretprobeMulti(nil, p, &link.UprobeMultiOptions{Addresses: []uint64{at}})
	} else {
		l, err = file.Uretprobe("", p, &link.UprobeOptions{Address: at})
	}
	check(t, err)
	t.Cleanup(func() { l.Close() })
}

// TestSSLSendfile: what a server sends of files by SSL_sendfile, which never is in its memory, is told as bytes of its replies, so that the
// replies behind it are read; and what was not sent is not.
func TestSSLSendfile(t *testing.T) {
	k, program, at := startLibrary(t, "sendfile")
	o := &k.objects
	for _, name := range []string{"SSL_read", "SSL_write", "SSL_sendfile"} {
		putReturn(t, program, o.SslEnds, at[name])
	}
	put(t, program, o.SslReadBegins, 0, at["SSL_read"])
	put(t, program, o.SslWriteBegins, 0, at["SSL_write"])
	put(t, program, o.SslSendfileBegins, 0, at["SSL_sendfile"])
	put(t, program, o.TlsObjectEnds, 0, at["SSL_free"])
	const size, files, callsEach = 120_000, 5, 2
	k.runner(program)(t, 2*files-1, size)
	k.pairs(numbered(2*files-1), "", true)
	k.empty()
	reason := WeftCount(WeftUnreadReasonUNREAD_SENDFILE)
	if n, b := k.count(WeftCountCOUNT_UNREAD+reason), k.count(WeftCountCOUNT_UNREAD_BYTES+reason); n != callsEach*files || b != size*files {
		t.Errorf("%d operations of %d bytes were not in memory, want %d of %d", n, b, callsEach*files, size*files)
	}
}

// TestNSPR: what passes through NSPR's functions is plaintext where a socket is used inside of them that carries TLS. Sockets in clear are not
// told twice; files are not told at all, also not where a connection had their descriptor before; what is only looked at is not told.
func TestNSPR(t *testing.T) {
	k, program, at := startLibrary(t, "nspr")
	o := &k.objects
	for name, cookie := range map[string]uint64{"PR_Read": 0, "PR_Write": 1, "PR_Recv": 2, "PR_Send": 3} {
		putReturn(t, program, o.SslEnds, at[name])
		put(t, program, o.NsprCallBegins, cookie, at[name])
	}
	put(t, program, o.TlsObjectEnds, 0, at["PR_Close"])
	run := k.runner(program)
	const requests = 7
	t.Run("TLS", func(t *testing.T) {
		run(t, requests, 1)
		k.pairs(numbered(requests), "", true)
		k.empty()
	})
	t.Run("in clear", func(t *testing.T) {
		run(t, requests, 0)
		k.drain()
		if len(k.ended) != 2*requests || len(k.secure) != 0 {
			t.Errorf("%d exchanges, %d over TLS, of %d requests", len(k.ended), len(k.secure), requests)
		}
		k.empty()
	})
	if n := k.count(WeftCountCOUNT_TLS_UNTIED); n != 0 {
		t.Errorf("%d operations are of no socket", n)
	}
}
