package bpf

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	spec, err := LoadWeft()
	if err != nil {
		t.Fatal(err)
	}
	if err := hookHere().Choose(spec); err != nil {
		t.Fatal(err)
	}
	var objects WeftObjects
	err = spec.LoadAndAssign(&objects, &ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("verifier: %+v", verifier)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	const budget = 217_000
	for _, program := range Captures(&objects.WeftPrograms) {
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
		if deepest := deepest(t, program.VerifierLog); deepest > stackBudget {
			t.Errorf("%v: four frames that call each other may need %d bytes of stack, budget %d", program, deepest, stackBudget)
		}
	}
}

// stackBudget leaves room below the 512 bytes for all frames (MAX_BPF_STACK in kernel/bpf/verifier.c).
const stackBudget = 448

var stackDepth = regexp.MustCompile(`stack depth ([0-9+]+)`)

// deepest is the stack of the program's own frame and its three largest functions, as kernels before 6.13 count: each frame in
// steps of 32 bytes (check_max_stack_depth). No chain of calls is longer than that.
func deepest(t *testing.T, log string) (sum int) {
	found := stackDepth.FindStringSubmatch(log)
	if found == nil {
		t.Fatalf("the kernel does not tell the stack: %s", log)
	}
	var frames []int
	for _, text := range strings.Split(found[1], "+") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, max(32, (n+31)/32*32))
	}
	slices.Sort(frames[1:])
	slices.Reverse(frames[1:])
	for _, n := range frames[:min(4, len(frames))] {
		sum += n
	}
	return sum
}
