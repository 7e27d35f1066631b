package bpf

import (
	"os"
	"testing"
)

// TestHooksOneByOne: a connection on which requests pass while the hooks come one after the other, each request before the one that would
// see its reply, is not followed until all are there. Then every exchange is told.
func TestHooksOneByOne(t *testing.T) {
	const asks, answers = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, family := range families {
		t.Run(name, func(t *testing.T) {
			p := family(t)
			k := load(t, everything())
			k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
			check(t, k.objects.Attached.Set(uint32(0)))
			for _, program := range k.objects.Captures() {
				move(t, p.client, p.server, asks, 1<<20)
				k.put(program)
				move(t, p.server, p.client, answers, 1<<20)
			}
			move(t, p.client, p.server, asks, 1<<20)
			check(t, k.objects.Attached.Set(uint32(1)))
			move(t, p.server, p.client, answers, 1<<20)
			for range 5 {
				move(t, p.client, p.server, asks, 1<<20)
				move(t, p.server, p.client, answers, 1<<20)
			}
			for _, server := range []bool{false, true} {
				if told := k.exchanges(server); len(told) != 5 {
					t.Errorf("server %t: %d exchanges of 5: %+v", server, len(told), told)
				}
			}
		})
	}
}
