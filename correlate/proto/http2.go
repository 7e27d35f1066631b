package proto

import (
	"bytes"
	"strconv"

	"weft/correlate/hpack"
)

// Block says what a block of fields of HTTP/2 is.
type Block uint8

// The kinds of blocks.
const (
	Trailers Block = iota // or a block whose first fields are not known
	RequestBlock
	ReplyBlock
)

// ReadBlock takes the fields of a block over into m, whose slices alias them. missing is how many more there were.
func ReadBlock(fields []hpack.Field, missing int, m *Message) Block {
	*m = Message{Major: 2, Fields: m.Fields[:0], Dropped: missing}
	kind := Trailers
	for i := range fields {
		f := &fields[i]
		if len(f.Name) == 0 || f.Name[0] != ':' {
			m.add(f)
			continue
		}
		if kind == Trailers {
			kind = RequestBlock // any of them but :status
		}
		switch string(f.Name) {
		case ":method":
			m.Method = f.Value
		case ":path":
			m.Target = f.Value
		case ":authority":
			m.Host = f.Value
		case ":scheme":
			m.Secure = string(f.Value) == "https"
		case ":status":
			if kind = Trailers; len(f.Value) > 0 {
				m.Status = readStatus(f.Value)
			}
			if m.Status != 0 {
				kind = ReplyBlock
			}
		}
	}
	m.Request = kind == RequestBlock
	m.Informational = kind == ReplyBlock && m.Status < 200
	return kind
}

// add takes over a field that is not about the message itself.
func (m *Message) add(f *hpack.Field) {
	m.Fields = append(m.Fields, Field(*f))
	switch string(f.Name) {
	case "host":
		if len(m.Host) == 0 {
			m.Host = f.Value
		}
	case "user-agent":
		m.UserAgent = f.Value
	case "content-type":
		m.contentType, m.Events = uint16(len(m.Fields)), isEvents(f.Value)
	case "grpc-status":
		m.grpcStatus = uint16(len(m.Fields))
	case "grpc-timeout":
		m.grpcTimeout = uint16(len(m.Fields))
	}
}

// value gives that of one of Fields, by its number from 1; nil for 0.
func (m *Message) value(number uint16) []byte {
	if number == 0 {
		return nil
	}
	return m.Fields[number-1].Value
}

func readStatus(b []byte) uint16 {
	n, err := strconv.ParseUint(string(b), 10, 16)
	if err != nil || n < 100 || n > 999 {
		return 0
	}
	return uint16(n)
}

// AppendHead appends the head of HTTP/1 that says the same as a request of HTTP/2, for those who read heads. It ends where
// dst has no more room.
func (m *Message) AppendHead(dst []byte) []byte {
	for _, part := range [...][]byte{m.Method, space, m.Target, version2, hostName, m.Host, lineEnd} {
		dst = appendRoom(dst, part)
	}
	for i := range m.Fields {
		for _, part := range [...][]byte{m.Fields[i].Name, colon, m.Fields[i].Value, lineEnd} {
			dst = appendRoom(dst, part)
		}
	}
	return appendRoom(dst, lineEnd)
}

var (
	space    = []byte(" ")
	version2 = []byte(" HTTP/2.0\r\n")
	hostName = []byte("host: ")
	colon    = []byte(": ")
	lineEnd  = []byte("\r\n")
)

func appendRoom(dst, part []byte) []byte {
	return append(dst, part[:min(len(part), cap(dst)-len(dst))]...)
}

// RPC is a way of calling procedures over HTTP.
type RPC uint8

// The ways that are told apart by the type of a request's content.
const (
	NoRPC   RPC = iota
	GRPC        // application/grpc
	GRPCWeb     // application/grpc-web: its trailers may stand in the body
	Connect     // application/connect+...: its errors stand in the body
)

// RPC tells how the message calls a procedure.
func (m *Message) RPC() RPC {
	rest, ok := bytes.CutPrefix(m.value(m.contentType), []byte("application/"))
	switch {
	case !ok:
		return NoRPC
	case bytes.HasPrefix(rest, []byte("grpc-web")):
		return GRPCWeb
	case bytes.HasPrefix(rest, []byte("grpc")) && (len(rest) == 4 || rest[4] == '+' || rest[4] == ';'):
		return GRPC
	case bytes.HasPrefix(rest, []byte("connect+")):
		return Connect
	}
	return NoRPC
}

// RPCStatus gives the status of a call that the message tells: https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
func (m *Message) RPCStatus() (code uint32, ok bool) {
	value := m.value(m.grpcStatus)
	if len(value) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(value), 10, 31)
	return uint32(n), err == nil
}

// timeoutUnits are those of grpc-timeout, in ns.
var timeoutUnits = map[byte]uint64{'H': 3600e9, 'M': 60e9, 'S': 1e9, 'm': 1e6, 'u': 1e3, 'n': 1}

// Timeout gives the time in ns that the caller gives a call, 0 if it says nothing:
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
func (m *Message) Timeout() uint64 {
	const digitsMax = 8
	value := m.value(m.grpcTimeout)
	last := len(value) - 1
	if last < 1 || last > digitsMax {
		return 0
	}
	n, err := strconv.ParseUint(string(value[:last]), 10, 32)
	if err != nil {
		return 0
	}
	return n * timeoutUnits[value[last]]
}

// StatusOfReset gives the status of a call whose stream was reset with an error code of HTTP/2, as gRPC maps it.
func StatusOfReset(code uint32) uint32 {
	const refused, cancelled, calm, insecure = 7, 8, 11, 12
	switch code {
	case refused:
		return 14 // UNAVAILABLE
	case cancelled:
		return 1 // CANCELLED
	case calm:
		return 8 // RESOURCE_EXHAUSTED
	case insecure:
		return 7 // PERMISSION_DENIED
	}
	return 13 // INTERNAL
}
