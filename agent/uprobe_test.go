package agent

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weft/agent/library"
)

// TestFewLinks: a file takes no more links than there are programs for it, however many functions it has, and no place is left out or
// comes twice. Returns come first.
func TestFewLinks(t *testing.T) {
	k := &kernel{cookies: true}
	programs := reflect.ValueOf(&k.objects.WeftPrograms).Elem()
	for i := range programs.NumField() {
		programs.Field(i).Set(reflect.ValueOf(&ebpf.Program{}))
	}
	functions := library.Functions{}
	for i, name := range []string{
		"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "SSL_sendfile", "SSL_free", "gnutls_record_recv", "gnutls_record_send", "gnutls_deinit",
		"PR_Read", "PR_Write", "PR_Recv", "PR_Send", "PR_Close",
	} {
		functions[name] = uint64(i + 1)
	}
	for i := range 16 {
		functions[fmt.Sprint(library.RustlsEncrypt, i)] = uint64(100 + i)
		functions[fmt.Sprint(library.RustlsHandle, i)] = uint64(200 + i)
	}
	all := k.libraryPlacements(functions)
	links := batches(all)
	if len(all) != 11+14+32 || len(links) != 9 {
		t.Errorf("%d places on %d links, want 57 on 9", len(all), len(links))
	}
	var again []placement
	for i, b := range links {
		if len(b.at) != len(b.cookies) || b.returns != (i == 0) {
			t.Errorf("link %d: %d places, %d cookies, returns %v", i, len(b.at), len(b.cookies), b.returns)
		}
		for j, at := range b.at {
			again = append(again, placement{b.program, at, b.cookies[j], b.returns})
		}
	}
	missing := map[placement]bool{}
	for _, p := range all {
		missing[p] = true
	}
	for _, p := range again {
		if !missing[p] {
			t.Errorf("%+v was not asked for, or comes twice", p)
		}
		delete(missing, p)
	}
	if len(missing) > 0 {
		t.Errorf("left out: %v", missing)
	}
}

// TestRoomForProbe: probes leave the last descriptors.
func TestRoomForProbe(t *testing.T) {
	if err := roomForProbe(); err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = descriptorsKept
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	err := roomForProbe()
	if back := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); back != nil {
		t.Fatal(back)
	}
	if err == nil {
		t.Error("a probe may have one of the last descriptors")
	}
}
