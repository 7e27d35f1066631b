package bpf

import (
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// addresses are families whose sockets are known by their addresses on any kernel: of the tracepoints none tells that a socket of AF_UNIX is
// gone, and a kernel that has them keeps the state with the socket.
func addresses() []string {
	if wayHere().hook == Tracepoint {
		return []string{"ipv4", "ipv6", "mapped"}
	}
	return []string{"ipv4", "ipv6", "mapped", "unix", "socketpair"}
}

func startByAddress(t *testing.T, fits ...func(*ebpf.CollectionSpec)) *capture {
	t.Helper()
	k := loadWay(t, way{wayHere().hook, ByAddress}, everything(), fits...)
	k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
	k.attach()
	return k
}

// TestAddressesAgain: where sockets are known by their addresses, one that is gone is forgotten, and a socket at its address is another one.
func TestAddressesAgain(t *testing.T) {
	k := startByAddress(t)
	for _, name := range addresses() {
		for range 20 {
			p := families[name](t)
			for range 2 {
				if n := k.turn(t, p); n != 2 {
					t.Errorf("%s: %d ends seen of a request", name, n)
				}
			}
			if len(k.sockets) != 2 {
				t.Errorf("%s: %d sockets are told", name, len(k.sockets))
			}
			clear(k.sockets)
			if n := k.ownSockets(t); n < 2 {
				t.Errorf("%s: %d sockets are known while two are used", name, n)
			}
			p.close()
		}
		if n := k.ownSockets(t); n > 0 {
			t.Errorf("%s: %d sockets are known when all are closed", name, n)
		}
	}
}

// ownSockets counts the sockets of this process that are known.
func (k *capture) ownSockets(t *testing.T) (n int) {
	t.Helper()
	var key uint64
	var state WeftSocketState
	each := k.objects.Sockets.Iterate()
	for each.Next(&key, &state) {
		if int(state.JudgedPid) == os.Getpid() {
			n++
		}
	}
	check(t, each.Err())
	return n
}

// TestAddressesForgotten: of more sockets than there is room for, some are forgotten, which is counted, and known again when they are used.
func TestAddressesForgotten(t *testing.T) {
	room := 256 * runtime.NumCPU()
	k := startByAddress(t, func(s *ebpf.CollectionSpec) { s.Maps["sockets"].MaxEntries = uint32(room) })
	var all []pair
	for range room * 3 / 4 {
		all = append(all, families["ipv4"](t))
	}
	for range 2 {
		for _, p := range all {
			if n := k.turn(t, p); n != 2 {
				t.Fatalf("%d ends seen of a request", n)
			}
		}
	}
	kept, there := k.kept(k.objects.Sockets, WeftForgetfulFORGETFUL_SOCKETS)
	if there > int64(room) || kept-there < int64(len(all)*2-room) {
		t.Errorf("%d sockets were put in and not taken out, %d are there, of %d, with room for %d", kept, there, len(all)*2, room)
	}
}

// TestNumbersOnly: kernels before 5.12 refuse a program in which a function that is verified by itself takes a pointer.
func TestNumbersOnly(t *testing.T) {
	spec, err := ByAddress.Spec()
	check(t, err)
	functions := 0
	for name, program := range spec.Programs {
		for i := range program.Instructions {
			f := btf.FuncMetadata(&program.Instructions[i])
			if i == 0 || f == nil || f.Linkage != btf.GlobalFunc {
				continue
			}
			functions++
			for _, p := range f.Type.(*btf.FuncProto).Params {
				if _, ok := btf.UnderlyingType(p.Type).(*btf.Pointer); ok {
					t.Errorf("%s: %s takes a pointer, %s", name, f.Name, p.Name)
				}
			}
		}
	}
	if functions == 0 {
		t.Error("no function is verified by itself")
	}
}
