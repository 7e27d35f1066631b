package python

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// memory is the memory of a process, and what it is mapped from.
type memory struct {
	r     io.ReaderAt
	file  io.Closer
	root  string // of the file system that the process sees
	areas []area
	left  int // bytes that may still be read
}

// area is one line of /proc/PID/maps.
type area struct {
	start, end, offset uint64
	write, execute     bool
	path               string
}

const (
	readMax  = 64 << 20
	areasMax = 1 << 16
)

func open(pid uint32) (*memory, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("open the map of the process: %w", err)
	}
	areas, err := readAreas(file)
	file.Close()
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, fmt.Errorf("open the memory of the process: %w", err)
	}
	return &memory{r: mem, file: mem, root: fmt.Sprintf("/proc/%d/root", pid), areas: areas, left: readMax}, nil
}

func (m *memory) close() { m.file.Close() }

// readAreas reads lines like "7f01-7f02 r-xp 00001000 08:01 1234 /usr/lib/x.so".
func readAreas(r io.Reader) (areas []area, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(areas) < areasMax {
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		var a area
		var bad [3]error
		a.start, bad[0] = strconv.ParseUint(from, 16, 64)
		a.end, bad[1] = strconv.ParseUint(to, 16, 64)
		a.offset, bad[2] = strconv.ParseUint(f[2], 16, 64)
		if err := errors.Join(bad[:]...); err != nil {
			return nil, fmt.Errorf("read the map of the process: %w", err)
		}
		a.write, a.execute = strings.Contains(f[1], "w"), strings.Contains(f[1], "x")
		if len(f) == 6 && f[5][0] == '/' {
			a.path = f[5]
		}
		areas = append(areas, a)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the map of the process: %w", err)
	}
	return areas, nil
}

// read fills b from an address; false if that is not mapped, or too much was read already.
func (m *memory) read(b []byte, at uint64) bool {
	if at > 1<<62 || m.left < len(b) {
		return false
	}
	m.left -= len(b)
	n, _ := m.r.ReadAt(b, int64(at))
	return n == len(b)
}

// word gives the eight bytes at an address, 0 if they cannot be read.
func (m *memory) word(at uint64) uint64 {
	var b [8]byte
	if !m.read(b[:], at) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (m *memory) text(at uint64, n int) string {
	b := make([]byte, n)
	if !m.read(b, at) {
		return ""
	}
	return string(b)
}

func (m *memory) areaOf(at uint64) *area {
	low, high := 0, len(m.areas)
	for low < high {
		mid := (low + high) / 2
		switch a := &m.areas[mid]; {
		case at < a.start:
			high = mid
		case at >= a.end:
			low = mid + 1
		default:
			return a
		}
	}
	return nil
}

func (m *memory) writable(at, size uint64) bool {
	a := m.areaOf(at)
	return a != nil && a.write && a.end-at >= size
}

// code gives the place of an instruction in the file that it is mapped from.
func (m *memory) code(at uint64) (Code, bool) {
	a := m.areaOf(at)
	if a == nil || !a.execute || a.path == "" {
		return Code{}, false
	}
	return Code{Path: a.path, Offset: at - a.start + a.offset}, true
}

// runtime looks for the interpreter in the executable and in libpython.
func (m *memory) runtime() (*runtime, error) {
	tried := map[string]bool{}
	for i := range m.areas {
		a := &m.areas[i]
		if a.path == "" || tried[a.path] || !strings.Contains(filepath.Base(a.path), "python") {
			continue
		}
		tried[a.path] = true
		if r, err := m.runtimeIn(a); err == nil {
			return r, nil
		} else if !errors.Is(err, ErrNotPython) {
			return nil, err
		}
	}
	return nil, ErrNotPython
}

// elfMax is how large a file may be whose symbols are read.
const elfMax = 256 << 20

// runtimeIn reads the dynamic symbols of the file of an area, the first one of that file.
func (m *memory) runtimeIn(a *area) (_ *runtime, err error) {
	defer func() {
		if p := recover(); p != nil { // the standard library's parser does not promise to stand hostile input
			err = fmt.Errorf("parse %s: %v", a.path, p)
		}
	}()
	// Without O_NONBLOCK a FIFO put in the place of the file would hold the caller.
	file, err := os.OpenFile(m.root+a.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the interpreter: %w", err)
	}
	defer file.Close() //nolint:errcheck // read only
	if s, err := file.Stat(); err != nil || !s.Mode().IsRegular() || s.Size() > elfMax {
		return nil, ErrNotPython
	}
	f, err := elf.NewFile(file)
	if err != nil || f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return nil, ErrNotPython
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, ErrNotPython
	}
	r := &runtime{memory: m}
	bias := uint64(0)
	if f.Type == elf.ET_DYN {
		bias = a.start - a.offset
	}
	for _, s := range symbols {
		at := bias + s.Value
		switch s.Name {
		case "_PyRuntime":
			r.start, r.size = at, s.Size
		case "PyDict_Type":
			r.dictType = at
		case "PyModule_Type":
			r.moduleType = at
		case "PyType_Type":
			r.typeType = at
		}
	}
	if r.start == 0 || r.dictType == 0 || r.moduleType == 0 || r.typeType == 0 {
		return nil, ErrNotPython
	}
	return r, nil
}
