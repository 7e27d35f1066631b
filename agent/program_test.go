package agent

import (
	"testing"
	"time"

	"weft/agent/library"
)

// TestDropRested: a program without processes is kept for a while, but not more of them than there is room for.
func TestDropRested(t *testing.T) {
	now := time.Now()
	numbered := func(n uint64) inode { return inode{file: library.File{Number: n}} }
	s := &scout{programs: map[inode]*program{
		numbered(1): {users: 1},
		numbered(2): {rested: now.Add(-restFor / 2)},
		numbered(3): {rested: now.Add(-2 * restFor)},
	}}
	s.dropRested(now)
	if len(s.programs) != 2 || s.programs[numbered(3)] != nil {
		t.Errorf("left are %v", s.programs)
	}
	for i := range uint64(2 * restedMax) {
		s.programs[numbered(10+i)] = &program{rested: now}
	}
	s.dropRested(now)
	if len(s.programs) != restedMax+1 || s.programs[numbered(1)] == nil {
		t.Errorf("%d programs are left, want %d and the one that runs", len(s.programs), restedMax)
	}
}
