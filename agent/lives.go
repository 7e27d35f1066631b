package agent

// lives knows since when each process is watched as the program that it is. Times are boot time, ns.
type lives struct {
	watching uint64 // since when all those are watched whose start was not seen
	starts   map[uint32]uint64
}

// livesMax bounds the starts that are remembered, for the case that ends are not told.
const livesMax = 1 << 16

func newLives(now uint64) lives { return lives{watching: now, starts: make(map[uint32]uint64)} }

// begin notes that a process was forked or has executed a program.
func (l *lives) begin(pid uint32, now uint64) {
	if _, known := l.starts[pid]; !known && len(l.starts) >= livesMax {
		clear(l.starts)
		l.watching = now
	}
	l.starts[pid] = now
}

func (l *lives) end(pid uint32) { delete(l.starts, pid) }

// since gives the time from which on nothing that the process did was missed.
func (l *lives) since(pid uint32) uint64 {
	if start, known := l.starts[pid]; known {
		return start
	}
	return l.watching
}
