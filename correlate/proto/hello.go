package proto

import "encoding/binary"

// Hello is what the first message of a TLS handshake tells in clear: RFC 8446 section 4.1, RFC 5246 section 7.4.1.
type Hello struct {
	Client     bool   // a ClientHello, else a ServerHello
	Version    string // of a ServerHello: the version that was agreed on, as in tls.protocol.version
	ServerName string // of a ClientHello: RFC 6066 section 3
	Protocol   string // of a ServerHello: by ALPN, RFC 7301; TLS 1.3 hides it
	Offered    int    // of a ClientHello: protocols that it offers by ALPN
}

// What the numbers of the protocol mean.
const (
	recordHandshake   = 22
	clientHello       = 1
	serverHello       = 2
	extensionName     = 0
	extensionALPN     = 16
	extensionVersions = 43
	recordHeader      = 5
	nameMax           = 255 // bytes of a server name or protocol
)

// ParseHello reads the first record of one direction of a TLS connection, header included. It gives false without an error as long
// as bytes are missing. A hello that goes on in a second record is read as far as the first one goes.
func ParseHello(b []byte) (h Hello, whole bool, err error) {
	if len(b) > 0 && b[0] != recordHandshake || len(b) > 1 && b[1] != 3 {
		return Hello{}, false, ErrHello
	}
	if len(b) < recordHeader {
		return Hello{}, false, nil
	}
	length := int(binary.BigEndian.Uint16(b[3:]))
	if len(b) < recordHeader+length {
		return Hello{}, false, nil
	}
	r := bites{rest: b[recordHeader : recordHeader+length]}
	kind := r.number(1)
	r.rest = r.upTo(r.number(3))
	version := r.number(2)
	r.take(32) // random
	r.take(r.number(1))
	switch kind {
	case clientHello:
		h.Client = true
		r.take(r.number(2)) // cipher suites
		r.take(r.number(1)) // compression methods
	case serverHello:
		r.take(3)
		h.Version = versionName(version)
	default:
		return Hello{}, false, ErrHello
	}
	if r.bad {
		return Hello{}, false, ErrHello
	}
	extensions := bites{rest: r.upTo(r.number(2))}
	for len(extensions.rest) > 0 && !extensions.bad {
		number := extensions.number(2)
		h.extension(number, bites{rest: extensions.take(extensions.number(2))})
	}
	return h, true, nil
}

func (h *Hello) extension(number int, e bites) {
	switch {
	case number == extensionName && h.Client:
		e.number(2)
		if kind := e.number(1); kind == 0 {
			h.ServerName = name(e.take(e.number(2)))
		}
	case number == extensionALPN && h.Client:
		list := bites{rest: e.take(e.number(2))}
		for len(list.rest) > 0 && !list.bad {
			list.take(list.number(1))
			h.Offered++
		}
	case number == extensionALPN:
		e.number(2)
		h.Protocol = name(e.take(e.number(1)))
	case number == extensionVersions && !h.Client:
		h.Version = versionName(e.number(2))
	}
}

// name takes a name that is short and has nothing but visible ASCII.
func name(b []byte) string {
	if len(b) > nameMax {
		return ""
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return string(b)
}

func versionName(v int) string {
	switch v {
	case 0x0301:
		return "1"
	case 0x0302:
		return "1.1"
	case 0x0303:
		return "1.2"
	case 0x0304:
		return "1.3"
	}
	return ""
}

// bites takes values off the front of a message. After one that is not whole all are empty and bad is set.
type bites struct {
	rest []byte
	bad  bool
}

func (b *bites) take(n int) []byte {
	if b.bad || n > len(b.rest) {
		b.rest, b.bad = nil, true
		return nil
	}
	taken := b.rest[:n]
	b.rest = b.rest[n:]
	return taken
}

// upTo takes n bytes, or what is there of them.
func (b *bites) upTo(n int) []byte { return b.take(min(n, len(b.rest))) }

// number takes a number of that many bytes.
func (b *bites) number(bytes int) (n int) {
	for _, c := range b.take(bytes) {
		n = n<<8 | int(c)
	}
	return n
}
