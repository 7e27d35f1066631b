package golang

import "syscall"

// current gives g of a stopped thread.
func current(_ memory, regs syscall.PtraceRegs, _ Offsets) uint64 { return regs.Regs[28] }
