package bpf

import (
	"cmp"
	"errors"
	"regexp"
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
	spec := wayHere().spec(t)
	var objects Objects
	err := objects.Load(spec, &ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("verifier: %+v", verifier)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	budget := 300_000
	if wayHere().build == ByAddress {
		budget = 400_000 // each function looks for what it works on
	}
	programs := map[string]*ebpf.Program{
		"ssl_ends":        objects.SslEnds,
		"rustls_function": objects.RustlsFunction,
	}
	for _, c := range capturePrograms {
		if program := c.of(&objects); program != nil && program.Type() != ebpf.SocketFilter { // of this hook
			programs[c.name] = program
		}
	}
	for name, program := range programs {
		found := processed.FindStringSubmatch(program.VerifierLog)
		if found == nil {
			t.Fatalf("%v: the kernel does not tell the verified instructions: %s", program, program.VerifierLog)
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: %d instructions verified, stack %s", program, n, stackDepth.FindStringSubmatch(program.VerifierLog)[1])
		if n > budget {
			t.Errorf("%v: %d instructions verified, budget %d", program, n, budget)
		}
		if n := deepest(t, spec.Programs[name], program.VerifierLog); n > stackMax {
			t.Errorf("%s: its calls may need %d bytes of stack, %d are allowed", name, n, stackMax)
		}
	}
}

// stackMax is what all frames of a program have: MAX_BPF_STACK of the kernel's linux/filter.h.
const stackMax = 512

var processed = regexp.MustCompile(`processed ([0-9]+) insns`)

var stackDepth = regexp.MustCompile(`stack depth ([0-9+]+)`)

// deepest is the stack of the deepest chain of calls, as kernels before 6.13 count: each frame in steps of 32 bytes
// (check_max_stack_depth of kernel/bpf/verifier.c). What a loop calls is not counted. The log gives the frames in the order of the functions. A kernel
// that has left functions out, for it does without them, has counted itself: then it is 0.
func deepest(t *testing.T, spec *ebpf.ProgramSpec, log string) int {
	found := stackDepth.FindStringSubmatch(log)
	if found == nil {
		t.Fatalf("the kernel does not tell the stack: %s", log)
	}
	sizes := strings.Split(found[1], "+")
	frames, calls := map[string]int{}, map[string][]string{}
	function, main := "", ""
	for i := range spec.Instructions {
		ins := &spec.Instructions[i]
		if name := ins.Symbol(); name != "" {
			if len(frames) == len(sizes) {
				return 0
			}
			n, err := strconv.Atoi(sizes[len(frames)])
			if err != nil {
				t.Fatal(err)
			}
			function, main = name, cmp.Or(main, name)
			frames[name] = max(32, (n+31)/32*32)
		}
		if ins.IsFunctionCall() {
			calls[function] = append(calls[function], ins.Reference())
		}
	}
	if len(frames) != len(sizes) {
		t.Fatalf("%d functions, and the kernel tells the stack of %d", len(frames), len(sizes))
	}
	var depth func(string) int
	depth = func(name string) (below int) {
		for _, called := range calls[name] {
			below = max(below, depth(called))
		}
		return frames[name] + below
	}
	return depth(main)
}
