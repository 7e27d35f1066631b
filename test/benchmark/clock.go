package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

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

// waitsOf counts how often the threads of a process have given a processor up by themselves.
func waitsOf(pid int) (n uint64) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range paths {
		text, _ := os.ReadFile(path) // a thread may have ended
		if _, rest, ok := strings.Cut(string(text), "\nvoluntary_ctxt_switches:"); ok {
			line, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
			one, _ := strconv.ParseUint(line, 10, 64)
			n += one
		}
	}
	return n
}
