package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"weft/correlate/event"
)

// asWeft makes the test binary weft itself: the tests run its commands as a user does.
const asWeft = "RUN_TESTS_AS_WEFT"

func TestMain(m *testing.M) {
	if os.Getenv(asWeft) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// weft runs a command and gives what it wrote and its exit code.
func weft(t *testing.T, args ...string) (out, messages string, code int) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asWeft+"=1")
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

// shop makes the recording of a service, checkout, that calls another, payments, on the thread that answers.
type shop struct {
	w    *event.Writer
	fail func(error)
	time uint64
	at   map[uint64]*[2]uint64 // stream offsets of requests and replies, by socket
}

const (
	checkout = 100
	payments = 200

	incoming = 1 // sockets
	outgoing = 2
	accepted = 3
)

// record writes n requests to a file, of which dropped(i) tells whether checkout drops the context.
func recordShop(t *testing.T, n int, dropped func(i int) bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.weft")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := event.NewWriter(file, event.Redaction{KeepQuery: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{w: w, time: 1e9, at: map[uint64]*[2]uint64{}, fail: func(err error) { t.Fatal(err) }}
	s.tick()
	for pid, name := range map[uint32]string{checkout: "checkout", payments: "payments"} {
		s.write(event.Event{Kind: event.KindProcess, PID: pid, Process: &event.Process{
			Service: name, Attributes: []event.Attribute{{Key: "service.name", Value: name}},
		}})
	}
	s.connect(incoming, event.Accepted, 8080, 50000, 7)
	s.connect(outgoing, event.Connected, 50001, 9090, 8)
	s.connect(accepted, event.Accepted, 9090, 50001, 8)
	for i := range n {
		s.request(i, dropped(i))
	}
	s.tick()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *shop) write(ev event.Event) {
	s.time += 10_000
	ev.Time = s.time
	if err := s.w.Write(&ev); err != nil {
		s.fail(err)
	}
}

func (s *shop) tick() {
	s.time += 1e9
	s.write(event.Event{Kind: event.KindClock, Wall: 1_700_000_000_000_000_000 + int64(s.time)})
}

// connect makes one end known; the sequence numbers of the ends mirror each other.
func (s *shop) connect(socket uint64, origin event.Origin, local, peer uint16, name uint64) {
	c := event.Conn{
		Family: 2, Origin: origin, NameLocal: name, NamePeer: name + 1000,
		Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), local),
		Peer:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), peer),
	}
	if origin == event.Accepted {
		c.NameLocal, c.NamePeer = c.NamePeer, c.NameLocal
	}
	s.at[socket] = &[2]uint64{}
	pid := uint32(checkout)
	if socket == accepted {
		pid = payments
	}
	s.write(event.Event{Kind: event.KindSocket, Socket: socket, PID: pid, Conn: c})
}

// secret stands in every head of a request and must never be told.
const secret = "hunter2"

func (s *shop) request(i int, dropped bool) {
	trace := fmt.Sprintf("%030xab", i+1)
	in := fmt.Sprintf("POST /charge HTTP/1.1\r\nHost: checkout\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n"+
		"traceparent: 00-%s-%016x-01\r\n\r\n", secret, trace, i+1)
	out := "POST /pay HTTP/1.1\r\nHost: payments:9090\r\nUser-Agent: python-requests/2.31.0\r\nCookie: id=" + secret + "\r\nContent-Length: 0\r\n"
	if !dropped {
		out += fmt.Sprintf("traceparent: 00-%s-%016x-01\r\n", trace, i+1_000_001)
	}
	out += "\r\n"
	const reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	s.message(incoming, checkout, event.Receive, 0, in)
	s.message(outgoing, checkout, event.Send, 0, out)
	s.message(accepted, payments, event.Receive, 0, out)
	s.message(accepted, payments, event.Send, 1, reply)
	s.message(outgoing, checkout, event.Receive, 1, reply)
	s.message(incoming, checkout, event.Send, 1, reply)
	if i%50 == 0 {
		s.tick()
	}
}

func (s *shop) message(socket uint64, pid uint32, d event.Direction, side int, head string) {
	at := &s.at[socket][side]
	s.write(event.Event{Kind: event.KindMessage, Socket: socket, PID: pid, TID: pid, Message: event.Message{
		Direction: d, Flags: event.Start | event.End, Offset: *at, Through: *at + uint64(len(head)), Payload: []byte(head),
	}})
	*at += uint64(len(head))
}
