package golang

import (
	"debug/dwarf"
	"encoding/binary"
	"fmt"
)

// Layout says where the fields are that lead from a thread to its goroutine and from a pooled HTTP connection
// to its socket. All are byte offsets from the start of their struct; they are the same on amd64 and arm64.
type Layout struct {
	Goid       uint32 // runtime.g.goid, uint64
	ParentGoid uint32 // runtime.g.parentGoid, uint64; only with HasParent
	HasParent  bool   // Go 1.21 and later
	M          uint32 // runtime.g.m, *runtime.m
	CurG       uint32 // runtime.m.curg, *runtime.g: the user's goroutine while g is g0

	// What leads from a channel to the goroutine that waits to receive from it; all 0 if one of them is not known.
	Stack     uint32 // runtime.g.stack, its lowest address, then its highest
	Sched     uint32 // runtime.g.sched, which begins with the stack pointer of one that does not run
	Waiting   uint32 // runtime.g.waiting, *runtime.sudog: what it waits for on channels
	Receivers uint32 // runtime.hchan.recvq, which begins with a *runtime.sudog
	SudogG    uint32 // runtime.sudog.g, *runtime.g
	SudogNext uint32 // runtime.sudog.next, *runtime.sudog: the next one in the channel's queue
	SudogChan uint32 // runtime.sudog.c, *runtime.hchan

	// From a thread to the goroutine that the one which runs there has made ready last; both 0 if one of them is not known.
	P       uint32 // runtime.m.p, *runtime.p
	RunNext uint32 // runtime.p.runnext, *runtime.g

	ConnOffset     uint32 // net/http.persistConn.conn, a net.Conn: itab pointer, then data pointer
	TLSStateOffset uint32 // net/http.persistConn.tlsState, *tls.ConnectionState: nil on a plain connection
	FDOffset       uint32 // net.TCPConn.conn.fd, *net.netFD
	SysfdOffset    uint32 // net.netFD.pfd.Sysfd, int
	ITabHash       uint32 // hash of the dynamic type in an itab, uint32
	// TCPConnHash is the value at ITabHash when the interface holds a *net.TCPConn. A dialer may return any
	// net.Conn, so FDOffset means nothing before this was compared.
	TCPConnHash uint32

	Text uint32 // runtime.moduledata.text: the address from which .gopclntab counts
}

// A field is one member that ReadLayout looks for.
type field struct {
	record, member string
	into           func(*Layout) *uint32
}

var fields = [...]field{
	{"runtime.g", "goid", func(l *Layout) *uint32 { return &l.Goid }},
	{"runtime.g", "parentGoid", func(l *Layout) *uint32 { return &l.ParentGoid }},
	{"runtime.g", "m", func(l *Layout) *uint32 { return &l.M }},
	{"runtime.g", "stack", func(l *Layout) *uint32 { return &l.Stack }},
	{"runtime.g", "sched", func(l *Layout) *uint32 { return &l.Sched }},
	{"runtime.g", "waiting", func(l *Layout) *uint32 { return &l.Waiting }},
	{"runtime.hchan", "recvq", func(l *Layout) *uint32 { return &l.Receivers }},
	{"runtime.sudog", "g", func(l *Layout) *uint32 { return &l.SudogG }},
	{"runtime.sudog", "next", func(l *Layout) *uint32 { return &l.SudogNext }},
	// Since Go 1.26 it is a struct, and what is always set is not its first word; that is added when it is known.
	{"runtime.sudog", "c", func(l *Layout) *uint32 { return &l.SudogChan }},
	{"runtime.m", "p", func(l *Layout) *uint32 { return &l.P }},
	{"runtime.p", "runnext", func(l *Layout) *uint32 { return &l.RunNext }},
	{"runtime.m", "curg", func(l *Layout) *uint32 { return &l.CurG }},
	{"runtime.moduledata", "text", func(l *Layout) *uint32 { return &l.Text }},
	{"runtime.itab", "hash", func(l *Layout) *uint32 { return &l.ITabHash }},
	{"internal/abi.ITab", "Hash", func(l *Layout) *uint32 { return &l.ITabHash }}, // its name since Go 1.22
	{"net/http.persistConn", "conn", func(l *Layout) *uint32 { return &l.ConnOffset }},
	{"net/http.persistConn", "tlsState", func(l *Layout) *uint32 { return &l.TLSStateOffset }},
	{"net.conn", "fd", func(l *Layout) *uint32 { return &l.FDOffset }}, // net.TCPConn embeds it, at 0
	// The place of pfd in netFD; that of Sysfd inside is added when both are known.
	{"net.netFD", "pfd", func(l *Layout) *uint32 { return &l.SysfdOffset }},
}

