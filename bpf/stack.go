package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// keepStack has programs on probes of user space run on the stack of the task that they interrupt.
//
// From Linux 6.13 on a program that needs much stack is given one of its own on each CPU, for nothing is run while it runs there already
// (bpf_enable_priv_stack of kernel/bpf/verifier.c). That does not hold for uprobes: where the kernel may be preempted, as nearly every one from
// 7.0 on, another thread's run of the same program comes in between and writes over what the first one keeps there (seen on 7.2 as an
// oops of the kernel, a pointer that was checked and is none any more). A program in which there is a tail call, though it is
// never reached, is not given such a stack.
func keepStack(spec *ebpf.CollectionSpec) error {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return err
	}
	var mode *btf.Enum
	if err := kernel.TypeByName("priv_stack_mode", &mode); errors.Is(err, btf.ErrNotFound) {
		return nil // it has no such stacks
	} else if err != nil {
		return err
	}
	for name, p := range spec.Programs {
		if p.Type != ebpf.Kprobe {
			continue
		}
		if p.Instructions, err = withTailCall(p.Instructions); err != nil {
			return fmt.Errorf("keep the program %s on the stack of its task: %w", name, err)
		}
	}
	return nil
}

// errStart says that the first instruction of a program is none behind which others can be put.
var errStart = errors.New("its first instruction is not the one that keeps its context")

// withTailCall puts a tail call that is never reached behind the first instruction, which is that which keeps the context: the verifier takes it out
// as dead, after it has seen it. Nothing jumps back to the start of a function, for the context would not be where it has to be.
func withTailCall(all asm.Instructions) (asm.Instructions, error) {
	if len(all) < 2 || all[0].OpCode.Class().IsJump() || all[0].Dst == asm.R0 || all[0].IsLoadFromMap() {
		return nil, errStart
	}
	past := asm.JNE.Imm(asm.R0, 0, "")
	past.Offset = 1
	dead := asm.Instructions{asm.Mov.Imm(asm.R0, 1), past, asm.FnTailCall.Call()}
	return append(append(append(make(asm.Instructions, 0, len(all)+len(dead)), all[0]), dead...), all[1:]...), nil
}
