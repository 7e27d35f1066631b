package bpf

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// siOfRegisters is where the second argument of a system call stands in the saved registers of amd64.
const siOfRegisters = 13 * 8

// floor is the least that a program does that puts heads on a ring: it asks for the socket's record, the time and the registers,
// and copies a head of that size, without looking at it, from memory of the user to the ring. It knows only calls that have the
// buffer as their second argument.
func floor(b *testing.B, k *capture, ring *ebpf.Map, hook string, size int32) *ebpf.Program {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "floor", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: hook, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
			asm.LoadMapPtr(asm.R1, k.objects.Sockets.FD()), asm.Mov.Reg(asm.R2, asm.R6), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0),
			asm.FnSkStorageGet.Call(),
			asm.FnKtimeGetBootNs.Call(),
			asm.FnGetCurrentTaskBtf.Call(),
			asm.Mov.Reg(asm.R1, asm.R0), asm.FnTaskPtRegs.Call(),
			asm.LoadMem(asm.R7, asm.R0, siOfRegisters, asm.DWord),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, k.objects.Scratches.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Reg(asm.R8, asm.R0),
			asm.Mov.Reg(asm.R1, asm.R8), asm.Mov.Imm(asm.R2, size), asm.Mov.Reg(asm.R3, asm.R7), asm.FnProbeReadUser.Call(),
			asm.LoadMapPtr(asm.R1, ring.FD()), asm.Mov.Reg(asm.R2, asm.R8), asm.Mov.Imm(asm.R3, size+96), asm.Mov.Imm(asm.R4, 1),
			asm.FnRingbufOutput.Call(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return(),
		},
	})
	if err != nil {
		b.Fatalf("%+v", err)
	}
	b.Cleanup(func() { p.Close() })
	k.hook(p)
	return p
}

// BenchmarkFloor gives the kernel time per operation of the least that a full capture can do, above an empty program.
func BenchmarkFloor(b *testing.B) {
	if runtime.GOARCH != "amd64" {
		b.Fatal("the offsets of the saved registers are those of amd64")
	}
	k := load(b, everything())
	ring, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: 8 << 20})
	check(b, err)
	b.Cleanup(func() { ring.Close() })
	reader, err := ringbuf.NewReader(ring)
	check(b, err)
	b.Cleanup(func() { reader.Close() })
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	check(b, err)
	defer stats.Close()
	pairs := make([]pair, perRound)
	for i := range pairs {
		pairs[i] = families["ipv4"](b)
	}
	send := newMeter(b, k, "sock_send_length", floor(b, k, ring, "sock_send_length", 1024))
	receive := newMeter(b, k, "sock_recv_length", floor(b, k, ring, "sock_recv_length", 1024))
	s := step{bytes: request(1024)}
	buf := make([]byte, 1<<14)
	for range max(b.N, 20) {
		send.round(perRound, func() {
			receive.round(perRound, func() { s.run(b, pairs, buf) })
		})
		var record ringbuf.Record
		reader.SetDeadline(time.Now())
		for err = nil; err == nil; err = reader.ReadInto(&record) {
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	send.report(b, "copy-1KiB-send")
	receive.report(b, "copy-1KiB-receive")
}
