package report

import (
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// TestExplainWithoutHeads holds that heads that were not kept are told as that, and not as messages without a carrier.
func TestExplainWithoutHeads(t *testing.T) {
	e := propagation.Explanation{
		ID: "1122334455667788", Sentence: "the incoming request is the outgoing one", Evidence: "wire", Confidence: 1,
		In: &propagation.Message{PID: 7, TraceID: "a", SpanID: "1122334455667788"}, Out: propagation.Message{PID: 6, TraceID: "a", SpanID: "8877665544332211"},
	}
	var b strings.Builder
	if err := Explain(&b, e, Table); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.String(), "its head was not kept") != 2 || strings.Contains(b.String(), "no carrier") || strings.Contains(b.String(), " \n") {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	e.Out.Head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	if err := Explain(&b, e, Table); err != nil || !strings.Contains(b.String(), "  no carrier\n  | GET / HTTP/1.1\n") {
		t.Errorf("error %v, got\n%s", err, b.String())
	}
}
