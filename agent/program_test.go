package agent

import (
	"testing"
	"time"
)

// TestDropRested: a program without processes is kept for a while, but not more of them than there is room for.
func TestDropRested(t *testing.T) {
	now := time.Now()
	s := &scout{programs: map[inode]*program{
		{number: 1}: {users: 1},
		{number: 2}: {rested: now.Add(-restFor / 2)},
		{number: 3}: {rested: now.Add(-2 * restFor)},
	}}
	s.dropRested(now)
	if len(s.programs) != 2 || s.programs[inode{number: 3}] != nil {
		t.Errorf("left are %v", s.programs)
	}
	for i := range uint64(2 * restedMax) {
		s.programs[inode{number: 10 + i}] = &program{rested: now}
	}
	s.dropRested(now)
	if len(s.programs) != restedMax+1 || s.programs[inode{number: 1}] == nil {
		t.Errorf("%d programs are left, want %d and the one that runs", len(s.programs), restedMax)
	}
}
