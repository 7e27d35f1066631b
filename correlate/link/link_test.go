package link

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
	"weft/correlate/tracecontext"
)

// node plays scripts into a Linker. A line is one of
//
//	s1 server pid tid wire [key=value]   a request has come in; the name of the exchange is the first word
//	c1 client pid tid wire [key=value]   a request was sent
//	end c1       the reply is whole;  replies c1: it has begun, replies s1 2: sent by thread 2;  drop c1: abandoned;  gone c1: its client has left;  lost c1: records are missing
//	opens B 1    thread 1 of process 1 begins to open wire B;  refused B: it could not be opened
//	threads      threads 8 and 9 of process 1 serve side by side for a while, of which nothing is told
//	tick         time passes until nothing waits;  long: until nothing is expected of what has ended;  go 7: process 7 is Go;  exit 7;  hand B 5: goroutine 5 gives a call to B
//
// Wires are named by letters; at=N is the offset of the request, so that A at=0 and A at=1 are one connection. head=T:P is
// a carrier with the trace T and the parent P. g= and pg= are goroutines. path= is the target, fields=a:1,b:2 are fields. Kinds of wires: unix, older, noname, remote.
type node struct {
	t         *testing.T
	l         *Linker
	now       uint64
	exchanges map[string]*flow.Exchange
	conns     map[string]*flow.Conn
	names     map[[8]byte]string
	out       []string
	spans     map[string]flow.Cause
	round     int
}

func newNode(t *testing.T, key byte) *node {
	n := &node{
		t: t, now: 1000, exchanges: map[string]*flow.Exchange{}, conns: map[string]*flow.Conn{},
		names: map[[8]byte]string{}, spans: map[string]flow.Cause{},
	}
	n.l = New(Options{Key: [16]byte{key}, Hold: 100}, func(*flow.Exchange) {}, n.put)
	return n
}

func (n *node) put(x *flow.Exchange, _ *Process) {
	c := x.Cause
	if c.TraceID == [16]byte{} || c.SpanID == [8]byte{} {
		n.t.Errorf("%s: no identity", x.UserAgent)
	}
	if other, used := n.names[c.SpanID]; used {
		n.t.Errorf("%s has the span id of %s", x.UserAgent, other)
	}
	if (span.Evidence(c.Evidence) == span.NoEvidence) != (c.Confidence == 0) || (c.ParentID == [8]byte{}) != (c.Confidence == 0) {
		n.t.Errorf("%s: parent %x by %v with confidence %v", x.UserAgent, c.ParentID, span.Evidence(c.Evidence), c.Confidence)
	}
	n.names[c.SpanID] = x.UserAgent
	n.spans[x.UserAgent] = c
	n.out = append(n.out, x.UserAgent)
}

// carrier spells a trace and a parent of one letter each.
func carrier(text string) []byte {
	trace, parent, _ := strings.Cut(text, ":")
	return fmt.Appendf(nil, "00-%032x-%016x-01", trace[0], parent[0])
}

// carry puts a header field into a set of carriers.
func carry(s *tracecontext.Set, name string, value []byte) {
	r, err := tracecontext.NewReader(nil)
	if err != nil {
		panic(err)
	}
	r.Field(s, []byte(name), value)
	r.Settle(s, true)
}

// clientSocket gives the socket of the client's end of a wire.
func clientSocket(wire string) uint64 { return uint64([]rune(wire)[0]) * 2 }

func (n *node) conn(server bool, wire string, options map[string]string) *flow.Conn {
	key := fmt.Sprint(wire, server)
	if n.conns[key] == nil {
		a := clientSocket(wire)
		b := a + 1
		c := &flow.Conn{Socket: a, Conn: event.Conn{Family: 2, Origin: event.Connected, NameLocal: a, NamePeer: b}}
		if server {
			c.Socket, c.NameLocal, c.NamePeer = b, b, a
		}
		if options["kind"] == "unix" {
			c.Family, c.Origin = familyUnix, event.Opened
		}
		if options["kind"] == "noname" {
			c.NameLocal, c.NamePeer = 0, 0
		}
		if options["kind"] == "older" {
			c.Family, c.Origin = familyUnix, event.Found
		}
		n.conns[key] = c
	}
	return n.conns[key]
}

