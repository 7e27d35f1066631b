package process

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxRead bounds what is read of any one file of /proc or of a traced program.
const maxRead = 64 << 10

// A proc is the folder /proc/PID of one process.
type proc string

func (t *Table) proc(pid uint32) proc {
	return proc(filepath.Join(t.options.Proc, strconv.FormatUint(uint64(pid), 10)))
}

// read gives the first 64 KiB of a file of the folder, nil if it cannot be read.
func (p proc) read(name string) []byte {
	return readBounded(string(p) + "/" + name)
}

// readBounded reads a regular file without ever waiting for a writer, as it would on a FIFO in its place.
func readBounded(path string) []byte {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	if s, err := f.Stat(); err != nil || !s.Mode().IsRegular() {
		return nil
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, maxRead)); err != nil && b.Len() == 0 {
		return nil
	}
	return b.Bytes()
}

// link gives the target of a symbolic link of the folder, empty if it cannot be read.
func (p proc) link(name string) string {
	target, err := os.Readlink(string(p) + "/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(target, " (deleted)")
}

// content gives the first 64 KiB of a file as the process sees it, in its own mount namespace. Symbolic links of
// the process are resolved in weft's own root, so only paths without one inside the package are read: the last
// element must not be a link.
func (p proc) content(path string) []byte {
	full := string(p) + "/root" + filepath.Clean("/"+path)
	if s, err := os.Lstat(full); err != nil || !s.Mode().IsRegular() {
		return nil
	}
	return readBounded(full)
}

// group gives the thread group of a thread and its name from the status file; 0 if it is gone.
func (p proc) group() (pid uint32, comm string) {
	for line := range bytes.Lines(p.read("status")) {
		k, v, _ := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte{':', '\t'})
		switch string(k) {
		case "Name":
			comm = string(v)
		case "Tgid":
			n, err := strconv.ParseUint(string(v), 10, 32)
			if err != nil {
				return 0, ""
			}
			return uint32(n), comm
		}
	}
	return 0, ""
}
