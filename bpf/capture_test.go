package bpf

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"weft/agent/golang"
	"weft/correlate/event"
	"weft/correlate/flow"
)

// capture is the loaded and attached kernel side with a flow table behind its ring. It sees this process only.
type capture struct {
	t       testing.TB
	traced  int // the process whose exchanges are kept: this one, if it is not another
	objects Objects
	reader  *ringbuf.Reader
	record  ringbuf.Record
	table   *flow.Table
	sockets map[uint64]event.Conn // by cookie
	ended   []ended
	secure  []secure
	lost    int
	records []message
	closed  []event.Event
	threads []WeftThreadRecord
}

// ended is an exchange as the flow table told it.
type ended struct {
	socket                 uint64
	server                 bool
	method, target         string
	status                 uint16
	offset                 uint64
	requestBody, replyBody uint64
	headCut, upgraded      bool
	lost                   bool
}

// message is a message record, its payload counted only.
type message struct {
	event.Message
	socket uint64
	length int
	pid    uint32
	text   string // the payload of a frame
}

// everything is a setting under which this process is traced and all others are not.
func everything() WeftSetting { return WeftSetting{Self: 1, Wake: 1 << 20, IgnoreUnknown: 1} }

// load puts the programs into the kernel.
func load(t testing.TB, s WeftSetting, fits ...func(*ebpf.CollectionSpec)) *capture {
	t.Helper()
	return loadWay(t, wayHere(), s, fits...)
}

func loadWay(t testing.TB, w way, s WeftSetting, fits ...func(*ebpf.CollectionSpec)) *capture {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Logf("memlock: %v", err)
	}
	spec := w.spec(t)
	spec.Maps["ring"].MaxEntries = 16 << 20
	if err := spec.Variables["settings"].Set(s); err != nil {
		t.Fatal(err)
	}
	probesHere().Choose(spec)
	if s.Tls == 0 {
		WithoutTLS(spec)
	}
	for _, fit := range fits {
		fit(spec)
	}
	k := &capture{t: t, traced: os.Getpid(), sockets: make(map[uint64]event.Conn)}
	err := k.objects.Load(spec, nil)
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("verifier: %+v", verifier)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.objects.Close() })
	check(t, k.objects.Attached.Set(uint32(1)))
	if k.reader, err = ringbuf.NewReader(k.objects.Ring); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.reader.Close() })
	k.table = flow.New(flow.Options{Max: 1000}, k)
	t.Cleanup(k.leftOut)
	return k
}

// wayHere is the hook that the environment names with WEFT_HOOK, and behind a slash the build, or the best ones that this kernel has.
var wayHere = sync.OnceValue(func() way {
	name, build, _ := strings.Cut(os.Getenv("WEFT_HOOK"), "/")
	var last way
	for _, h := range Hooks {
		for _, b := range h.Builds() {
			if name != "" && name != string(h) || build != "" && build != string(b) {
				continue
			}
			if last = (way{h, b}); build != "" || loads(h, b) {
				return last
			}
		}
	}
	return last
})

// way is a hook and a build.
type way struct {
	hook  Hook
	build Build
}

func loads(h Hook, b Build) bool {
	spec, err := b.Spec()
	if err != nil || h.Choose(spec) != nil {
		return false
	}
	var o Objects
	defer o.Close()
	return o.Load(spec, nil) == nil
}

// spec reads the programs and leaves those of the hook.
func (w way) spec(t testing.TB) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := w.build.Spec()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.hook.Choose(spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

// attach puts the programs on their hooks.
func (k *capture) attach() {
	k.t.Helper()
	p := &k.objects.WeftPrograms
	for _, program := range []*ebpf.Program{
		p.SchedProcessExec, p.SchedProcessFork, p.SchedProcessExit, p.InetSockSetState, p.TcpReceiveReset,
	} {
		k.hook(program)
	}
	for _, program := range k.objects.Captures() {
		k.put(program)
	}
}

func (k *capture) put(c Capture) {
	k.t.Helper()
	l, err := c.Attach()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { l.Close() })
}

func (k *capture) hook(program *ebpf.Program) {
	k.t.Helper()
	l, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { l.Close() })
}

