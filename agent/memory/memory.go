// Package memory owns the reading of another process's memory. It belongs to strangers: every read is bounded, and so is what is
// read in all.
package memory

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Memory is the memory of a process, and what it is mapped from.
type Memory struct {
	From  io.ReaderAt
	Root  string // of the file system that the process sees
	Areas []Area // by address
	Left  int    // bytes that may still be read
	file  io.Closer
}

// Area is one line of /proc/PID/maps.
type Area struct {
	Start, End, Offset uint64
	Write, Execute     bool
	Path               string
}

// Bounds: of the bytes that are read of one process, of its areas, and of the size of a file whose symbols are read.
const (
	ReadMax  = 64 << 20
	areasMax = 1 << 16
	elfMax   = 256 << 20
)

// ErrNotELF says that a file is no 64-bit little-endian ELF file of a size that is read.
var ErrNotELF = errors.New("no ELF file that can be read")

// Open is for one look: Close it.
func Open(pid uint32) (*Memory, error) {
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
	return &Memory{From: mem, file: mem, Root: fmt.Sprintf("/proc/%d/root", pid), Areas: areas, Left: ReadMax}, nil
}

// Close gives the file back.
func (m *Memory) Close() { m.file.Close() }

// readAreas reads lines like "7f01-7f02 r-xp 00001000 08:01 1234 /usr/lib/x.so".
func readAreas(r io.Reader) (areas []Area, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(areas) < areasMax {
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		var a Area
		var bad [3]error
		a.Start, bad[0] = strconv.ParseUint(from, 16, 64)
		a.End, bad[1] = strconv.ParseUint(to, 16, 64)
		a.Offset, bad[2] = strconv.ParseUint(f[2], 16, 64)
		if err := errors.Join(bad[:]...); err != nil {
			return nil, fmt.Errorf("read the map of the process: %w", err)
		}
		a.Write, a.Execute = strings.Contains(f[1], "w"), strings.Contains(f[1], "x")
		if len(f) == 6 && f[5][0] == '/' {
			a.Path = f[5]
		}
		areas = append(areas, a)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the map of the process: %w", err)
	}
	return areas, nil
}

// Read fills b from an address; false if that is not mapped, or too much was read already.
func (m *Memory) Read(b []byte, at uint64) bool {
	if at > 1<<62 || m.Left < len(b) {
		return false
	}
	m.Left -= len(b)
	n, _ := m.From.ReadAt(b, int64(at))
	return n == len(b)
}

// Word gives the eight bytes at an address, 0 if they cannot be read.
func (m *Memory) Word(at uint64) uint64 {
	var b [8]byte
	if !m.Read(b[:], at) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

// Text gives n bytes, none if they cannot be read.
func (m *Memory) Text(at uint64, n int) string {
	b := make([]byte, n)
	if !m.Read(b, at) {
		return ""
	}
	return string(b)
}

// AreaOf gives the area that holds an address, nil if none does.
func (m *Memory) AreaOf(at uint64) *Area {
	low, high := 0, len(m.Areas)
	for low < high {
		mid := (low + high) / 2
		switch a := &m.Areas[mid]; {
		case at < a.Start:
			high = mid
		case at >= a.End:
			low = mid + 1
		default:
			return a
		}
	}
	return nil
}

// Writable tells whether so many bytes from an address on are in one writable area.
func (m *Memory) Writable(at, size uint64) bool {
	a := m.AreaOf(at)
	return a != nil && a.Write && a.End-at >= size
}

// ELF lets a file of the process be read. The error is ErrNotELF, or says what could not be done.
func (m *Memory) ELF(path string, read func(*elf.File) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // the standard library's parser does not promise to stand hostile input
			err = fmt.Errorf("parse %s: %v", path, p)
		}
	}()
	// Without O_NONBLOCK a FIFO put in the place of the file would hold the caller.
	file, err := os.OpenFile(m.Root+path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open a file of the process: %w", err)
	}
	defer file.Close() //nolint:errcheck // read only
	if s, err := file.Stat(); err != nil || !s.Mode().IsRegular() || s.Size() > elfMax {
		return ErrNotELF
	}
	f, err := elf.NewFile(file)
	if err != nil || f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return ErrNotELF
	}
	return read(f)
}