func (n *node) start(name string, f []string) {
	options := map[string]string{}
	for _, o := range f[4:] {
		key, value, _ := strings.Cut(o, "=")
		options[key] = value
	}
	number := func(text string) uint64 { v, _ := strconv.ParseUint(text, 10, 64); return v }
	x := &flow.Exchange{
		Server: f[0] == "server", PID: uint32(number(f[1])), TID: uint32(number(f[2])), Start: n.now,
		Goroutine: number(options["g"]), ParentGoroutine: number(options["pg"]), Offset: number(options["at"]),
		Method: "GET", Target: f[3] + options["at"] + options["target"], UserAgent: name,
	}
	if options["path"] != "" {
		x.Target = options["path"]
	}
	x.Task = taskOf(options["task"])
	x.Head = []byte("GET " + x.Target + " HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(options["fields"], ",", "\r\n") + "\r\n\r\n")
	x.Conn = n.conn(x.Server, f[3], options)
	if head := options["head"]; head != "" {
		carry(&x.Carriers, "traceparent", carrier(head))
	}
	n.exchanges[name] = x
	n.l.Started(x)
}

func (n *node) play(script string) {
	for _, line := range strings.FieldsFunc(script, func(r rune) bool { return r == '\n' || r == ';' }) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		n.now++
		switch f[0] {
		case "end":
			x := n.exchanges[f[1]]
			if x.FirstByte == 0 {
				n.replies(x)
			}
			x.End = n.now
			n.l.Ended(x)
		case "gone":
			x := n.exchanges[f[1]]
			x.End, x.Fault = n.now, flow.Closed
			n.l.Ended(x)
		case "replies":
			x := n.exchanges[f[1]]
			by := x.TID
			var task flow.Task
			if len(f) > 2 {
				text, inTask := strings.CutPrefix(f[2], "task=")
				if inTask {
					task = taskOf(text)
				} else {
					tid, _ := strconv.Atoi(text)
					by = uint32(tid)
				}
			}
			n.repliesBy(x, by, task)
		case "lost":
			n.exchanges[f[1]].Lost = true
		case "loss": // records are missing somewhere
			n.l.Feed(&event.Event{Kind: event.KindLoss, Time: n.now, Loss: event.Loss{Records: 1}})
		case "drop":
			n.l.Abandoned(n.exchanges[f[1]])
		case "opens", "refused":
			ev := event.Event{Kind: event.KindThread, Time: n.now, PID: 1, Socket: clientSocket(f[1]), Thread: event.Thread{Deed: event.Unused}}
			if f[0] == "opens" {
				tid, _ := strconv.Atoi(f[2])
				ev.TID, ev.Thread.Deed = uint32(tid), event.Connects
			}
			n.l.Feed(&ev)
		case "away", "asks", "untold": // TID, and of the first two the connection: of a store
			tid, _ := strconv.Atoi(f[1])
			ev := event.Event{Kind: event.KindThread, Time: n.now, PID: 1, TID: uint32(tid), Thread: event.Thread{Deed: event.Turns, Address: 7}}
			switch {
			case f[0] == "asks":
				ev.Thread.Deed = event.Asks
			case f[0] == "untold":
				ev.Thread.Address = 1
			case len(f) < 3:
				ev.Thread.Address = 0
			}
			if len(f) > 2 {
				ev.Socket = clientSocket(f[2])
			}
			n.l.Feed(&ev)
		case "threads":
			n.threads()
		case "long":
			n.now += goneAge
			n.l.Feed(&event.Event{Kind: event.KindClock, Time: n.now + 1})
		case "tick":
			n.now += 1000
			n.l.Feed(&event.Event{Kind: event.KindClock, Time: n.now})
		case "go", "exit":
			pid, _ := strconv.Atoi(f[1])
			ev := event.Event{Kind: event.KindProcess, PID: uint32(pid), Process: &event.Process{Service: f[1], Go: true}}
			if f[0] == "exit" {
				ev = event.Event{Kind: event.KindExit, PID: uint32(pid)}
			}
			n.l.Feed(&ev)
		case "hand":
			ev := event.Event{Kind: event.KindHandover, Socket: uint64(f[1][0]) * 2}
			ev.Message.Work, _ = strconv.ParseUint(f[2], 10, 64)
			n.l.Feed(&ev)
		default:
			n.start(f[0], f[1:])
		}
	}
}

