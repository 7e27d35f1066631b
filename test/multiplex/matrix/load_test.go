package matrix

import (
	"fmt"
	"strconv"
	"strings"

	"weft/test/tracer"
)

// load is what one client asks of one server: requests 0 to n-1, each for the next of the answers. Request i of HTTP asks for
// /LOAD/i/ANSWER, a call of gRPC for /shop.Echo/ANSWER; where the client can, it sends a traceparent with the trace id LOAD and i+1,
// and a parent id of the end of LOAD and i+1.
type load struct {
	id         string // LOAD, 16 hexadecimal digits
	client     *client
	protocol   string
	n, streams int
	pids       map[int]bool // of the client
}

// httpAnswers and callAnswers are what is asked for: S a status, D so many bytes, M so many messages in each direction.
var (
	httpAnswers = []string{"S200", "S404", "D70000", "S204", "S503"}
	callAnswers = []string{"S0", "S5", "M7", "D70000"}
	// curl 7.88 has room for 32 KiB behind the answer that upgrades, and ends when more of the next one comes with it.
	upgradedAnswers = []string{"S200", "S404", "D20000", "S204", "S503"}
)

func isCall(protocol string) bool {
	return protocol == "grpc" || protocol == "grpcweb" || protocol == "connect"
}

func (l *load) answers() []string {
	switch {
	case isCall(l.protocol):
		return callAnswers
	case l.client != nil && l.client.upgrades:
		return upgradedAnswers
	}
	return httpAnswers
}

func (l *load) answer(i int) string { return l.answers()[i%len(l.answers())] }

func (l *load) path(i int) string { return fmt.Sprintf("/%s/%d/%s", l.id, i, l.answer(i)) }

func (l *load) parent(i int) (trace, span string) {
	return fmt.Sprintf("%s%016x", l.id, i+1), fmt.Sprintf("%s%08x", l.id[8:], i+1)
}

func (l *load) traceparent(i int) string {
	trace, span := l.parent(i)
	return "00-" + trace + "-" + span + "-01"
}

// find tells which request of which load a span is of.
func find(s *tracer.Span, loads map[string]*load) (l *load, i int) {
	if parts := strings.Split(s.Path(), "/"); len(parts) == 4 && loads[parts[1]] != nil {
		i, err := strconv.Atoi(parts[2])
		if l = loads[parts[1]]; err == nil && i < l.n {
			return l, i
		}
		return nil, 0
	}
	if len(s.TraceID) != 32 || loads[s.TraceID[:16]] == nil {
		return nil, 0
	}
	n, err := strconv.ParseUint(s.TraceID[16:], 16, 64)
	if l = loads[s.TraceID[:16]]; err != nil || n == 0 || n > uint64(l.n) {
		return nil, 0
	}
	return l, int(n - 1)
}

// expects is what a span of request i has to tell, version being that of HTTP.
func (l *load) expects(i int, version string) string {
	answer := l.answer(i)
	n, _ := strconv.Atoi(answer[1:])
	if isCall(l.protocol) {
		code, sent, received := 0, 1, 1
		switch {
		case answer[0] == 'M':
			sent, received = n, n
		case answer[0] == 'S' && n != 0:
			code, received = n, 0
		}
		return l.call("shop.Echo/"+answer, code, sent, received)
	}
	status, size := 200, "any"
	if answer[0] == 'S' {
		status = n
	} else {
		size = answer[1:]
	}
	return fmt.Sprintf("GET %s status %d, %s bytes, HTTP/%s", l.path(i), status, size, version)
}

// tells is what a span tells of the same.
func (l *load) tells(i int, s *tracer.Span) string {
	if isCall(l.protocol) {
		return l.call(s.Name, int(s.Attr.Int("rpc.grpc.status_code")), int(s.Attr.Int("weft.rpc.request_messages")),
			int(s.Attr.Int("weft.rpc.response_messages")))
	}
	size := "any"
	if l.answer(i)[0] == 'D' {
		size = strconv.FormatInt(s.Attr.Int("http.response.body.size"), 10)
	}
	return fmt.Sprintf("%s %s status %d, %s bytes, HTTP/%s", s.Attr.Text("http.request.method"), s.Path(),
		s.Attr.Int("http.response.status_code"), size, s.Attr.Text("network.protocol.version"))
}

func (l *load) call(name string, code, sent, received int) string {
	if l.protocol == "connect" {
		return fmt.Sprintf("%s %d/%d messages", name, sent, received) // its status is in a body, which is not read
	}
	return fmt.Sprintf("%s status %d, %d/%d messages", name, code, sent, received)
}
