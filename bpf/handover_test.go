package bpf

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHandedBefore: what was given to a connection when that had no number, and was never sent on it, is not taken for what is given to it later.
func TestHandedBefore(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	check(t, fetch(s.Client(), s.URL))
	k := startHandover(t)
	k.attach()
	goroutine := func(given []byte) []byte { return given[8:16] }
	check(t, fetch(s.Client(), s.URL))
	var socket uint64
	check(t, k.objects.Given.NextKey(nil, &socket))
	given, err := k.objects.Given.LookupBytes(socket)
	check(t, err)
	binary.NativeEndian.PutUint64(goroutine(given), 77)
	check(t, k.objects.Given.Put(socket, given))
	check(t, fetch(s.Client(), s.URL))
	given, err = k.objects.Given.LookupBytes(socket)
	check(t, err)
	if n := binary.NativeEndian.Uint64(goroutine(given)); n != 0 {
		t.Errorf("what goroutine %d has given is still kept", n)
	}
}
