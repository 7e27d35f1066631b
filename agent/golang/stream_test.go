package golang

import "testing"

// serving is a program with both ends of HTTP/2.
const serving = `package main

import "net/http"

func main() {
	go http.ListenAndServeTLS("", "", "", nil)
	http.Get("https://127.0.0.1:1/")
}
`

// TestInspectStreams finds the functions of net/http in programs with and without symbols.
func TestInspectStreams(t *testing.T) {
	names := [...]string{"net/http.(*http2serverConn).runHandler", "net/http.(*http2ClientConn).writeHeaders"}
	later := [...]string{"net/http/internal/http2.(*serverConn).runHandler", "net/http/internal/http2.(*ClientConn).writeHeaders"}
	for _, arch := range []string{"amd64", "arm64"} {
		for _, toolchain := range toolchains() {
			build := func(flags ...string) string {
				return buildIn(t, t.TempDir(), map[string]string{"main.go": serving}, toolchain, arch, false, flags...)
			}
			plain := build()
			symbols := symbolOffsets(t, plain)
			if symbols[names[0]] == 0 {
				names = later
			}
			for _, exe := range []string{plain, build("-ldflags=-s -w"), build("-ldflags=-s -w", "-buildmode=pie")} {
				s, err := InspectStreams(exe)
				if err != nil || len(s.Handlers) != 1 || len(s.Calls) != 1 || s.GRPC != 0 || len(s.Opens) != 0 {
					t.Fatalf("%s %s: %+v, %v", toolchain, arch, s, err)
				}
				if exe == plain && (s.Handlers[0] != symbols[names[0]] || s.Calls[0] != symbols[names[1]]) {
					t.Errorf("%s %s: %+v, want %#x and %#x", toolchain, arch, s, symbols[names[0]], symbols[names[1]])
				}
			}
		}
	}
}

func TestGRPCLayoutOf(t *testing.T) {
	for version, want := range map[string]string{
		"v1.59.9": "", "v1.60.0": "first", "v1.68.2": "first", "v1.69.0": "behind", "v1.76.0": "behind", "v1.77.0": "inside", "v1.83.2": "inside",
		"v1.84.0": "", "v2.0.0": "", "": "", "(devel)": "", "v1.70.0-dev": "behind",
	} {
		l, ok := GRPCLayoutOf(version)
		got := ""
		switch {
		case ok && l.Behind:
			got = "behind"
		case ok && l.ID == 0:
			got = "first"
		case ok:
			got = "inside"
		}
		if got != want {
			t.Errorf("%q: %s %+v, want %s", version, got, l, want)
		}
	}
}

// TestGRPCLayoutsAreInOrder: the last row that is not above a version is the one that holds for it.
func TestGRPCLayoutsAreInOrder(t *testing.T) {
	for i := range grpcLayouts[1:] {
		if grpcLayouts[i].from >= grpcLayouts[i+1].from || grpcLayouts[i].GRPCLayout == grpcLayouts[i+1].GRPCLayout {
			t.Errorf("rows %d and %d are not in order", i, i+1)
		}
	}
}