// ReadLayout reads a layout from a program's own debug information; TCPConnHash is not in it and stays 0.
// It reports an error if the fields of the runtime are not all there; the offsets of net and net/http are 0 in
// a program without them, and the second result is then false.
func ReadLayout(d *dwarf.Data) (Layout, bool, error) {
	found := map[string]uint32{}
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			return Layout{}, false, fmt.Errorf("read debug information: %w", err)
		}
		if e == nil {
			break
		}
		switch {
		case e.Tag == dwarf.TagStructType:
			name, _ := e.Val(dwarf.AttrName).(string)
			if err := readMembers(r, e, name, found); err != nil {
				return Layout{}, false, fmt.Errorf("read debug information of %s: %w", name, err)
			}
		case e.Tag != dwarf.TagCompileUnit:
			r.SkipChildren()
		}
	}
	return compose(found)
}

// readMembers notes the offsets of the members of one struct, as "struct.member".
func readMembers(r *dwarf.Reader, e *dwarf.Entry, name string, found map[string]uint32) error {
	if !wanted(name) || !e.Children {
		r.SkipChildren()
		return nil
	}
	for {
		m, err := r.Next()
		if err != nil || m == nil || m.Tag == 0 {
			return err
		}
		member, _ := m.Val(dwarf.AttrName).(string)
		if at, ok := location(m.Val(dwarf.AttrDataMemberLoc)); ok && len(found) < 1<<12 {
			found[name+"."+member] = at
		}
		r.SkipChildren()
	}
}

// location reads a member's offset: a constant, or the expression DW_OP_plus_uconst that linkers up to Go 1.2x write.
func location(v any) (uint32, bool) {
	switch v := v.(type) {
	case int64:
		return uint32(v), v >= 0 && v < 1<<20
	case []byte:
		if len(v) < 2 || v[0] != 0x23 {
			return 0, false
		}
		at, n := binary.Uvarint(v[1:])
		return uint32(at), n > 0 && at < 1<<20
	}
	return 0, false
}

func wanted(name string) bool {
	if name == "internal/poll.FD" || name == "net.TCPConn" || name == "runtime.maybeTraceablePtr" {
		return true
	}
	for i := range fields {
		if fields[i].record == name {
			return true
		}
	}
	return false
}

func compose(found map[string]uint32) (l Layout, http bool, err error) {
	for i := range fields {
		f := &fields[i]
		if at, ok := found[f.record+"."+f.member]; ok {
			*f.into(&l) = at
		}
	}
	_, l.HasParent = found["runtime.g.parentGoid"]
	for _, name := range [...]string{"runtime.g.goid", "runtime.g.m", "runtime.m.curg", "runtime.moduledata.text"} {
		if _, ok := found[name]; !ok {
			return Layout{}, false, fmt.Errorf("debug information has no %s", name)
		}
	}
	http = true
	for _, name := range [...]string{"net/http.persistConn.conn", "net/http.persistConn.tlsState", "net.conn.fd",
		"net.netFD.pfd", "internal/poll.FD.Sysfd"} {
		_, ok := found[name]
		http = http && ok
	}
	l.SudogChan += found["runtime.maybeTraceablePtr.vu"]
	for _, name := range [...]string{"runtime.g.stack", "runtime.g.sched", "runtime.g.waiting", "runtime.hchan.recvq", "runtime.sudog.c"} {
		if _, ok := found[name]; !ok {
			l.Stack, l.Sched, l.Waiting, l.Receivers, l.SudogG, l.SudogNext, l.SudogChan = 0, 0, 0, 0, 0, 0, 0
		}
	}
	if l.P == 0 || l.RunNext == 0 {
		l.P, l.RunNext = 0, 0
	}
	l.SysfdOffset += found["internal/poll.FD.Sysfd"]
	l.FDOffset += found["net.TCPConn.conn"]
	return l, http, nil
}
