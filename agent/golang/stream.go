package golang

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Streams are the functions of a program that have a stream of HTTP/2 and the goroutine that works on it at hand, as offsets of the
// file; none that the program does not have. Their arguments are in the registers of Go's ABI, which all versions use that weft reads.
type Streams struct {
	// Handlers are those of net/http and golang.org/x/net/http2 that run the handler of a request: runHandler, at their entries.
	Handlers []uint64
	// Calls are those that write the head of a request: writeHeaders of their clients, at their entries.
	Calls []uint64
	// GRPC is the same of google.golang.org/grpc as Handlers, 0 if the program does not have it; Opens is where the function returns
	// that opens a stream for a call.
	GRPC  uint64
	Opens []uint64
	// Layout is what GRPC and Opens need; zero: not known.
	Layout GRPCLayout
}

// GRPCLayout says where the fields of google.golang.org/grpc/internal/transport are, in bytes from the start of their struct. What
// differs between patch releases is not in it: the kernel side looks for that itself.
type GRPCLayout struct {
	ID                     uint32 // number of a stream
	Behind                 bool   // it is in a struct that a pointer at 0 leads to
	ServerConn, ClientConn uint32 // net.Conn of the transport
}

// ServerCookie and ClientCookie tell the probes at GRPC and at Opens where the fields are, as bpf/handler.h reads it.
func (l *GRPCLayout) ServerCookie() uint64 {
	return l.cookie(l.ServerConn)
}

// ClientCookie is explained at ServerCookie.
func (l *GRPCLayout) ClientCookie() uint64 {
	return l.cookie(l.ClientConn)
}

func (l *GRPCLayout) cookie(conn uint32) uint64 {
	c := uint64(l.ID&0xffff) | uint64(conn&0xffff)<<32
	if l.Behind {
		c |= 1 << 48
	}
	return c
}

// The functions that InspectStreams looks for.
const (
	grpcHandler = "google.golang.org/grpc.(*Server).handleStream"
	grpcOpens   = "google.golang.org/grpc/internal/transport.(*http2Client).NewStream"
)

// The names of what runs a handler and of what writes the head of a request; the second ones are those of Go 1.27 and later.
var (
	handlers = []string{
		"net/http.(*http2serverConn).runHandler",
		"net/http/internal/http2.(*serverConn).runHandler",
		"golang.org/x/net/http2.(*serverConn).runHandler",
	}
	calls = []string{
		"net/http.(*http2ClientConn).writeHeaders",
		"net/http/internal/http2.(*ClientConn).writeHeaders",
		"golang.org/x/net/http2.(*ClientConn).writeHeaders",
	}
)

const grpcModule = "google.golang.org/grpc"

// InspectStreams finds them in the executable at path: ErrNotGo, ErrVersion with the version's name, or what could not be read.
// It streams through the line table once: not for the data path.
func InspectStreams(path string) (s Streams, err error) {
	defer recovered(&err)
	file, err := openRegular(path)
	if err != nil {
		return Streams{}, err
	}
	defer file.Close() //nolint:errcheck // read only
	return inspectStreams(file)
}

func inspectStreams(r io.ReaderAt) (s Streams, err error) {
	defer recovered(&err)
	build, err := ReadBuild(r)
	if err != nil {
		return Streams{}, err
	}
	im, err := open(r)
	if err != nil {
		return Streams{}, err
	}
	layout, minor, err := im.layout(build.Version)
	if err != nil {
		return Streams{}, err
	}
	found, err := im.functions(slices.Concat(handlers, calls, []string{grpcHandler, grpcOpens}), minor, layout.Text)
	if err != nil {
		return Streams{}, err
	}
	s.Handlers, s.Calls = im.entries(found, handlers), im.entries(found, calls)
	if len(s.Handlers)+len(s.Calls) == len(found) {
		return s, nil
	}
	if at := im.entries(found, []string{grpcHandler}); len(at) > 0 {
		s.GRPC = at[0]
	}
	if f, ok := found[grpcOpens]; ok {
		call, err := im.callIn(grpcOpens, f)
		if err != nil {
			return s, err
		}
		s.Opens = call.Returns
	}
	s.Layout, err = im.grpcLayout(moduleVersion(r, grpcModule))
	return s, err
}

// entries gives where those of the named functions begin that were found.
func (im *image) entries(found map[string]span, names []string) (at []uint64) {
	for _, name := range names {
		if f, ok := found[name]; ok {
			if offset, ok := im.offset(f.from, elf.PF_X); ok {
				at = append(at, offset)
			}
		}
	}
	return at
}

// moduleVersion gives the version of a module that is in a program, empty if the program does not tell.
func moduleVersion(r io.ReaderAt, module string) string {
	info, err := buildinfo.Read(&budget{r: r, left: buildBudget})
	if err != nil {
		return ""
	}
	for _, d := range info.Deps {
		switch {
		case d.Path != module:
		case d.Replace != nil && d.Replace.Path == module:
			return d.Replace.Version
		case d.Replace == nil:
			return d.Version
		}
	}
	return ""
}

// GRPCLayoutOf gives the layout of a released version, such as v1.83.2; false if it was not measured.
func GRPCLayoutOf(version string) (GRPCLayout, bool) {
	var minor, patch int
	if _, err := fmt.Sscanf(version, "v1.%d.%d", &minor, &patch); err != nil || minor > grpcNewest {
		return GRPCLayout{}, false
	}
	for i := len(grpcLayouts) - 1; i >= 0; i-- {
		if minor >= grpcLayouts[i].from {
			return grpcLayouts[i].GRPCLayout, true
		}
	}
	return GRPCLayout{}, false
}

// grpcLayout takes the layout of a released version from the table, and of any other from the program's own debug information.
func (im *image) grpcLayout(version string) (GRPCLayout, error) {
	if l, ok := GRPCLayoutOf(version); ok {
		return l, nil
	}
	d, err := im.debug()
	if err != nil {
		return GRPCLayout{}, fmt.Errorf("%s %.64q is none of v1.%d to v1.%d, and %w", grpcModule, version, grpcLayouts[0].from, grpcNewest, err)
	}
	return ReadGRPCLayout(d)
}

// span is the code of a function, in virtual addresses.
type span struct{ from, to uint64 }

// functions gives those of the named functions that the program has, in one pass over its line table.
func (im *image) functions(names []string, minor int, textField uint32) (map[string]span, error) {
	t, err := im.lines(minor, textField)
	if err != nil {
		return nil, err
	}
	at := make(map[uint32]string) // by where the line table has the name
	for _, name := range names {
		// From the name before it on: another package's path may end in the same.
		if found, ok := im.find(append(append([]byte{0}, name...), 0), t.names, t.units); ok {
			at[uint32(found+1-t.names)] = name
		}
	}
	found := make(map[string]span, len(at))
	index, records := window{r: im.r}, window{r: im.r}
	for i := uint64(0); i < t.count && len(found) < len(at); i++ {
		row := index.bytes(t.functions+i*8, 12) // behind the last one stands where it ends
		if row == nil {
			break
		}
		entry, next := binary.LittleEndian.Uint32(row), binary.LittleEndian.Uint32(row[8:])
		record := records.bytes(t.functions+uint64(binary.LittleEndian.Uint32(row[4:])), 8)
		if record == nil {
			break
		}
		if name, ok := at[binary.LittleEndian.Uint32(record[4:])]; ok && binary.LittleEndian.Uint32(record) == entry {
			found[name] = span{t.text + uint64(entry), t.text + uint64(next)}
		}
	}
	return found, nil
}