// choose writes what was decided of a process, and tells the sockets.
func (k *capture) choose(pid int, choice WeftChoice) {
	k.t.Helper()
	if err := k.objects.Processes.Put(uint32(pid), WeftProcess{Choice: uint8(choice)}); err != nil {
		k.t.Fatal(err)
	}
	var epoch uint32
	if err := k.objects.Epoch.Get(&epoch); err != nil {
		k.t.Fatal(err)
	}
	if err := k.objects.Epoch.Set(epoch + 1); err != nil {
		k.t.Fatal(err)
	}
}

// start loads, attaches and traces this process.
func start(t testing.TB, fits ...func(*ebpf.CollectionSpec)) *capture {
	t.Helper()
	k := load(t, everything(), fits...)
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	k.attach()
	return k
}

const self = "/proc/self/exe"

// traceSelf tells the kernel side all that is known of this very program, as of a Go program that is traced.
func (k *capture) traceSelf(t testing.TB) golang.Offsets {
	t.Helper()
	o, _, err := golang.Inspect(self)
	check(t, err)
	check(t, k.objects.Processes.Put(uint32(os.Getpid()), WeftProcess{
		Choice: uint8(WeftChoiceCHOICE_TRACE), Go: 1, Tls: int32(o.TLS), Goid: o.Goid, M: o.M, Curg: o.CurG, HasParent: 1, ParentGoid: o.ParentGoid,
		Conn: o.ConnOffset, TlsState: o.TLSStateOffset, Fd: o.FDOffset, Sysfd: o.SysfdOffset, ItabHash: o.ITabHash, TcpConnHash: o.TCPConnHash,
		Stack: o.Stack, Sched: o.Sched, Waiting: o.Waiting, Receivers: o.Receivers,
		SudogG: o.SudogG, SudogNext: o.SudogNext, SudogChan: o.SudogChan,
		Processor: o.P, Runnext: o.RunNext,
	}))
	return o
}

// count reads one of the kernel side's counters. Other processes are counted too, before they are ignored.
func (k *capture) count(c WeftCount) uint64 {
	k.t.Helper()
	var perCPU []WeftTally
	if err := k.objects.Tallies.Lookup(uint32(0), &perCPU); err != nil {
		k.t.Fatal(err)
	}
	var sum uint64
	for i := range perCPU {
		sum += perCPU[i].Counts[c]
	}
	return sum
}

// leftOut tells of operations that the programs did not see, because the CPU was busy with another one: what a test then misses is
// the kernel's doing.
func (k *capture) leftOut() {
	if n := k.count(WeftCountCOUNT_OVERLAPPED); n > 0 {
		k.t.Errorf("%d operations overlapped on a CPU", n)
	}
	for _, p := range k.objects.Captures() {
		if stats, err := p.Program.Stats(); err == nil && stats.RecursionMisses > 0 {
			k.t.Errorf("%v: left out %d times", p, stats.RecursionMisses)
		}
	}
	for c := range WeftCountCOUNTS {
		if n := k.count(c); n > 0 && k.t.Failed() {
			k.t.Logf("%v: %d", c, n)
		}
	}
}

// drain feeds what is on the ring to the table. What an operation leaves there is there when its system call returns.
func (k *capture) drain() {
	k.t.Helper()
	k.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := k.reader.ReadInto(&k.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			k.t.Fatal(err)
		}
		k.feed(k.record.RawSample)
	}
}

func (k *capture) feed(sample []byte) {
	var ev event.Event
	switch WeftRecordKind(sample[0]) {
	case WeftRecordKindRECORD_MESSAGE:
		ev = messageOf(sample)
		k.records = append(k.records, message{ev.Message, ev.Socket, len(ev.Message.Payload), ev.PID, ""})
		if ev.Message.Flags&event.Frame != 0 {
			k.records[len(k.records)-1].text = string(ev.Message.Payload)
		}
		k.records[len(k.records)-1].Payload = nil
	case WeftRecordKindRECORD_SOCKET:
		ev = socketOf(sample)
		k.sockets[ev.Socket] = ev.Conn
	case WeftRecordKindRECORD_CLOSE:
		ev = closeOf(sample)
		k.closed = append(k.closed, ev)
	case WeftRecordKindRECORD_HELLO:
		ev = messageOf(sample)
		ev.Kind = event.KindHello
	case WeftRecordKindRECORD_SESSION:
		ev = sessionOf(sample)
	case WeftRecordKindRECORD_THREAD:
		k.threads = append(k.threads, *as[WeftThreadRecord](sample))
		return
	default:
		return
	}
	k.table.Feed(&ev)
}