func (n *node) threads() {
	for at := range crewKeeps {
		n.play(strings.ReplaceAll(`x server 1 8 X at=N; y server 1 9 Y at=N; v client 1 8 V at=N; w client 1 9 W at=N
			end v; end w; end x; end y; tick`, "N", strconv.Itoa(at)))
		for _, name := range []string{"v", "w", "x", "y"} {
			delete(n.names, n.spans[name].SpanID)
			delete(n.exchanges, name)
		}
	}
	n.out = nil
}

// replies lets the thread of an exchange send or read the head of its reply.
func (n *node) replies(x *flow.Exchange) { n.repliesBy(x, x.TID, flow.Task{}) }

func (n *node) repliesBy(x *flow.Exchange, tid uint32, task flow.Task) {
	x.FirstByte = n.now
	n.l.Touched(x, flow.Touch{TID: tid, Task: task, Time: n.now, Sent: x.Server})
}

// taskOf reads ROOT or ROOT/BRANCH.
func taskOf(text string) flow.Task {
	root, branch, _ := strings.Cut(text, "/")
	r, _ := strconv.ParseUint(root, 10, 64)
	b, err := strconv.ParseUint(branch, 10, 64)
	if err != nil {
		b = r
	}
	return flow.Task{Branch: b, Root: r}
}

// parent names the parent of a span: another span, ~P for one that a carrier named, ~? for one that was
// abandoned, - for none.
func (n *node) parent(name string) string {
	c := n.spans[name]
	if c.ParentID == [8]byte{} {
		return "-"
	}
	by := " " + span.Evidence(c.Evidence).String()
	if p, ok := n.names[c.ParentID]; ok {
		if n.spans[p].TraceID != c.TraceID {
			n.t.Errorf("%s is in another trace than its parent %s", name, p)
		}
		return p + by
	}
	if c.ParentID[0] != 0 {
		return "~?" + by // one that weft made
	}
	return "~" + string(c.ParentID[7]) + by
}

