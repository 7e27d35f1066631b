package golang

import "syscall"

// current gives g of a stopped thread.
func current(m memory, regs syscall.PtraceRegs, o Offsets) uint64 {
	return m.word(regs.Fs_base + uint64(o.TLS))
}