func (k *capture) Started(*flow.Exchange)   {}
func (k *capture) Abandoned(*flow.Exchange) { k.lost++ }

func (k *capture) Touched(*flow.Exchange, flow.Touch) {}
func (k *capture) Placed(*flow.Exchange)              {}
func (k *capture) Ended(x *flow.Exchange) {
	if int(x.PID) != k.traced {
		return
	}
	if x.Conn.TLS != nil {
		k.secure = append(k.secure, secure{
			x.Server, x.Target, x.Wire, x.Conn.NameLocal, x.Conn.NamePeer, x.Conn.TLS.Version, x.Conn.TLS.ServerName, x.Conn.TLS.Handshake != 0,
		})
	}
	k.ended = append(k.ended, ended{
		socket: x.Conn.Socket, server: x.Server, method: x.Method, target: x.Target, status: x.Status, offset: x.Offset,
		requestBody: x.RequestBody, replyBody: x.ReplyBody, headCut: x.HeadCut, upgraded: x.Upgraded, lost: x.Lost,
	})
}

// forget starts a new count of what was seen.
func (k *capture) forget() {
	k.drain()
	k.ended, k.secure, k.records, k.closed, k.lost = nil, nil, nil, nil, 0
}

// exchanges gives those of one end, in the order in which they ended.
func (k *capture) exchanges(server bool) []ended {
	k.drain()
	var out []ended
	for _, x := range k.ended {
		if x.server == server {
			out = append(out, x)
		}
	}
	return out
}

func as[T any](sample []byte) *T { return (*T)(unsafe.Pointer(unsafe.SliceData(sample))) }

func messageOf(sample []byte) event.Event {
	r := as[WeftMessageRecord](sample)
	payload := sample[unsafe.Sizeof(*r):]
	ev := event.Event{Kind: event.KindMessage, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Message = event.Message{
		Direction: event.Direction(r.Head.Direction), Flags: event.Flags(r.Head.Flags), Unread: uint8(r.Unread),
		Offset: r.Offset, Through: r.Through, Body: r.Body, Previous: r.Previous, Work: r.Work,
		Origin: r.Origin, RTT: r.Rtt, Retransmits: r.Retransmits, Lost: r.Lost, Wire: r.Wire,
		Payload: payload[:r.Head.Length],
	}
	if ev.Message.Flags&event.Frame != 0 {
		ev.Message.Unread, ev.Message.Messages = 0, r.Unread
	}
	return ev
}

func socketOf(sample []byte) event.Event {
	r := as[WeftSocketRecord](sample)
	ev := event.Event{Kind: event.KindSocket, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid}
	ev.Conn = event.Conn{
		Family: r.Family, Origin: event.Origin(r.Origin), NetNS: r.Netns, ConnectNS: r.ConnectNs,
		NameLocal: uint64(r.NameLocal), NamePeer: uint64(r.NamePeer),
		Local: netip.AddrPortFrom(netip.AddrFrom16(r.Local), r.LocalPort),
		Peer:  netip.AddrPortFrom(netip.AddrFrom16(r.Peer), r.PeerPort),
	}
	if r.Inode != 0 {
		// The agent knows from the list of sockets at its start that this one is younger.
		ev.Conn.Origin = event.Connected
		ev.Conn.NameLocal, ev.Conn.NamePeer = r.Inode, r.PeerInode
	}
	return ev
}

func closeOf(sample []byte) event.Event {
	r := as[WeftCloseRecord](sample)
	return event.Event{Kind: event.KindClose, Time: r.Head.Time, Socket: r.Head.Socket, Close: event.Close{
		Sent: r.Sent, Received: r.Received, Previous: r.Previous, Retransmits: r.Retransmits, Lost: r.Lost, Reset: r.Reset != 0,
		SentMessages: r.SentMessages, ReceivedMessages: r.ReceivedMessages,
	}}
}
