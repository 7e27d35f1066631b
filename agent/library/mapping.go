package library

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// A File is one file, wherever it is mounted and whatever it is called. The number of one that is gone may be that of the next one, as of the
// libraries that a program unpacks in each of its processes, so it is not enough.
type File struct {
	Device, Number uint64
	Changed        int64 // when its contents were, in ns
	Size           int64
}

// A Mapping is a file that a process runs code of.
type Mapping struct {
	File
	Name string // as the process sees it
	Path string // by which weft can open it
}

// mapsMax bounds the lines that are read of the list of one process's mappings.
const mapsMax = 1 << 16

// filesMax bounds the files that are listed of one process.
const filesMax = 1 << 10

// Mappings lists the files of a process whose names look as if they could hold a TLS library, and its executable; with every, all files
// that it runs code of. An error means that the process is gone, or is not to be looked at.
func Mappings(pid uint32, every bool) ([]Mapping, error) {
	list, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("read mappings: %w", err)
	}
	defer list.Close() //nolint:errcheck // read only
	var found []Mapping
	if m, ok := locate(fmt.Sprintf("/proc/%d/exe", pid)); ok {
		m.Name, _ = os.Readlink(m.Path)
		found = append(found, m)
	}
	seen := map[string]bool{}
	lines := bufio.NewScanner(list)
	for n := 0; lines.Scan() && n < mapsMax && len(found) < filesMax; n++ {
		fields := strings.SplitN(lines.Text(), " ", 6)
		if len(fields) < 6 || len(fields[1]) < 3 || fields[1][2] != 'x' {
			continue
		}
		name := strings.TrimLeft(fields[5], " ")
		if seen[name] || !strings.HasPrefix(name, "/") || !every && !Suspect(name) {
			continue
		}
		seen[name] = true
		if m, ok := open(pid, fields[0], strings.TrimSuffix(name, " (deleted)")); ok {
			m.Name = name
			found = append(found, m)
		}
	}
	return found, nil
}

// signs are parts of the names of files that hold a TLS library: tcnative is Netty's BoringSSL, conscrypt Google's for Java, and cygrpc
// has gRPC's for Python; NSPR is how programs use NSS, and in some builds they are one file.
var signs = []string{"ssl", "tls", "tcnative", "conscrypt", "cygrpc", "nspr", "nss3"}

// Suspect tells whether a file may hold a TLS library, by its name.
func Suspect(name string) bool {
	base := strings.ToLower(path.Base(name))
	return slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(base, sign) })
}

// open finds a mapped file: by the mapping itself, which also works for a deleted file, else by its name in the mount namespace of
// the process.
func open(pid uint32, addresses, name string) (Mapping, bool) {
	if m, ok := locate(fmt.Sprintf("/proc/%d/map_files/%s", pid, addresses)); ok {
		return m, true
	}
	return locate(fmt.Sprintf("/proc/%d/root%s", pid, name))
}

func locate(path string) (Mapping, bool) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return Mapping{}, false
	}
	return Mapping{File: File{Device: st.Dev, Number: st.Ino, Changed: st.Mtim.Nano(), Size: st.Size}, Path: path}, true
}

// Stands tells whether a name still leads to the file, in weft's own mount namespace.
func Stands(name string, file File) bool {
	m, ok := locate(name)
	return ok && m.File == file
}

// usual are the places in which distributions keep the libraries that most programs use.
var usual = []string{"/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/lib"}

// usualNames are how the names of those libraries begin.
var usualNames = []string{"libssl.so", "libgnutls.so", "libnspr4.so"}

// Usual lists the libraries of this machine that a program is likely to load, so that they are known before it does.
func Usual() []Mapping {
	var found []Mapping
	for _, folder := range usual {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !slices.ContainsFunc(usualNames, func(name string) bool { return strings.HasPrefix(e.Name(), name) }) {
				continue
			}
			if m, ok := locate(path.Join(folder, e.Name())); ok {
				m.Name = m.Path
				found = append(found, m)
			}
		}
	}
	return found
}
