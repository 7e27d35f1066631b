package bpf

import (
	"fmt"
	"os"
	"runtime"
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

// report tells how far the median round is above that of the empty program; the machine's other work makes some rounds slower, none faster.
func (m *meter) report(b *testing.B, name string) {
	if len(m.costs) == 0 {
		b.Fatal("no round without other traffic on the machine")
	}
	slices.Sort(m.costs)
	slices.Sort(m.floors)
	b.ReportMetric(m.costs[len(m.costs)/2]-m.floors[len(m.floors)/2], name+"-ns/event")
}

// perRound is how many connections take part; each step of a workload is done on all of them, one after the other.
const perRound = 100

// step is one send and the receive of the same bytes by the other end.
type step struct {
	name  string // of the metric; empty: not measured
	reply bool   // sent by the server
	bytes string
	split int // above 0: sent in two io vectors, the first of that length
}

// workload is one way to use a connection, again and again.
type workload struct {
	name   string
	steps  []step
	choice WeftChoice
	family string
	// runs lays out what the calling thread runs, a task or a virtual thread, and gives what ends that.
	runs func(testing.TB, *capture) func()
}

func padded(start string, size int) string {
	const end = "\r\n\r\n"
	return start + strings.Repeat("x", max(0, size-len(start)-len(end))) + end
}

// head is a message head of that size with lines of usual length.
func head(line string, size int) string {
	s := line + "\r\nHost: example.test\r\nAccept: */*"
	for len(s) < size-60 {
		s += fmt.Sprintf("\r\nX-Header-%03d: %s", len(s), strings.Repeat("v", 30))
	}
	return padded(s+"\r\nX-Last: ", size)
}

func request(size int) string { return head("GET /a/b/c?d=e HTTP/1.1", size) }

func reply(size, length int) string {
	return head(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d", length), size)
}

// BenchmarkEvent gives the kernel time per operation, by bpf_stats, of the send and the receive program.
func BenchmarkEvent(b *testing.B) {
	kilo := strings.Repeat("b", 1000)
	post := head("POST /a/b/c HTTP/1.1\r\nContent-Length: 100", 1024) + kilo[:100]
	// As wrk asks and nginx answers.
	asked := "GET /1k HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	answered := "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 23:50:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 1000\r\nLast-Modified: Sun, 22 Nov 2026 23:49:00 GMT\r\nConnection: keep-alive\r\n" +
		"ETag: \"6921f5cc-400\"\r\nAccept-Ranges: bytes\r\n\r\n"
	for _, w := range []workload{
		{name: "get-1KiB", steps: []step{{"request", false, request(1024), 0}, {"reply-250", true, reply(250, 0), 0}}},
		{name: "get-250", steps: []step{{"request", false, request(250), 0}, {"reply-1KiB-body", true, reply(1024, 1000) + kilo, 0}}},
		{name: "post-1KiB", steps: []step{{"request-body", false, post, 0}, {"reply-250-body", true, reply(250, 1000) + kilo, 0}}},
		{name: "file", steps: []step{{"request", false, asked, 0}, {"reply-head-body", true, answered + kilo, len(answered)}}},
		{name: "body", steps: []step{
			{"", false, request(250), 0}, {"", true, reply(250, 3000) + kilo, 0}, {"middle", true, kilo, 0}, {"end", true, kilo, 0},
		}},
		{name: "muted", steps: []step{{"one", false, "\x00\x01\x02", 0}, {"other", true, "\x05\x06\x07\x08", 0}}},
		{name: "other-process", steps: []step{{"request", false, request(250), 0}, {"reply", true, reply(250, 0), 0}}, choice: WeftChoiceCHOICE_IGNORE},
		{name: "datagram", steps: []step{{"one", false, "d", 0}}, family: "datagram"},
		{name: "tasks", steps: []step{{"request", false, request(250), 0}, {"reply-1KiB-body", true, reply(1024, 1000) + kilo, 0}}, runs: inTask},
	} {
		b.Run(w.name, func(b *testing.B) { w.measure(b) })
	}
}

func inTask(t testing.TB, k *capture) func() {
	k.watch(WeftInterpreter{Current: newHeap(t).dictionary(true, [2]uint64{8, 0}, [2]uint64{8, 16}), Logarithm: 1})
	return func() {}
}

func (w *workload) measure(b *testing.B) {
	k := load(b, everything())
	k.choose(os.Getpid(), max(w.choice, WeftChoiceCHOICE_TRACE))
	if w.runs != nil {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer w.runs(b, k)()
	}
	k.attach()
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	pairs := make([]pair, perRound)
	for i := range pairs {
		pairs[i] = w.connection(b)
	}
	buf := make([]byte, 1<<14)
	for range 8 { // a connection is muted, or known, after a few turns
		for _, s := range w.steps {
			s.run(b, pairs, buf)
		}
	}
	send := newMeter(b, k, "sock_send_length", k.objects.SockSendLength)
	receive := newMeter(b, k, "sock_recv_length", k.objects.SockRecvLength)
	sending, receiving := make([]meter, len(w.steps)), make([]meter, len(w.steps))
	for i := range w.steps {
		sending[i], receiving[i] = *send, *receive
	}
	for rounds := 0; rounds < max(b.N, 20); rounds++ {
		for i := range w.steps {
			sending[i].round(perRound, func() {
				receiving[i].round(perRound, func() { w.steps[i].run(b, pairs, buf) })
			})
			k.forget()
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, s := range w.steps {
		if s.name != "" {
			sending[i].report(b, s.name+"-send")
			receiving[i].report(b, s.name+"-receive")
		}
	}
}

func (w *workload) connection(b *testing.B) pair {
	if w.family == "" {
		return families["ipv4"](b)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	check(b, err)
	p := pair{fds[0], fds[1]}
	b.Cleanup(p.close)
	return p
}

// run does the step on every connection.
func (s *step) run(b *testing.B, pairs []pair, buf []byte) {
	for _, p := range pairs {
		from, to := p.client, p.server
		if s.reply {
			from, to = to, from
		}
		n, err := s.send(from)
		if err != nil || n != len(s.bytes) {
			b.Fatal(n, err)
		}
		if n, err := unix.Read(to, buf); err != nil || n != len(s.bytes) {
			b.Fatal(n, err)
		}
	}
}

func (s *step) send(fd int) (int, error) {
	if s.split == 0 {
		return unix.Write(fd, []byte(s.bytes))
	}
	return unix.Writev(fd, [][]byte{[]byte(s.bytes[:s.split]), []byte(s.bytes[s.split:])})
}
