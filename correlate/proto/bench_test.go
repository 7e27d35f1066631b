package proto

import (
	"strings"
	"testing"
)

const request300 = "GET /api/v1/orders/4711?expand=items&page=2 HTTP/1.1\r\nHost: orders.shop.svc.cluster.local:8080\r\n" +
	"User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n" +
	"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: vendor=value\r\n\r\n"

const response300 = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 22 Nov 2025 21:21:00 GMT\r\nContent-Type: application/json\r\n" +
	"Content-Length: 1024\r\nLast-Modified: Sat, 22 Nov 2025 21:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6921f2a0-400\"\r\n" +
	"Cache-Control: no-store\r\nAccept-Ranges: bytes\r\n\r\n"

func benchmarkNext(b *testing.B, from Side, head string) {
	buf := []byte(head)
	parser := Protocols[0].Parser
	var m Message
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if n, err := parser.Next(from, buf, &m); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkRequest(b *testing.B)  { benchmarkNext(b, FromClient, request300) }
func BenchmarkResponse(b *testing.B) { benchmarkNext(b, FromServer, response300) }
func BenchmarkShort(b *testing.B)    { benchmarkNext(b, FromClient, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
func BenchmarkCookie30K(b *testing.B) {
	benchmarkNext(b, FromClient, "GET / HTTP/1.1\r\nCookie: "+strings.Repeat("a", 30<<10)+"\r\n\r\n")
}

func TestNextDoesNotAllocate(t *testing.T) {
	buf := []byte(request300)
	parser := Protocols[0].Parser
	var m Message
	if n := testing.AllocsPerRun(100, func() {
		if _, err := parser.Next(FromClient, buf, &m); err != nil {
			t.Fatal(err)
		}
		if !Protocols[0].Looks(FromClient, buf) {
			t.Fatal("does not look like a request")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
