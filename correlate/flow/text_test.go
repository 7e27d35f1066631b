package flow

import (
	"hash/maphash"
	"strconv"
	"testing"
)

// TestTexts has two texts of one place come in turn: each is made once.
func TestTexts(t *testing.T) {
	x := newTexts()
	one := []byte("/0")
	place := func(b []byte) uint64 { return maphash.Bytes(x.seed, b) % textSlots }
	var other []byte
	for i := 1; other == nil; i++ {
		if b := []byte("/" + strconv.Itoa(i)); place(b) == place(one) {
			other = b
		}
	}
	made := testing.AllocsPerRun(1000, func() {
		if x.of(one) != "/0" || x.of(other) != string(other) {
			t.Fatal("another text")
		}
	})
	if made != 0 {
		t.Errorf("%v texts made for two that come in turn", made)
	}
}
