package agent

import "testing"

func TestLives(t *testing.T) {
	l := newLives(100)
	l.begin(7, 250)
	if l.since(7) != 250 || l.since(8) != 100 {
		t.Errorf("a new process is watched since %d, one that was there since %d", l.since(7), l.since(8))
	}
	l.end(7)
	if l.since(7) != 100 {
		t.Error("a process that is gone is remembered")
	}
	for pid := range uint32(3 * livesMax) {
		l.begin(pid, 300+uint64(pid))
	}
	if len(l.starts) > livesMax {
		t.Errorf("%d starts are remembered", len(l.starts))
	}
	if l.since(1) < 300 {
		t.Error("a process whose start was forgotten counts as watched from the beginning")
	}
}
