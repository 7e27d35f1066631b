package process

import (
	"errors"
	"os"
	"syscall"

	"weft/agent/golang"
)

// An identity names the contents of a file without reading it.
type identity struct {
	device, inode  uint64
	size           int64
	seconds, nanos int64 // of the last change
}

// An executable is what one file says of itself. It is nil in the cache for one that is not Go's.
type executable struct {
	golang.Build
}

// maxExecutables bounds the cache; a node runs a few hundred different ones.
const maxExecutables = 4096

// executables remembers what was read of each file, so that a program that is started over and over is read once.
type executables map[identity]*executable

// read gives the Go build of the executable at path (/proc/PID/exe), nil if it is not Go's or cannot be read.
func (x executables) read(path string) *executable {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil || s.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil
	}
	id := identity{s.Dev, s.Ino, s.Size, s.Mtim.Sec, s.Mtim.Nsec}
	if e, ok := x[id]; ok {
		return e
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	build, err := golang.ReadBuild(f)
	if err != nil && !errors.Is(err, golang.ErrNotGo) {
		return nil // not understood this time; the file may be on its way
	}
	var e *executable
	if err == nil {
		e = &executable{build}
	}
	if len(x) >= maxExecutables {
		clear(x)
	}
	x[id] = e
	return e
}
