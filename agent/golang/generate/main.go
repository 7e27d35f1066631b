// Command generate writes offsets.go: it builds a program with each Go toolchain that weft knows, for both
// architectures, and reads the layout of the runtime's and net/http's structs from its debug information.
//
// The first and the last patch release of a minor version must agree, and so must amd64 and arm64; if they do
// not, it stops and says which do not.
//
//	go run ./agent/golang/generate -toolchain 1.19.8=/usr/lib/go-1.19/bin/go -o agent/golang/offsets.go
//
// With -grpc it writes grpc.go in the same way, from releases of google.golang.org/grpc.
//
// The other toolchains are downloaded by the go command, about 300 MB each.
package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"weft/agent/golang"
)

// releases are the first and last patch release known of each minor version, without the leading "go1.". The
// module proxy has no 1.19: it is given by -toolchain.
var releases = map[int][]string{
	18: {"18", "18.10"},
	19: {"19.8"},
	20: {"20", "20.14"},
	21: {"21.0", "21.13"},
	22: {"22.0", "22.12"},
	23: {"23.0", "23.12"},
	24: {"24.0", "24.13"},
	25: {"25.0", "25.5"},
	26: {"26.0", "26.8"},
	27: {"27.0", "27.4"},
}

const oldest, newest = 18, 27

// program is what is built: everything that is looked up must be reachable from it. It prints the hash of
// *net.TCPConn from an itab, at the offset given as its argument.
const program = `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"unsafe"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Println(http.Get("http://127.0.0.1:1/"))
		return
	}
	var c net.Conn = new(net.TCPConn)
	offset, _ := strconv.Atoi(os.Args[1])
	fmt.Print(*(*uint32)(unsafe.Pointer(*(*uintptr)(unsafe.Pointer(&c)) + uintptr(offset))))
}
`

// toolchains are the go commands given by -toolchain, by release.
type toolchains map[string]string

func (t toolchains) String() string { return "" }

// Set takes 1.19.8=/path/to/go.
func (t toolchains) Set(s string) error {
	release, path, ok := strings.Cut(s, "=")
	if !ok || !strings.HasPrefix(release, "1.") {
		return errors.New("want RELEASE=PATH, such as 1.19.8=/usr/lib/go-1.19/bin/go")
	}
	t[strings.TrimPrefix(release, "1.")] = path
	return nil
}

func main() {
	log.SetFlags(0)
	given := toolchains{}
	out := flag.String("o", "offsets.go", "the file to write")
	flag.Var(given, "toolchain", "`RELEASE=PATH` of a go command that cannot be downloaded")
	grpc := flag.String("grpc", "", "write the layouts of google.golang.org/grpc to this file instead")
	flag.Parse()
	if *grpc != "" {
		if err := runGRPC(*grpc); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(*out, given); err != nil {
		log.Fatal(err)
	}
}

func run(out string, given toolchains) error {
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in the temporary folder harms nobody
	var rows [newest + 1]golang.Layout
	for minor := oldest; minor <= newest; minor++ {
		if rows[minor], err = measure(dir, releases[minor], given); err != nil {
			return fmt.Errorf("go1.%d: %w", minor, err)
		}
	}
	return write(out, rows[:])
}

var other = map[string]string{"amd64": "arm64", "arm64": "amd64"}

// measure gives the layout on which all releases and architectures agree.
func measure(dir string, of []string, given toolchains) (golang.Layout, error) {
	var first golang.Layout
	for _, release := range of {
		var same uint32
		for _, arch := range []string{runtime.GOARCH, other[runtime.GOARCH]} {
			l, err := build(dir, release, arch, given)
			if err == nil && arch == runtime.GOARCH {
				same, err = hash(filepath.Join(dir, "program"), l)
			}
			if err != nil {
				return l, fmt.Errorf("1.%s %s: %w", release, arch, err)
			}
			l.TCPConnHash = same
			log.Printf("1.%s %s: %+v", release, arch, l)
			if first == (golang.Layout{}) {
				first = l
			}
			if l != first {
				return l, fmt.Errorf("1.%s %s differs from what came before: %+v", release, arch, first)
			}
		}
	}
	return first, nil
}

func build(dir, release, arch string, given toolchains) (golang.Layout, error) {
	exe := filepath.Join(dir, "program")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		return golang.Layout{}, fmt.Errorf("write the program: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/program\n\ngo 1.18\n"), 0o600); err != nil {
		return golang.Layout{}, fmt.Errorf("write the program: %w", err)
	}
	command, toolchain := "go", "go1."+release
	if path, ok := given[release]; ok {
		command, toolchain = path, "local"
	}
	c := exec.Command(command, "build", "-o", exe, ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if text, err := c.CombinedOutput(); err != nil {
		return golang.Layout{}, fmt.Errorf("build: %w\n%s", err, text)
	}
	return read(exe)
}

func read(exe string) (golang.Layout, error) {
	f, err := elf.Open(exe)
	if err != nil {
		return golang.Layout{}, fmt.Errorf("open what was built: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	d, err := f.DWARF()
	if err != nil {
		return golang.Layout{}, fmt.Errorf("open debug information: %w", err)
	}
	l, http, err := golang.ReadLayout(d)
	if err != nil {
		return l, err
	}
	if !http {
		return l, errors.New("debug information lacks fields of net or net/http")
	}
	return l, nil
}

// hash asks the program for the hash of *net.TCPConn. It is computed from the type's name alone, so what one
// architecture says holds for the other.
func hash(exe string, l golang.Layout) (uint32, error) {
	out, err := exec.Command(exe, fmt.Sprint(l.ITabHash)).Output()
	if err != nil {
		return 0, fmt.Errorf("run what was built: %w", err)
	}
	v, err := strconv.ParseUint(string(out), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read the hash: %w", err)
	}
	return uint32(v), nil
}

func write(out string, rows []golang.Layout) error {
	var b bytes.Buffer
	b.WriteString("// Code generated by weft/agent/golang/generate from the debug information of real toolchains. DO NOT EDIT.\n" +
		"//\n// To repeat it: go run ./agent/golang/generate -toolchain 1.19.8=/usr/lib/go-1.19/bin/go -o agent/golang/offsets.go\n" +
		"// Measured on amd64 and arm64 with")
	for minor := oldest; minor <= newest; minor++ {
		fmt.Fprintf(&b, " 1.%s", strings.Join(releases[minor], " 1."))
	}
	fmt.Fprintf(&b, ".\n\npackage golang\n\nconst oldest, newest = %d, %d // minor versions\n\n", oldest, newest)
	b.WriteString("// layouts are indexed by minor version - oldest.\nvar layouts = [newest - oldest + 1]Layout{\n")
	for minor := oldest; minor <= newest; minor++ {
		fmt.Fprintf(&b, "\t%d - oldest: %s,\n", minor, strings.TrimPrefix(fmt.Sprintf("%#v", rows[minor]), "golang.Layout"))
	}
	b.WriteString("}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if err := os.WriteFile(out, text, 0o644); err != nil { //nolint:gosec // a source file
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}
