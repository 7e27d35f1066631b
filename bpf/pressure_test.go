package bpf

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// exchangesAt makes the i-th request of a connection and those behind it, by `each` requests in one write, and the replies to them; each tenth is an error.
func exchangesAt(t *testing.T, p pair, i, each int, pad string) {
	t.Helper()
	requests, replies := "", ""
	for n := range each {
		status := "200 OK"
		if (i+n)%10 == 3 {
			status = "503 No"
		}
		requests += fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n", i+n, pad)
		replies += fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok", status)
	}
	move(t, p.client, p.server, requests, 1<<20)
	move(t, p.server, p.client, replies, 1<<20)
}

// targets gives the requests that were told at one end, and holds that they are whole.
func (k *capture) targets(t *testing.T, server bool) (told map[string]bool, errors uint64) {
	t.Helper()
	told = map[string]bool{}
	for _, x := range k.exchanges(server) {
		want := uint16(200)
		if strings.HasSuffix(x.target, "3") {
			want = 503
			errors++
		}
		if x.status != want || x.lost || told[x.target] || x.replyBody != 2 {
			t.Errorf("server %v: told is %+v", server, x)
		}
		told[x.target] = true
	}
	return told, errors
}

// pressed loads a kernel side that leaves out half of the exchanges, however full its ring is.
func pressed(t *testing.T) *capture {
	t.Helper()
	s := everything()
	s.Wake = 1 << 30 // the ring is not weighed, so that the pressure stays
	k := load(t, s)
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	k.attach()
	check(t, k.objects.Pressure.Set(uint32(32)))
	return k
}

// TestPressure leaves out half of the exchanges: at both ends the same, whole, and counted; those that are told have lost nothing.
func TestPressure(t *testing.T) {
	const n = 400
	k := pressed(t)
	p := families["ipv4"](t)
	for i := range n {
		exchangesAt(t, p, i, 1, "")
	}
	server, errors := k.targets(t, true)
	client, more := k.targets(t, false)
	if k.lost != 0 {
		t.Errorf("%d exchanges abandoned", k.lost)
	}
	for i := range n {
		if target := fmt.Sprintf("/%d", i); server[target] != client[target] {
			t.Errorf("%s is told: %v by the server, %v by the client", target, server[target], client[target])
		}
	}
	// Nine standard deviations of the lot.
	if got := len(server); got < n/2-90 || got > n/2+90 {
		t.Errorf("%d of %d are told where half are let in", got, n)
	}
	for c, want := range map[WeftCount]uint64{
		WeftCountCOUNT_LEFT_OUT_SERVER: n - uint64(len(server)),
		WeftCountCOUNT_LEFT_OUT_CLIENT: n - uint64(len(client)),
		WeftCountCOUNT_LEFT_OUT_ERRORS: 2*n/10 - errors - more,
		WeftCountCOUNT_RING_FULL:       0,
	} {
		if got := k.count(c); got != want {
			t.Errorf("%v is %d, want %d", c, got, want)
		}
	}
}

// TestPressureOnPipelines: requests that are sent before the reply to the last one share its lot. User space does not pair what is left
// of such a connection, and counts it.
func TestPressureOnPipelines(t *testing.T) {
	const n, each = 400, 4
	k := pressed(t)
	p := families["ipv4"](t)
	for i := 0; i < n; i += each {
		exchangesAt(t, p, i, each, "")
	}
	k.drain()
	server, client := k.count(WeftCountCOUNT_LEFT_OUT_SERVER), k.count(WeftCountCOUNT_LEFT_OUT_CLIENT)
	if server == 0 || server == n || server%each != 0 || client != server {
		t.Errorf("%d and %d of %d requests in groups of %d are left out", server, client, n, each)
	}
	if told := k.table.Counts().Exchanges; told+server+client != 2*n {
		t.Errorf("%d exchanges have begun and %d are left out, of %d", told, server+client, 2*n)
	}
}

// TestWeighing writes twice what the ring holds while nobody reads it: from half on exchanges are left out, so that it is hardly ever
// full, and each is told or counted.
func TestWeighing(t *testing.T) {
	const n, pad = 6000, 1000 // four records, two of them of 1 KiB: 16 MiB and more
	s := everything()
	s.Wake = 1 << 17
	k := load(t, s)
	k.attach()
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	p := families["ipv4"](t)
	for i := range n {
		exchangesAt(t, p, i, 1, strings.Repeat("x", pad))
	}
	var pressure uint32
	check(t, k.objects.Pressure.Get(&pressure))
	if pressure < 16 || pressure > 62 {
		t.Errorf("of %d exchanges %d are left out when the ring is full", 64, pressure)
	}
	server, _ := k.targets(t, true)
	client, _ := k.targets(t, false)
	left := k.count(WeftCountCOUNT_LEFT_OUT_SERVER)
	if left == 0 || uint64(len(server))+left != n || uint64(len(client))+k.count(WeftCountCOUNT_LEFT_OUT_CLIENT) != n {
		t.Errorf("%d and %d of %d are told, %d and %d left out", len(server), len(client), n, left, k.count(WeftCountCOUNT_LEFT_OUT_CLIENT))
	}
	if full := k.count(WeftCountCOUNT_RING_FULL); full != 0 {
		t.Errorf("%d records found the ring full", full)
	}
}
