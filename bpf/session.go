package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// SweepSessions forgets the TLS sessions of processes that have ended without freeing them, where no socket is known with which
// they would have gone, and those of objects that nothing tells the end of, if they have no socket either and were last used before
// idle, nanoseconds of CLOCK_BOOTTIME. It gives how many those were. ended is asked once for each process.
func SweepSessions(sessions *ebpf.Map, ended func(pid uint32) bool, idle uint64) (int, error) {
	gone := make(map[uint32]bool)
	var stale []WeftSessionKey
	var key WeftSessionKey
	var session WeftSession
	err := sessions.NextKey(nil, &key)
	// A key that is deleted meanwhile lets the walk begin anew, so its turns are bounded.
	for turns := sessions.MaxEntries(); err == nil && turns > 0; turns-- {
		pid := uint32(key.Tgid)
		if _, asked := gone[pid]; !asked {
			gone[pid] = ended(pid)
		}
		if gone[pid] || sessions.Lookup(&key, &session) == nil && session.Loose != 0 && session.Under == 0 && session.State.Previous < idle {
			stale = append(stale, key)
		}
		before := key
		err = sessions.NextKey(&before, &key)
	}
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, fmt.Errorf("walk the TLS sessions: %w", err)
	}
	for i := range stale {
		if err := sessions.Delete(&stale[i]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return i, fmt.Errorf("forget a TLS session: %w", err)
		}
	}
	return len(stale), nil
}
