package propagation

import (
	"testing"

	"weft/correlate/flow"
)

// TestKept: of many links the first are kept for their time, and then the next ones; heads are copies.
func TestKept(t *testing.T) {
	var k kept
	conn := &flow.Conn{}
	head := []byte("GET / HTTP/1.1\r\n\r\n")
	add := func(id byte, end uint64) {
		x := &flow.Exchange{Conn: conn, End: end, Head: head}
		x.Cause.SpanID[0] = id
		k.add(x, &flow.Exchange{Conn: conn, End: end, Head: head})
	}
	for i := range uint64(3 * keptMax) {
		add(1, 1+i)
	}
	add(2, 2*keptFor)
	clear(head)
	count := map[byte]int{}
	for i := range k.ring {
		count[k.ring[i].own.x.Cause.SpanID[0]]++
		if string(k.ring[i].other.x.Head[:3]) != "GET" {
			t.Fatalf("the head that is kept is %q", k.ring[i].other.x.Head)
		}
	}
	if len(k.ring) != keptMax || count[1] != keptMax-1 || count[2] != 1 {
		t.Errorf("%d links are kept: %v", len(k.ring), count)
	}
	k.add(&flow.Exchange{Conn: conn}, nil)
}
