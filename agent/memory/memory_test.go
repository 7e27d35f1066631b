package memory

import (
	"strings"
	"testing"
)

func TestReadAreas(t *testing.T) {
	areas, err := readAreas(strings.NewReader("7f01000-7f02000 r-xp 00001000 08:01 1234  /usr/lib/x.so\n7f03000-7f04000 rw-p 00000000 00:00 0  [heap]\n\n"))
	if err != nil || len(areas) != 2 {
		t.Fatal(areas, err)
	}
	m := &Memory{Areas: areas}
	if a := m.AreaOf(0x7f01010); a == nil || *a != (Area{Start: 0x7f01000, End: 0x7f02000, Offset: 0x1000, Execute: true, Path: "/usr/lib/x.so"}) {
		t.Errorf("area %+v", a)
	}
	if a := m.AreaOf(0x7f03010); a == nil || a.Path != "" || !m.Writable(0x7f03010, 8) || m.Writable(0x7f03ff9, 8) || m.Writable(0x7f01010, 8) || m.AreaOf(0x7f02000) != nil {
		t.Error("areas are taken for others")
	}
	if _, err := readAreas(strings.NewReader("x-7f02000 r-xp 00001000 08:01 1234 /usr/lib/x.so\n")); err == nil {
		t.Error("no error for a malformed line")
	}
}
