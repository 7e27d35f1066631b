package bpf

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// TestWithTailCall: the tail call is there, and where it would destroy the context nothing is changed.
func TestWithTailCall(t *testing.T) {
	for _, build := range []Build{InSocket, ByAddress} {
		spec, err := build.Spec()
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range spec.Programs {
			if p.Type != ebpf.Kprobe {
				continue
			}
			all, err := withTailCall(p.Instructions)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if len(all) != len(p.Instructions)+3 || !all[3].IsBuiltinCall() || all[3].Constant != int64(asm.FnTailCall) || all[0].Symbol() != name {
				t.Errorf("%s begins with %v", name, all[:5])
			}
			end := len(p.Instructions)
			for i, ins := range p.Instructions {
				if i > 0 && ins.Symbol() != "" {
					end = i // of the first function
					break
				}
			}
			for i, ins := range p.Instructions[:end] {
				if ins.OpCode.Class().IsJump() && ins.Reference() == "" && i+1+int(ins.Offset) < 1 {
					t.Errorf("%s: instruction %d jumps to its start", name, i)
				}
			}
		}
	}
	for name, first := range map[string]asm.Instruction{
		"a jump":   asm.Ja.Label("x"),
		"a result": asm.Mov.Imm(asm.R0, 0),
		"a map":    asm.LoadMapPtr(asm.R2, 0),
		"nothing":  asm.Return(),
	} {
		if all, err := withTailCall(asm.Instructions{first, asm.Return()}); err == nil {
			t.Errorf("behind %s: %v", name, all)
		}
	}
}
