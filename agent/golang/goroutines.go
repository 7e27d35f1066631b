package golang

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrNoGoroutines says that the list of all goroutines was not found in a process.
var ErrNoGoroutines = errors.New("its list of goroutines was not found")

// Limits on what is read of one process.
const (
	mappedBudget  = 64 << 20 // of its variables
	suspectsMax   = 1 << 14  // slices whose elements are looked at
	goroutinesMax = 1 << 24
	heapLow       = 1 << 32 // of its heap, which begins anywhere above
	heapHigh      = 1 << 47
)

// FindGoroutines gives the address of runtime.allgs, the slice of all goroutines, in a running process. Stripped programs do not
// tell where it is, but it begins alike in every Go program: with goroutine 1 and those of the runtime, which never end.
// It streams through the program's variables, hundreds of kilobytes as a rule: not for the data path.
func FindGoroutines(pid uint32, l *Layout) (uint64, error) {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return 0, fmt.Errorf("read executable of process %d: %w", pid, err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, fmt.Errorf("read mappings of process %d: %w", pid, err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, fmt.Errorf("open memory of process %d: %w", pid, err)
	}
	defer memory.Close() //nolint:errcheck // read only
	h := hunt{memory: &budget{r: memory, left: mappedBudget}, layout: l}
	for _, m := range variables(string(maps), exe) {
		if at, ok := h.search(m); ok {
			return at, nil
		}
	}
	return 0, fmt.Errorf("process %d: %w", pid, ErrNoGoroutines)
}

type mapping struct{ from, to uint64 }

// variables gives the writable mappings of the executable, and those without a file right behind them, from /proc/PID/maps.
func variables(maps, exe string) (found []mapping) {
	end := uint64(0) // of the last one
	for line := range strings.Lines(maps) {
		var m mapping
		var mode, offset, device string
		var inode uint64
		if _, err := fmt.Sscanf(line, "%x-%x %s %s %s %d", &m.from, &m.to, &mode, &offset, &device, &inode); err != nil || m.from >= m.to {
			continue
		}
		own := inode != 0 && strings.HasSuffix(strings.TrimRight(line, "\n"), " "+exe)
		if (own || inode == 0 && m.from == end) && strings.HasPrefix(mode, "rw") {
			found = append(found, m)
		}
		if own || inode == 0 && m.from == end {
			end = m.to
		}
	}
	return found
}

// hunt looks for the slice in the memory of a process.
type hunt struct {
	memory   io.ReaderAt
	layout   *Layout
	suspects int
}

func (h *hunt) search(m mapping) (uint64, bool) {
	buf := make([]byte, windowSize)
	const slice = 24
	for at := m.from; at+slice <= m.to; {
		n := min(uint64(len(buf)), m.to-at)
		got, err := h.memory.ReadAt(buf[:n], int64(at))
		for i := 0; i+slice <= got; i += 8 {
			list := binary.LittleEndian.Uint64(buf[i:])
			length, room := binary.LittleEndian.Uint64(buf[i+8:]), binary.LittleEndian.Uint64(buf[i+16:])
			if length >= 3 && length <= room && room <= goroutinesMax && inHeap(list) && h.isList(list) {
				return at + uint64(i), true
			}
		}
		if err != nil || got < slice {
			return 0, false
		}
		at += uint64(got) - slice + 8
	}
	return 0, false
}

// isList tells whether an array begins with goroutine 1 and two others, one of which it has started.
func (h *hunt) isList(list uint64) bool {
	if h.suspects++; h.suspects > suspectsMax {
		return false
	}
	if id, _ := h.goroutine(list); id != 1 {
		return false
	}
	second, by1 := h.goroutine(list + 8)
	third, by2 := h.goroutine(list + 16)
	return second > 1 && third > 1 && second != third && (by1 == 1 || by2 == 1 || !h.layout.HasParent)
}

// goroutine gives the ids of the goroutine that a pointer leads to and of its parent, 0 if there is none.
func (h *hunt) goroutine(pointer uint64) (id, parent uint64) {
	g, ok := h.word(pointer)
	if !ok || !inHeap(g) {
		return 0, 0
	}
	id, _ = h.word(g + uint64(h.layout.Goid))
	if h.layout.HasParent {
		parent, _ = h.word(g + uint64(h.layout.ParentGoid))
	}
	return id, parent
}

func inHeap(address uint64) bool { return address&7 == 0 && address >= heapLow && address < heapHigh }

func (h *hunt) word(address uint64) (uint64, bool) {
	var b [8]byte
	if _, err := h.memory.ReadAt(b[:], int64(address)); err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}
