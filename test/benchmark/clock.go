package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// monotonic is CLOCK_MONOTONIC, ns.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// lockThread binds the goroutine to a thread whose timers are sharp.
func lockThread() {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
}