func (n *node) tell() []string {
	var out []string
	for _, name := range n.out {
		line := name + " < " + n.parent(name)
		if a := n.spans[name].Alternates; a > 0 {
			line += fmt.Sprintf(" of %d", a)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestLinks(t *testing.T) {
	for _, test := range scripts {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play(test.script)
			n.l.Close()
			want := strings.Split(test.want, "\n")
			for i := range want {
				want[i] = strings.TrimSpace(want[i])
			}
			if got := n.tell(); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			for name, x := range n.exchanges {
				if x.Cause.Parent != nil || x.Cause.Partner != nil {
					t.Errorf("%s still holds another exchange", name)
				}
			}
			if len(n.l.wires) > 0 || len(n.l.waiting) > 0 {
				t.Errorf("%d wires and %d waiting are left", len(n.l.wires), len(n.l.waiting))
			}
			for _, p := range n.l.processes.byPID {
				if p.open != 0 || len(p.threads)+len(p.goroutines)+len(p.traces) > 0 {
					t.Errorf("process %d is left with %d open, %d threads", p.pid, p.open, len(p.threads))
				}
			}
			again := newNode(t, 1)
			again.play(test.script)
			again.l.Close()
			for name, c := range n.spans {
				if c.SpanID != again.spans[name].SpanID || c.TraceID != again.spans[name].TraceID {
					t.Errorf("%s is another span when the script is played again", name)
				}
			}
		})
	}
}

func TestWaiting(t *testing.T) {
	n := newNode(t, 1)
	n.play("s server 1 1 A; end s")
	n.l.Feed(&event.Event{Kind: event.KindClock, Time: n.now + 99})
	if len(n.out) != 0 {
		t.Fatal("a server span without its client was not kept back")
	}
	n.l.Feed(&event.Event{Kind: event.KindClock, Time: n.now + 100})
	if len(n.out) != 1 {
		t.Fatal("it was kept back for longer than Hold")
	}
	n.play("s2 server 1 1 B; end s2; c client 2 2 B")
	if len(n.out) != 2 {
		t.Error("it was kept back after its client had come")
	}
	n.play("s3 server 1 1 C kind=remote head=T:P; end s3")
	if len(n.out) != 2 {
		t.Error("one of an unknown peer has to wait for a client on this node")
	}
}

// TestEarly has a request whose client is told of late: the calls made for it are given out as soon as that is known, in their order and
// before the request, and not when nothing is waited for any more. What is said of a call stands on the calls before it.
func TestEarly(t *testing.T) {
	n := newNode(t, 1)
	n.play("s server 2 2 A; d client 2 2 B; r server 3 3 B; end r; end d; d2 client 2 2 C; r2 server 3 3 C; end r2; end d2")
	if len(n.out) != 0 {
		t.Fatalf("%v were given out without a parent", n.out)
	}
	n.play("c client 1 1 A")
	if calls := slices.DeleteFunc(slices.Clone(n.out), func(name string) bool { return name[0] == 'r' }); !slices.Equal(calls, []string{"d", "d2"}) {
		t.Errorf("given out when the client was told of: %v", n.out)
	}
	n.play("d3 client 2 2 D; r3 server 3 3 D; end r3; end d3; end s; end c")
	if last := n.out[len(n.out)-1]; last != "c" || slices.Index(n.out, "d3") > slices.Index(n.out, "s") {
		t.Errorf("given out: %v", n.out)
	}
}

// TestTimes has ends of connections whose threads lost the CPU before the kernel could tell what they had sent.
func TestTimes(t *testing.T) {
	for _, test := range []struct {
		name, script                             string
		client, server, first, last, clientFirst uint64 // start of the client, of the server, first and last byte of both
	}{
		{"in order", "c client 1 1 A; s server 2 2 A; replies s; end s; replies c; end c", 1001, 1002, 1003, 1004, 1005},
		{"the request is told of late", "s server 2 2 A; c client 1 1 A; end s; end c", 1001, 1001, 1003, 1003, 1004},
		{"the reply is told of late", "c client 1 1 A; s server 2 2 A; replies c; end c; end s", 1001, 1002, 1003, 1004, 1003},
		{"the client has left before", "c client 1 1 A; s server 2 2 A; replies c; gone c; end s", 1001, 1002, 1005, 1005, 1003},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play(test.script)
			n.l.Close()
			c, s := n.exchanges["c"], n.exchanges["s"]
			got := []uint64{c.Start, s.Start, s.FirstByte, s.End, c.FirstByte}
			if want := []uint64{test.client, test.server, test.first, test.last, test.clientFirst}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestTwoAgents has each end of a connection seen by another node.
func TestTwoAgents(t *testing.T) {
	both, client, server := newNode(t, 1), newNode(t, 1), newNode(t, 1)
	both.play("c client 1 1 A at=7; s server 2 2 A at=7; end s; end c")
	client.play("c client 1 1 A at=7; end c; tick")
	server.play("s server 2 2 A at=7; end s; tick")
	if client.spans["c"].SpanID != both.spans["c"].SpanID || server.spans["s"].SpanID != both.spans["s"].SpanID {
		t.Error("the ids depend on which ends an agent sees")
	}
	if client.spans["c"].TraceID != server.spans["s"].TraceID {
		t.Error("both ends are not in one trace")
	}
	if server.parent("s") != "-" {
		t.Error("a server whose client is not seen has to be a root")
	}
	other := newNode(t, 2)
	other.play("c client 1 1 A at=7; end c")
	if other.spans["c"].SpanID == client.spans["c"].SpanID {
		t.Error("the ids do not depend on the key")
	}
}

func TestInheritance(t *testing.T) {
	n := newNode(t, 1)
	n.play(`s1 server 1 1 A head=T:P; c1 client 1 1 B; s2 server 2 2 B; c2 client 2 2 C; s3 server 3 3 C
		end s3; end c2; end s2; end c1; end s1; tick`)
	for _, name := range []string{"s1", "c1", "s2", "c2", "s3"} {
		c := n.spans[name]
		if hex.EncodeToString(c.TraceID[:]) != fmt.Sprintf("%032x", 'T') || !c.HasRemote || !c.RemoteSampled {
			t.Errorf("%s: trace %x, remote %v, sampled %v", name, c.TraceID, c.HasRemote, c.RemoteSampled)
		}
	}
}

// TestDepth follows a chain that is deeper than any real one: it ends in one piece or starts anew, with ids all the way.
func TestDepth(t *testing.T) {
	n := newNode(t, 1)
	for i := range 150 {
		pid := strconv.Itoa(i + 1)
		n.play(fmt.Sprintf("s%d server %s 1 %c; c%d client %s 1 %c", i, pid, 'α'+i, i, pid, 'α'+i+1))
	}
	for i := 149; i >= 0; i-- {
		n.play(fmt.Sprintf("end c%d; end s%d", i, i))
	}
	n.play("tick")
	roots := 0
	for name := range n.spans {
		if n.parent(name) == "-" {
			roots++
		}
	}
	if len(n.spans) != 300 || roots > 5 {
		t.Errorf("%d spans, %d roots", len(n.spans), roots)
	}
}

// TestCircle feeds exchanges that would be their own ancestors.
func TestCircle(t *testing.T) {
	n := newNode(t, 1)
	n.play("s1 server 1 1 A; c1 client 1 1 B; s2 server 2 2 B; c2 client 2 2 A; end s2; end s1; end c2; end c1; tick")
	if len(n.spans) != 4 {
		t.Errorf("%d spans", len(n.spans))
	}
}

// TestBounds floods a linker with what has no end.
func TestBounds(t *testing.T) {
	n := newNode(t, 1)
	var ev event.Event
	for i := range uint64(3 * handoversMax) {
		ev = event.Event{Kind: event.KindHandover, Socket: i}
		n.l.Feed(&ev)
		ev = event.Event{Kind: event.KindProcess, PID: uint32(i), Process: &event.Process{Service: "s"}}
		n.l.Feed(&ev)
	}
	for i := range uint64(waitingMax + 100) {
		x := &flow.Exchange{Server: true, PID: 1, TID: uint32(i), Conn: &flow.Conn{Socket: i, Conn: event.Conn{NameLocal: i + 1}}}
		n.l.Started(x)
		n.l.Ended(x)
	}
	if len(n.l.handovers) > handoversMax || len(n.l.processes.byPID) > processesMax || len(n.l.waiting) > waitingMax {
		t.Errorf("%d handovers, %d processes, %d waiting", len(n.l.handovers), len(n.l.processes.byPID), len(n.l.waiting))
	}
	p := n.l.processes.of(1)
	if len(p.habits.serves) > servesMax || len(p.spare) > spareMax || len(p.threads) > 0 {
		t.Errorf("%d threads remembered, %d spare groups", len(p.habits.serves), len(p.spare))
	}
}

func TestClock(t *testing.T) {
	var c clock
	c.tick(1000)
	c.tick(400) // the reader was held up
	if c.offset != 1000 {
		t.Error("a late reading was believed")
	}
	c.tick(1001)
	for range patience {
		c.tick(500)
	}
	if c.offset != 500 {
		t.Error("the clock was set back, and it is not believed")
	}
}

// TestTraceState: a list that is not valid is dropped, one that is stays, and neither is read twice.
func TestTraceState(t *testing.T) {
	l := New(Options{}, func(*flow.Exchange) {}, func(*flow.Exchange, *Process) {})
	for range 2 {
		for list, want := range map[string]string{"": "", "a=b, c=d": "a=b,c=d", "a=1,a=2": "", "no list": ""} {
			if got := l.traceState([]byte(list)); got != want {
				t.Errorf("%q becomes %q, want %q", list, got, want)
			}
		}
	}
	for i := range 3 * statesMax {
		l.traceState(fmt.Append(nil, "a=", i))
	}
	if len(l.states) > statesMax {
		t.Errorf("%d lists are remembered", len(l.states))
	}
}

// TestRename holds that a program that is described better goes on with what it is working on.
func TestRename(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 5")
	before := n.l.processes.byPID[5]
	n.l.Feed(&event.Event{Kind: event.KindRename, PID: 5, Process: &event.Process{Service: "cart", Attributes: []event.Attribute{{Key: "k8s.pod.name", Value: "cart-1"}}}})
	n.l.Feed(&event.Event{Kind: event.KindRename, PID: 6, Process: &event.Process{Service: "nobody"}})
	after := n.l.processes.byPID[5]
	if after != before || after.ended || after.Resource.Service != "cart" || len(after.Resource.Attributes) != 1 || n.l.Service(5) != "cart" {
		t.Errorf("%+v is now %+v", before, after)
	}
	if n.l.processes.byPID[6] != nil {
		t.Error("a name makes a process of nothing")
	}
}
