package agent

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/agent/library"
	"weft/bpf"
)

// libraries puts probes on the TLS libraries that processes run, once for each file: a probe holds for every process that maps the
// file, and which of them are traced is decided in the kernel as for sockets. It belongs to the scout's goroutine.
type libraries struct {
	kernel *kernel
	log    *slog.Logger
	files  map[library.File]*probed
	users  map[uint32]user
	swept  time.Time // sessions
	idle   []*probed // with probes and without users, oldest first
}

// user is a process as it was when it was last looked at.
type user struct {
	files   []*probed
	every   bool      // all of its files were looked at
	next    time.Time // when it may be looked at again for a session that it begins
	due     bool      // it will be
	greeted bool      // it was, for the first one
}

// probed is one file that was looked at.
type probed struct {
	file   library.File
	name   string      // by which it may be found again
	links  []link.Link // none: there is nothing in it, or it could not be had
	users  int
	lasts  bool  // stays without users
	rests  bool  // is idle
	deep   bool  // its code was searched, not only its symbols
	nspr   bool  // it is read only in processes that have a file which layers NSS
	nss    bool  // it does
	failed error // why it could not be had
}

// What is kept of files that no process uses: a program that runs for a moment is often run again, and finds its probes. A file that
// was deleted or replaced is let go at once, for a probe keeps its space from being freed.
const (
	probedMax = 1 << 10 // files that were looked at
	idleMax   = 32      // files with probes
)

func newLibraries(k *kernel, log *slog.Logger) *libraries {
	l := &libraries{kernel: k, log: log, files: make(map[library.File]*probed), users: make(map[uint32]user)}
	for _, m := range library.Usual() {
		l.file(m, false).lasts = true
	}
	return l
}

// look puts probes on what a process has mapped by now: on what looks like a TLS library by its name, or with every on what is one
// whatever it is called, and by its code where it has no symbols. It tells whether weft can read the TLS of the process.
func (l *libraries) look(pid uint32, every bool) bool {
	begun := time.Now()
	mappings, err := library.Mappings(pid, every)
	if err != nil {
		return false
	}
	pause := pauseAfter(time.Since(begun))
	var files []*probed
	for _, m := range mappings {
		p := l.file(m, every)
		p.users++
		files = append(files, p)
	}
	greeted := l.users[pid].greeted
	l.forget(pid)
	l.users[pid] = user{files: files, every: every, next: time.Now().Add(pause), greeted: greeted}
	return l.reads(pid)
}

// A process that goes on to begin sessions may have loaded a library since. Looking for it may take a thousandth of the time.
const (
	lookShare = 1000
	pauseMin  = 50 * time.Millisecond
	pauseMax  = time.Second
)

// pauseAfter is how long a process is left alone after its mappings were read in so long a time.
func pauseAfter(took time.Duration) time.Duration {
	return min(max(lookShare*took, pauseMin), pauseMax)
}

// barren tells whether there was nothing to be read in any file of a process a moment ago.
func (l *libraries) barren(pid uint32, now time.Time) bool {
	u := l.users[pid]
	return u.every && now.Before(u.next) && !l.reads(pid)
}

// follow looks for what a process that can be read has loaded since; at once when its first session begins. Where it is not time to, it
// gives when to ask again; 0: not at all.
func (l *libraries) follow(pid uint32, greeted bool) (again time.Duration) {
	u, known := l.users[pid]
	first := greeted && known && !u.greeted
	if first {
		u.greeted = true
		l.users[pid] = u
	}
	if again = time.Until(u.next); first || again <= 0 {
		l.look(pid, u.every)
		return 0
	}
	if !known || u.due {
		return 0
	}
	u.due = true
	l.users[pid] = u
	return again
}

// reads tells whether a library that the process runs has probes.
func (l *libraries) reads(pid uint32) bool {
	files := l.users[pid].files
	nss := slices.ContainsFunc(files, func(p *probed) bool { return p.nss })
	return slices.ContainsFunc(files, func(p *probed) bool { return len(p.links) > 0 && (nss || !p.nspr) })
}

// file gives what is known of a file, and looks at it if that was not done yet, or not deep enough.
func (l *libraries) file(m library.Mapping, deep bool) *probed {
	deep = deep || library.Suspect(m.Name)
	p := l.files[m.File]
	if p != nil {
		l.rouse(p)
		if !deep || p.deep || len(p.links) > 0 || p.failed != nil {
			return p
		}
	} else {
		p = &probed{file: m.File, name: m.Name}
		l.files[m.File] = p
	}
	p.deep = deep
	err := l.probe(p, m)
	switch {
	case errors.Is(err, os.ErrNotExist): // the process is gone
		delete(l.files, m.File)
	case err != nil && !errors.Is(err, library.ErrNone):
		p.failed = err
		l.log.Warn("what passes through a TLS library is not read", "file", m.Name, "reason", err)
	}
	return p
}

// probe puts what probes there are for a file on it.
func (l *libraries) probe(p *probed, m library.Mapping) error {
	calls, err := golang.InspectTLS(m.Path)
	if !errors.Is(err, golang.ErrNotGo) {
		if err == nil {
			p.links, err = l.kernel.probeGo(m.Path, calls)
		}
		return err
	}
	functions, err := library.Inspect(m.Path)
	if p.deep && errors.Is(err, library.ErrNone) {
		functions, err = library.Search(m.Path)
	}
	if err == nil {
		p.nspr, p.nss = functions.NSPR(), functions.LayersNSS()
		p.links, err = l.kernel.probeLibrary(m.Path, functions)
	}
	return err
}

func (l *libraries) forget(pid uint32) {
	for _, p := range l.users[pid].files {
		if p.users--; p.users == 0 && !p.lasts {
			l.rest(p)
		}
	}
	delete(l.users, pid)
}

// rest is told of a file that no process uses any more.
func (l *libraries) rest(p *probed) {
	switch {
	case len(p.links) == 0 && len(l.files) <= probedMax:
	case len(p.links) == 0 || !library.Stands(p.name, p.file):
		l.drop(p)
	default:
		p.rests = true
		l.idle = append(l.idle, p)
		if len(l.idle) > idleMax {
			l.drop(l.idle[0])
		}
	}
}

// rouse is told of a file that a process uses.
func (l *libraries) rouse(p *probed) {
	if p.rests {
		p.rests = false
		l.idle = slices.DeleteFunc(l.idle, func(o *probed) bool { return o == p })
	}
}

func (l *libraries) drop(p *probed) {
	l.rouse(p)
	takeOff(p.links...)
	delete(l.files, p.file)
}

// sweepEvery is how often sessions are looked for whose process has ended, or that were idle for idleSession and have neither a socket
// nor a function that ends them. A walk costs two system calls for each session.
const (
	sweepEvery  = time.Minute
	idleSession = 5 * time.Minute
)

// sweep forgets the sessions of processes that have ended.
func (l *libraries) sweep(now time.Time) {
	if l == nil || now.Before(l.swept.Add(sweepEvery)) {
		return
	}
	l.swept = now
	if _, err := bpf.SweepSessions(l.kernel.objects.Sessions, ended, bootTime()-min(bootTime(), uint64(idleSession))); err != nil {
		l.log.Warn("TLS sessions of processes that have ended are kept", "reason", err)
	}
}

// links are all that hold files.
func (l *libraries) links() (all []link.Link) {
	if l == nil {
		return nil
	}
	for _, p := range l.files {
		all = append(all, p.links...)
	}
	return all
}
