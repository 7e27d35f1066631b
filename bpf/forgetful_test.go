package bpf

import (
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
)

// kept gives how many entries were put into a map that forgets, less those taken out, and how many are there.
func (k *capture) kept(m *ebpf.Map, which WeftForgetful) (kept, there int64) {
	k.t.Helper()
	var all [WeftForgetfulFORGETFULS]int64
	if err := k.objects.Kept.Get(&all); err != nil {
		k.t.Fatal(err)
	}
	var key, value []byte
	each := m.Iterate()
	for each.Next(&key, &value) {
		there++
	}
	if err := each.Err(); err != nil {
		k.t.Fatal(err)
	}
	return all[which], there
}

// TestForgotten: as long as there is room, what was put in and not taken out is there; of what there is no room for, it is known how
// much it was.
func TestForgotten(t *testing.T) {
	const words = 3000
	room := 256 * runtime.NumCPU()
	k := start(t, func(s *ebpf.CollectionSpec) { s.Maps["words"].MaxEntries = uint32(room) })
	server, caller := k.crew(t)
	k.deeds(t, server, caller)
	if kept, there := k.kept(k.objects.Hands, WeftForgetfulFORGETFUL_HANDS); kept != there || there < 2 {
		t.Errorf("%d threads were put in and not taken out, %d are there", kept, there)
	}
	var some [words]word
	for i := range some {
		some[i].wakes(t, caller, server, nil)
	}
	kept, there := k.kept(k.objects.Words, WeftForgetfulFORGETFUL_WORDS)
	if there > int64(room) || kept-there < int64(words-room) || kept-there > words {
		t.Errorf("%d words were put in and %d are there, with room for %d", kept, there, room)
	}
}

// TestTakenOut: a thread that ends is taken out, and is not one that was forgotten.
func TestTakenOut(t *testing.T) {
	k := start(t)
	server, caller := k.crew(t)
	before, there := k.kept(k.objects.Hands, WeftForgetfulFORGETFUL_HANDS)
	if before < 2 || there != before {
		t.Errorf("%d threads were put in, %d are there", before, there)
	}
	caller.ends(t)
	server.ends(t)
	after, there := k.kept(k.objects.Hands, WeftForgetfulFORGETFUL_HANDS)
	if after >= before || after != there {
		t.Errorf("%d threads were known, and %d when two had ended, of which %d are there", before, after, there)
	}
}
