package bpf

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// meter compares a program with an empty one on the same hook, over rounds in which nothing else on the machine hit it.
type meter struct {
	t              testing.TB
	program, empty *ebpf.Program
	costs, floors  []float64 // ns per event, one entry per clean round
}

func newMeter(b *testing.B, k *capture, hook string, program *ebpf.Program) *meter {
	empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: hook, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { empty.Close() })
	k.hook(empty)
	return &meter{t: b, program: program, empty: empty}
}

// round measures one run of work, which causes exactly n events.
func (m *meter) round(n int, work func()) {
	before, floor := m.stats(m.program), m.stats(m.empty)
	work()
	after, ceiling := m.stats(m.program), m.stats(m.empty)
	if after.RunCount-before.RunCount != uint64(n) || ceiling.RunCount-floor.RunCount != uint64(n) {
		return
	}
	m.costs = append(m.costs, float64(after.Runtime-before.Runtime)/float64(n))
	m.floors = append(m.floors, float64(ceiling.Runtime-floor.Runtime)/float64(n))
}

func (m *meter) stats(p *ebpf.Program) *ebpf.ProgramStats {
	s, err := p.Stats()
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// report tells the median round; the machine's other work makes some rounds slower, none faster.
func (m *meter) report(b *testing.B, name string) {
	if len(m.costs) == 0 {
		b.Fatal("no round without other traffic on the machine")
	}
	slices.Sort(m.costs)
	slices.Sort(m.floors)
	cost, floor := m.costs[len(m.costs)/2], m.floors[len(m.floors)/2]
	b.ReportMetric(cost, name+"-ns/event")
	b.ReportMetric(cost-floor, name+"-above-empty-ns/event")
}

const perRound = 200

// workload is one way to use a connection; per turn each end gets the events that are named.
type workload struct {
	name          string
	request       string
	reply         string
	parts         []int // how the reply is cut into sends and receives; nil: whole
	muted, ignore bool
	family        string
}

func padded(start string, size int) string {
	const end = "\r\n\r\n"
	return start + strings.Repeat("x", max(0, size-len(start)-len(end))) + end
}

func head(size, body int) string {
	return padded(fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: t\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Pad: ", body), size)
}

func fields(size int) string {
	var s strings.Builder
	s.WriteString("Host: example.test\r\nAccept: */*\r\n")
	for s.Len() < size-60 {
		fmt.Fprintf(&s, "X-Header-%03d: %s\r\n", s.Len(), strings.Repeat("v", 30))
	}
	return padded(s.String()+"X-Last: ", size)
}

// BenchmarkEvent gives the kernel time per operation, by bpf_stats, of the send and the receive program.
func BenchmarkEvent(b *testing.B) {
	const line = "GET /a/b/c?d=e HTTP/1.1\r\n"
	const posting = "POST /a/b/c HTTP/1.1\r\nContent-Length: 100\r\n"
	body := strings.Repeat("b", 100)
	kilo := strings.Repeat("b", 1000)
	for _, w := range []workload{
		{name: "get-1KiB/reply-250", request: line + fields(1024-len(line)), reply: head(250, 0)},
		{name: "get-250/reply-250-body-1000", request: line + fields(250-len(line)), reply: head(250, 1000) + kilo},
		{name: "post-1KiB/reply-1KiB-body-1000", request: posting + fields(1024-len(posting)) + body, reply: head(1024, 1000) + kilo},
		{name: "body", request: line + fields(250-len(line)), reply: head(250, 200*1000) + strings.Repeat("b", 200*1000), parts: []int{1250, 1000}},
		{name: "muted", request: "\x00\x01\x02\x03\x04", reply: "\x05\x06\x07\x08", muted: true},
		{name: "other-process", request: line + fields(250-len(line)), reply: head(250, 0), ignore: true},
		{name: "udp", request: "datagram", reply: "datagram", family: "udp"},
	} {
		b.Run(w.name, func(b *testing.B) { w.measure(b) })
	}
}

func (w *workload) measure(b *testing.B) {
	k := load(b, everything())
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	if w.ignore {
		k.choose(os.Getpid(), WeftChoiceCHOICE_IGNORE)
	}
	k.attach()
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	sending := newMeter(b, k, "sock_send_length", k.objects.SockSendLength)
	receiving := newMeter(b, k, "sock_recv_length", k.objects.SockRecvLength)
	p := w.connection(b)
	for range 20 {
		w.turn(b, p)
	}
	events := 2 * perRound
	if w.parts != nil {
		events = w.sendsPerTurn()
	}
	for len(sending.costs) < b.N || len(receiving.costs) < b.N || len(sending.costs) < 20 {
		sending.round(events, func() {
			receiving.round(events, func() {
				for range events / w.sendsPerTurn() {
					w.turn(b, p)
				}
			})
		})
		k.forget()
	}
	b.ReportMetric(0, "ns/op")
	sending.report(b, "send")
	receiving.report(b, "receive")
}

func (w *workload) sendsPerTurn() int {
	n := 1
	for left := len(w.reply); left > 0; n++ {
		left -= w.part(n-1, left)
	}
	return n
}

// part is the size of the i-th part of the reply.
func (w *workload) part(i, left int) int {
	if len(w.parts) == 0 {
		return left
	}
	return min(left, w.parts[min(i, len(w.parts)-1)])
}

func (w *workload) connection(b *testing.B) pair {
	if w.family != "udp" {
		return families["ipv4"](b)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	check(b, err)
	p := pair{fds[0], fds[1]}
	b.Cleanup(p.close)
	return p
}

// turn is one request and its reply.
func (w *workload) turn(b *testing.B, p pair) {
	buf := make([]byte, 8192)
	move := func(from, to int, s string) {
		if n, err := unix.Write(from, []byte(s)); err != nil || n != len(s) {
			b.Fatal(n, err)
		}
		if n, err := unix.Read(to, buf); err != nil || n != len(s) {
			b.Fatal(n, err)
		}
	}
	move(p.client, p.server, w.request)
	for i, left := 0, w.reply; len(left) > 0; i++ {
		n := w.part(i, len(left))
		move(p.server, p.client, left[:n])
		left = left[n:]
	}
}
