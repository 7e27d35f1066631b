package bpf

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weft/agent/library"
)

// strange is a record of what a thread does beside what it reads of requests and replies.
type strange struct {
	deed   WeftDeed
	socket bool // it is of one
	peer   uint64
}

// strangers gives what was told of a thread, and the socket that it was told of last.
func (k *capture) strangers(tid uint32) (found []strange, socket uint64) {
	k.drain()
	for _, r := range k.threads {
		if deed := WeftDeed(r.Deed); r.Head.Tid == tid && (deed == WeftDeedDEED_TURNS || deed == WeftDeedDEED_ASKS) {
			found = append(found, strange{deed, r.Head.Socket != 0, r.Address})
			socket = r.Head.Socket
		}
	}
	k.threads = nil
	return found, socket
}

// loops tells the kernel side that a process runs event loops.
func (k *capture) loops(pid int) {
	check(k.t, k.objects.Processes.Put(uint32(pid), WeftProcess{Choice: uint8(WeftChoiceCHOICE_TRACE), Loops: 1}))
	check(k.t, k.objects.Epoch.Set(k.epoch()+1))
	check(k.t, k.objects.Looping.Set(uint32(1)))
}

// TestStores: of a thread that has read a request it is told when it writes to a connection of another protocol, and when it reads from it, from
// the first bytes on: not twice in a row, and not without end.
func TestStores(t *testing.T) {
	const question, answer = "SELECT 1;.......", "1..............."
	k := start(t)
	web, store, other := families["ipv4"](t), families["ipv4"](t), families["ipv4"](t)
	loop := newWorker(t)
	ask := func(p pair, n int) {
		for range n {
			loop.do(func() { _, _ = unix.Write(p.client, []byte(question)) })
			receiveAll(t, receives["read"], p.server, len(question), 1<<20)
			sendAll(t, sends["write"], p.server, []byte(answer))
			loop.do(func() { _, _ = unix.Read(p.client, make([]byte, 100)) })
		}
	}
	serve := func() {
		sendAll(t, sends["write"], web.client, []byte(get))
		loop.do(func() { _, _ = unix.Read(web.server, make([]byte, 100)) })
		loop.do(func() { _, _ = unix.Write(web.server, []byte(okReply)) })
		receiveAll(t, receives["read"], web.client, len(okReply), 1<<20)
	}
	serve()
	ask(store, 5)
	if got, _ := k.strangers(loop.tid); len(got) != 0 {
		t.Errorf("told of a process that runs no event loop: %+v", got)
	}
	k.loops(os.Getpid())
	serve()
	k.strangers(loop.tid)
	ask(other, 1)
	if got, _ := k.strangers(loop.tid); len(got) == 0 || got[len(got)-1].deed != WeftDeedDEED_TURNS {
		t.Errorf("of the first answer on a connection: %+v", got)
	}
	ask(other, 4)
	k.strangers(loop.tid)
	for name, p := range map[string]pair{"muted": store, "muted since": other} {
		ask(p, 1)
		got, first := k.strangers(loop.tid)
		if len(got) != 2 || got[0].deed != WeftDeedDEED_ASKS || got[1].deed != WeftDeedDEED_TURNS || got[0].peer != got[1].peer || got[0].peer == 0 {
			t.Fatalf("%s: of a question and its answer: %+v", name, got)
		}
		loop.do(func() { _, _ = unix.Write(p.client, []byte(question)); _, _ = unix.Write(p.client, []byte(question)) })
		got, second := k.strangers(loop.tid)
		if len(got) != 1 || first != second || first == 0 {
			t.Errorf("%s: of two writes in a row, to socket %d and before to %d: %+v", name, second, first, got)
		}
	}
	serve()
	k.strangers(loop.tid)
	ask(store, 40)
	got, _ := k.strangers(loop.tid)
	end := strange{deed: WeftDeedDEED_TURNS, peer: 1}
	if len(got) != 33 || got[32] != end || slices.Contains(got[:32], end) {
		t.Errorf("of 80 operations between two requests %d were told, the last one %+v", len(got), got[len(got)-1])
	}
	serve()
	ask(store, 1)
	if got, _ := k.strangers(loop.tid); len(got) != 2 {
		t.Errorf("behind the next request: %+v", got)
	}
	reader := newWorker(t)
	sendAll(t, sends["write"], store.server, []byte(answer))
	reader.do(func() { _, _ = unix.Read(store.client, make([]byte, 100)) })
	if got, _ := k.strangers(reader.tid); len(got) != 0 {
		t.Errorf("of a thread that reads no requests: %+v", got)
	}
}

// TestTimersRun: when timers are due that is told once, of a thread that has read a request, until it reads something else.
func TestTimersRun(t *testing.T) {
	const function = "_ZN4node11Environment9RunTimersEP10uv_timer_s"
	program := filepath.Join(t.TempDir(), "turns")
	if out, err := exec.Command("gcc", "-O2", "-rdynamic", "-Wl,--hash-style=gnu", "-o", program, "testdata/turns.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at, err := library.Named(program, function)
	check(t, err)
	k := start(t)
	put(t, program, k.objects.NodeTurns, 0, at[function])
	run := exec.Command(program)
	input, err := run.StdinPipe()
	check(t, err)
	output, err := run.StdoutPipe()
	check(t, err)
	check(t, run.Start())
	_, err = output.Read(make([]byte, 1)) // what was told of a process is forgotten when it executes something
	check(t, err)
	k.loops(run.Process.Pid)
	_, err = input.Write([]byte{1})
	check(t, err)
	check(t, run.Wait())
	got, _ := k.strangers(uint32(run.Process.Pid))
	timers := strange{deed: WeftDeedDEED_TURNS}
	if want := []strange{{deed: WeftDeedDEED_TURNS, peer: 2}, timers, timers}; !slices.Equal(got, want) {
		t.Errorf("from the first reply on, before the second and the third request: %+v", got)
	}
}

// BenchmarkStore gives the kernel time of the operations by which a store is asked and answers, above that of an empty program: where they are told of
// the one that asks, which is every other one of the sends and of the receives, and where none is.
func BenchmarkStore(b *testing.B) {
	for name, told := range map[string]bool{"untold": false, "told": true} {
		b.Run(name, func(b *testing.B) {
			const questions = 15 // 32 operations are told between two requests
			k := load(b, everything())
			k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
			k.attach()
			stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
			check(b, err)
			defer stats.Close()
			if told {
				k.loops(os.Getpid())
			}
			web, store := families["ipv4"](b), families["ipv4"](b)
			loop, peer := newWorker(b), newWorker(b)
			pass := func(by *worker, from, to int, text string) {
				by.do(func() { _, _ = unix.Write(from, []byte(text)) })
				other := map[*worker]*worker{loop: peer, peer: loop}[by]
				other.do(func() { _, _ = unix.Read(to, make([]byte, 256)) })
			}
			ask := func() {
				for range questions {
					pass(loop, store.client, store.server, "\x00\x01\x02")
					pass(peer, store.server, store.client, "\x03\x04")
				}
			}
			send := newMeter(b, k, "sock_send_length", k.objects.SockSendLength)
			receive := newMeter(b, k, "sock_recv_length", k.objects.SockRecvLength)
			for range max(b.N, 20) {
				pass(peer, web.client, web.server, get)
				pass(loop, web.server, web.client, okReply)
				send.round(2*questions, func() { receive.round(2*questions, ask) })
				k.forget()
			}
			b.ReportMetric(0, "ns/op")
			send.report(b, "send")
			receive.report(b, "receive")
		})
	}
}
