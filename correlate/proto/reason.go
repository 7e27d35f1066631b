package proto

// Reason is the label under which an error is counted.
type Reason string

// Error is why bytes are no message. It is an index, so that an array [Errors]uint64 counts all of them.
type Error uint8

// All errors of all parsers.
const (
	ErrStartLine Error = iota // neither a request line nor a status line
	ErrVersion                // a start line of another major version
	ErrField                  // a field line without a proper name
	ErrNUL                    // a NUL in the head
	ErrTooLong                // the head is longer than MaxHead
	ErrCut                    // the start line of a cut head is not whole
	ErrLength                 // Content-Length is no number, or several that differ
	ErrCoding                 // a request whose last transfer coding is not chunked
	ErrFrame                  // a frame of HTTP/2 that is not what it says
	ErrBlock                  // a block of fields of HTTP/2 that can't be read
	ErrHello                  // the first TLS record is no hello
	Errors                    // how many there are
)

var errorTable = [Errors]struct {
	reason Reason
	text   string
}{
	ErrStartLine: {"start_line", "malformed start line"},
	ErrVersion:   {"version", "another version of the protocol"},
	ErrField:     {"field_name", "field line without a proper name"},
	ErrNUL:       {"nul", "NUL in the head"},
	ErrTooLong:   {"head_too_long", "head longer than 64 KiB"},
	ErrCut:       {"start_line_cut", "start line is not whole"},
	ErrLength:    {"content_length", "malformed or conflicting Content-Length"},
	ErrHello:     {"tls_hello", "the first TLS record holds no hello"},
	ErrCoding:    {"transfer_encoding", "last transfer coding of a request is not chunked"},
	ErrFrame:     {"frame", "malformed frame of HTTP/2"},
	ErrBlock:     {"header_block", "malformed block of fields"},
}

// Error gives a sentence for a person.
func (e Error) Error() string { return errorTable[e].text }

// Reason gives the label for a counter.
func (e Error) Reason() Reason { return errorTable[e].reason }
