package bpf

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// TestLoad loads every program and holds the verifier's work under a budget, so that a change that makes a
// program much harder to verify is seen before an older kernel refuses it.
func TestLoad(t *testing.T) {
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Logf("memlock: %v", err)
	}
	var objects WeftObjects
	err := LoadWeftObjects(&objects, nil)
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("verifier: %+v", verifier)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	budgets := map[*ebpf.Program]uint32{
		objects.SockSendLength: 217_000,
		objects.SockRecvLength: 217_000,
	}
	for program, budget := range budgets {
		info, err := program.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		if !ok {
			t.Fatalf("%v: the kernel does not tell the verified instructions", program)
		}
		t.Logf("%v: %d instructions verified", program, n)
		if n > budget {
			t.Errorf("%v: %d instructions verified, budget %d", program, n, budget)
		}
	}
}
