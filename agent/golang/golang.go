// Package golang owns what weft must know of a Go program to read its goroutines from outside: where g is kept,
// where the fields are in this program's version, and where a request is handed to a pooled connection.
//
// Executables belong to strangers: every read is bounded in size and time, and what cannot be understood is an
// error, never a guess.
package golang

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// What Inspect and ReadBuild can say of an executable.
var (
	ErrNotGo   = errors.New("not a Go executable")
	ErrVersion = errors.New("the offsets of this Go version are not known")
)

// Offsets is what the kernel side needs to read goroutine ids of one executable.
type Offsets struct {
	Layout
	// TLS is the offset of g from the thread pointer on amd64. On arm64 it is 0: g is in register x28.
	TLS int64
	// RoundTrip is the offset in the file of net/http.(*persistConn).roundTrip, for an entry uprobe, 0 if the
	// program does not contain it. Its receiver is in the first register of Go's ABI: AX on amd64, R0 on arm64.
	RoundTrip uint64
}

// Build says which Go program a file holds, as its linker noted. All fields may be empty.
type Build struct {
	Version string // of the toolchain, such as go1.26.8
	Package string // import path of the main package; command-line-arguments for one built from files
	Module  string // path of the main module
}

// Limits on what is read of one executable.
const (
	buildBudget   = 8 << 20   // headers and build information
	inspectBudget = 512 << 20 // all that Inspect streams through, in windows of windowSize
	debugBudget   = 96 << 20  // debug information, unpacked, when the version is not in the table
)

// ReadBuild reads the build information of an executable: ErrNotGo if it is none of Go's; an empty Build if it
// is, but does not say which. It reads a few kilobytes and at most 8 MiB.
func ReadBuild(r io.ReaderAt) (b Build, err error) {
	defer recovered(&err)
	bounded := &budget{r: r, left: buildBudget}
	f, err := elf.NewFile(bounded)
	if err != nil {
		return Build{}, ErrNotGo
	}
	if f.Section(".go.buildinfo") == nil && f.Section(".gopclntab") == nil {
		return Build{}, ErrNotGo
	}
	info, err := buildinfo.Read(bounded)
	if err != nil {
		return Build{}, nil //nolint:nilerr // it is Go; what it was built from is not told
	}
	return Build{Version: info.GoVersion, Package: info.Path, Module: info.Main.Path}, nil
}

// Inspect reads from the executable at path what is needed to find the goroutines of its processes, and its Go
// version. The error is ErrNotGo, ErrVersion with the version's name, or says what could not be read.
// It streams through the line table, tens of megabytes of a large executable: not for the data path.
func Inspect(path string) (o Offsets, version string, err error) {
	defer recovered(&err)
	file, err := openRegular(path)
	if err != nil {
		return Offsets{}, "", err
	}
	defer file.Close() //nolint:errcheck // read only
	return inspect(file)
}

// openRegular opens an executable: ErrNotGo if it is no file.
func openRegular(path string) (*os.File, error) {
	// Without O_NONBLOCK a FIFO put in the place of an executable would hold the caller.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open executable: %w", err)
	}
	if s, err := file.Stat(); err != nil || !s.Mode().IsRegular() {
		file.Close() //nolint:errcheck // read only
		return nil, ErrNotGo
	}
	return file, nil
}

func inspect(r io.ReaderAt) (o Offsets, version string, err error) {
	defer recovered(&err)
	build, err := ReadBuild(r)
	if err != nil {
		return Offsets{}, "", err
	}
	im, err := open(r)
	if err != nil {
		return Offsets{}, build.Version, err
	}
	var minor int
	if o.Layout, minor, err = im.layout(build.Version); err != nil {
		return Offsets{}, build.Version, err
	}
	if im.file.Machine == elf.EM_X86_64 {
		if o.TLS, err = im.tls(minor, o.Text); err != nil {
			return Offsets{}, build.Version, fmt.Errorf("find g: %w", err)
		}
	}
	// A program without net/http, or one whose table cannot be read, still has goroutines.
	if address, err := im.function("net/http.(*persistConn).roundTrip", minor, o.Text); err == nil {
		o.RoundTrip, _ = im.offset(address, elf.PF_X)
	}
	return o, build.Version, nil
}

var versionPattern = regexp.MustCompile(`\bgo1\.([1-9][0-9]{0,3})`)

// layout takes the layout of a released version from the table, and of any other from the program's own debug
// information.
func (im *image) layout(version string) (Layout, int, error) {
	m := versionPattern.FindStringSubmatch(version)
	if m == nil {
		return Layout{}, 0, fmt.Errorf("%w: %.64q", ErrVersion, version)
	}
	minor, _ := strconv.Atoi(m[1])                   // at most four digits
	released := !strings.HasPrefix(version, "devel") // a build between two releases may have either's layout
	if released && minor >= oldest && minor <= newest {
		return layouts[minor-oldest], minor, nil
	}
	if minor < oldest {
		return Layout{}, minor, fmt.Errorf("%w: %.64q is older than go1.%d", ErrVersion, version, oldest)
	}
	l, err := im.debugLayout()
	if err != nil {
		return Layout{}, minor, fmt.Errorf("%w: %.64q is no release up to go1.%d, and %w", ErrVersion, version, newest, err)
	}
	// The hash is in no debug information. If it has changed, the connection is not recognised and no more.
	l.TCPConnHash = layouts[newest-oldest].TCPConnHash
	return l, minor, nil
}

// recovered turns a panic of the standard library's parsers, which do not promise to stand hostile input, into
// an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("parse executable: %v", p)
	}
}
