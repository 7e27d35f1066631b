package agent

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"weft/agent/golang"
	"weft/agent/library"
)

// Unreadable is a process that was seen to speak TLS which weft cannot read.
type Unreadable struct {
	PID        uint32
	Executable string
	Reason     string
}

// unreadableMax bounds the processes that are remembered as such.
const unreadableMax = 256

// unreadables is the list of them; it may be asked for beside the scout.
type unreadables struct {
	mu     sync.Mutex
	byPID  map[uint32]Unreadable
	missed int // for want of room
}

func (u *unreadables) note(pid uint32, why string) {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return // gone already
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byPID == nil {
		u.byPID = make(map[uint32]Unreadable)
	}
	if _, known := u.byPID[pid]; !known && len(u.byPID) >= unreadableMax {
		u.missed++
		return
	}
	u.byPID[pid] = Unreadable{PID: pid, Executable: name, Reason: why}
}

func (u *unreadables) forget(pid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byPID, pid)
}

// Unreadable lists the processes whose TLS cannot be read, by process id.
func (a *Agent) Unreadable() []Unreadable {
	a.guard.mu.Lock()
	u := &a.scout.unreadable
	a.guard.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	list := make([]Unreadable, 0, len(u.byPID))
	for _, one := range u.byPID {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Unreadable) int { return cmp.Compare(a.PID, b.PID) })
	return list
}

// elsewhere are the signs of TLS that passes through no function weft knows, by what is in the names of mapped files.
var elsewhere = []struct{ file, reason string }{
	{"/libjvm.so", "Java's own TLS (JSSE), which the JVM compiles while it runs"},
	{"/libmbedtls", "the library is Mbed TLS"},
	{"/libwolfssl", "the library is wolfSSL"},
	{"/libcoreclr.so", "no OpenSSL is loaded by .NET yet"},
}

// why says why the TLS of a process can't be read.
func (l *libraries) why(pid uint32) string {
	for _, p := range l.users[pid].files {
		if p.failed != nil {
			return p.failed.Error()
		}
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err == nil {
		for _, sign := range elsewhere {
			if strings.Contains(string(maps), sign.file) {
				return sign.reason
			}
		}
	}
	if _, err := golang.InspectTLS(fmt.Sprintf("/proc/%d/exe", pid)); !errors.Is(err, golang.ErrNotGo) {
		return "a Go program without crypto/tls"
	}
	if version := library.Rustls(fmt.Sprintf("/proc/%d/exe", pid)); version != "" {
		return "rustls " + version + " is inside of the program, whose symbols were stripped"
	}
	return "no function of OpenSSL, BoringSSL, GnuTLS or rustls is in what it has loaded, or it has no symbols"
}
