package golang

import (
	"debug/dwarf"
	"fmt"
)

const transportPackage = "google.golang.org/grpc/internal/transport."

// ReadGRPCLayout reads a layout from a program's own debug information. A program without the client or the server of
// google.golang.org/grpc has none.
func ReadGRPCLayout(d *dwarf.Data) (GRPCLayout, error) {
	f := structs{of: make(map[string][]member)}
	if err := f.read(d, func(name string) bool {
		switch name {
		case transportPackage + "Stream", transportPackage + "ServerStream", transportPackage + "http2Server", transportPackage + "http2Client":
			return true
		}
		return false
	}); err != nil {
		return GRPCLayout{}, err
	}
	var l GRPCLayout
	for _, m := range []struct {
		record, name string
		into         *uint32
	}{
		{"Stream", "id", &l.ID}, {"http2Server", "conn", &l.ServerConn}, {"http2Client", "conn", &l.ClientConn},
	} {
		found, ok := f.member(transportPackage+m.record, m.name)
		if !ok {
			return GRPCLayout{}, fmt.Errorf("debug information has no %s%s.%s", transportPackage, m.record, m.name)
		}
		*m.into = found.at
	}
	// Up to 1.68 one struct was that of both ends.
	if embedded, ok := f.member(transportPackage+"ServerStream", "Stream"); ok {
		if l.Behind = embedded.pointer; embedded.at != 0 {
			return GRPCLayout{}, fmt.Errorf("%sServerStream does not begin with Stream", transportPackage)
		}
	}
	return l, nil
}

// member is a field of a struct.
type member struct {
	name    string
	at      uint32
	pointer bool
}

// structs are what was found of some types in debug information.
type structs struct{ of map[string][]member }

// membersMax bounds the members that are kept of one struct.
const membersMax = 1 << 8

func (s *structs) member(record, name string) (member, bool) {
	for _, m := range s.of[record] {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}

// read keeps the members of the structs that are wanted.
func (s *structs) read(d *dwarf.Data, wanted func(name string) bool) error {
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			return fmt.Errorf("read debug information: %w", err)
		}
		if e == nil {
			return nil
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		switch {
		case e.Tag == dwarf.TagStructType && e.Children && wanted(name):
			if err := s.readStruct(d, r, name); err != nil {
				return fmt.Errorf("read debug information of %s: %w", name, err)
			}
		case e.Tag != dwarf.TagCompileUnit:
			r.SkipChildren()
		}
	}
}

func (s *structs) readStruct(d *dwarf.Data, r *dwarf.Reader, name string) error {
	var members []member
	for {
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e == nil || e.Tag == 0 {
			s.of[name] = members
			return nil
		}
		m := member{}
		m.name, _ = e.Val(dwarf.AttrName).(string)
		var ok bool
		if m.at, ok = location(e.Val(dwarf.AttrDataMemberLoc)); ok && len(members) < membersMax {
			m.pointer = isPointer(d, e)
			members = append(members, m)
		}
		r.SkipChildren()
	}
}

// isPointer looks at the type of a member.
func isPointer(d *dwarf.Data, e *dwarf.Entry) bool {
	at, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
	if !ok {
		return false
	}
	r := d.Reader()
	r.Seek(at)
	t, err := r.Next()
	return err == nil && t != nil && t.Tag == dwarf.TagPointerType
}
