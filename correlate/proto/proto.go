// Package proto owns the application protocols: it turns the first bytes of a message into a Message. Those of HTTP/2 come as
// frames, with the fields of a message in blocks, see hpack.
//
// A parser sees the head of a message only. Where its body ends is said by Framing and followed by others.
package proto

// Side says who sent the bytes.
type Side uint8

// The two ends of an exchange.
const (
	FromClient Side = iota
	FromServer
)

// Framing says how the end of a message's body is found.
type Framing uint8

// The framings of RFC 9112, section 6.
const (
	NoBody     Framing = iota
	Length             // Message.Length bytes follow
	Chunked            // chunks follow (RFC 9112, section 7.1); the kernel reads their sizes
	UntilClose         // everything up to the end of the connection
	Tunnel             // the connection changes its protocol after this message
)

// MaxFields is how many fields of a message are kept in Message.Fields.
const MaxFields = 512

// Field is one field line. Both parts alias the buffer that was parsed; a folded value keeps its line breaks.
type Field struct{ Name, Value []byte }

// Message is the head of one message. All slices but Fields alias the buffer that was parsed.
type Message struct {
	Request       bool
	Informational bool   // 1xx except 101: the final response is still to come
	Method        []byte // of a request: any token
	Target        []byte // of a request, as received: origin, absolute, authority or asterisk form
	Status        uint16 // of a response: 100 to 999
	Major         uint8  // 2: HTTP/2; 0: the version is 1.Minor
	Minor         uint8
	Secure        bool // of HTTP/2: the scheme is https
	Framing       Framing
	Length        uint64 // bytes of the body, with Framing Length
	Ambiguous     bool   // Transfer-Encoding beside Content-Length or in HTTP/1.0; Transfer-Encoding has won
	Close         bool   // the connection ends after this exchange: Connection: close, or HTTP/1.0 without keep-alive
	Upgrade       bool   // a request asks for another protocol
	HeadCut       bool   // only a part of the head was there, see Cut
	Events        bool   // its body are server-sent events
	Host          []byte // of the first such field, like the next
	UserAgent     []byte
	Connection    []byte  // the same: it names the fields that are for the next hop only
	Fields        []Field // in order, at most MaxFields; the slice is used again by the next call
	Dropped       int     // fields beyond MaxFields; the fields named above are read all the same. Of HTTP/2: those not known

	// Of HTTP/2: which of Fields these are, from 1; 0: none.
	contentType, grpcStatus, grpcTimeout uint16
}

// Parser reads the messages of one protocol.
type Parser interface {
	// Next reads the head at the start of buf into m, with the contract of bufio.SplitFunc: n is the length of
	// the head; n == 0 and a nil error ask for more bytes. Errors are of type Error, are final for this
	// position of the stream, and come with n == 0. The contents of m count only with n > 0.
	Next(from Side, buf []byte, m *Message) (n int, err error)
	// Cut reads what is there of a head whose rest was not copied: the start line must be whole, and of the
	// fields only whole lines count. Without a seen length the framing of a response is UntilClose.
	Cut(from Side, buf []byte, m *Message) error
}

// Row is one protocol.
type Row struct {
	Name string
	// Looks tells cheaply whether the bytes can be the start of a message; an empty buf cannot.
	Looks  func(from Side, buf []byte) bool
	Parser Parser
}

// Protocols are all the protocols that weft reads, in the order in which they are tried.
var Protocols = [...]Row{
	{Name: "http/1", Looks: looksHTTP1, Parser: HTTP1{}},
}

// ForEach calls visit with the value of every kept field of that name, in order. The name is in lower case.
func (m *Message) ForEach(name string, visit func(value []byte)) {
	for i := range m.Fields {
		if equalFold(m.Fields[i].Name, name) {
			visit(m.Fields[i].Value)
		}
	}
}

// isEvents tells whether a type of content is that of server-sent events.
func isEvents(value []byte) bool {
	const events = "text/event-stream"
	if len(value) < len(events) || !equalFold(value[:len(events)], events) {
		return false
	}
	return len(value) == len(events) || classes[value[len(events)]]&inToken == 0
}

// equalFold compares ASCII without regard to case; lower has no upper-case letter.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c != lower[i] && (c|0x20 != lower[i] || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
