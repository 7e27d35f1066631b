package span

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// text says of what the text of an attribute is composed.
type text uint8

const (
	textPlain text = iota // Str
	textURL
	textStatus
	textPeer
	textLocal
	textWireTrace
)

// AppendText appends the value of an attribute of kind String or Strings: bytes as they were on the wire, which
// need not be UTF-8.
func (a *Attribute) AppendText(dst []byte) []byte {
	switch a.text {
	case textURL:
		return a.of.appendURL(dst)
	case textStatus:
		return strconv.AppendUint(dst, uint64(a.of.Status), 10)
	case textPeer:
		return appendAddr(dst, a.of.Peer)
	case textLocal:
		return appendAddr(dst, a.of.Local)
	case textWireTrace:
		return hex.AppendEncode(dst, a.of.WireTraceID[:])
	}
	return append(dst, a.Str...)
}

// Text gives what AppendText appends. Unlike it, it allocates for a composed text.
func (a *Attribute) Text() string {
	if a.text == textPlain {
		return a.Str
	}
	return string(a.AppendText(nil))
}

func appendAddr(dst []byte, a netip.AddrPort) []byte { return a.Addr().Unmap().AppendTo(dst) }

func (s *Span) scheme() string {
	if s.Scheme == "" && s.TLS {
		return "https"
	}
	if s.Scheme == "" {
		return "http"
	}
	return s.Scheme
}

// host gives the named host without credentials and without the brackets of an IPv6 address.
func (s *Span) host() string {
	host := s.Host[strings.LastIndexByte(s.Host, '@')+1:]
	if len(host) >= 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// server gives server.address and server.port. An empty host stands for the address of the socket's server end.
func (s *Span) server() (host string, port uint16) {
	host = s.host()
	switch {
	case host != "" && s.HostPort != 0:
		return host, s.HostPort
	case host != "":
		return host, s.defaultPort()
	case s.Kind == Server:
		return "", s.Local.Port()
	}
	return "", s.Peer.Port()
}

func (s *Span) defaultPort() uint16 {
	switch s.scheme() {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

// appendURL appends url.full. Credentials are left out; so is the path of OPTIONS * and of CONNECT, which name no
// resource.
func (s *Span) appendURL(dst []byte) []byte {
	dst = append(dst, s.scheme()...)
	dst = append(dst, "://"...)
	host, port := s.server()
	switch {
	case host == "" && s.Peer.IsValid():
		dst = appendHostAddr(dst, s.Peer.Addr().Unmap())
	case strings.IndexByte(host, ':') >= 0:
		dst = append(dst, '[')
		dst = append(dst, host...)
		dst = append(dst, ']')
	default:
		dst = append(dst, host...)
	}
	if port != 0 && (s.HostPort != 0 || port != s.defaultPort()) {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(port), 10)
	}
	if strings.HasPrefix(s.Path, "/") {
		dst = append(dst, s.Path...)
	}
	if s.Query != "" {
		dst = append(dst, '?')
		dst = append(dst, s.Query...)
	}
	return dst
}

func appendHostAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		return a.AppendTo(dst)
	}
	dst = append(dst, '[')
	dst = a.AppendTo(dst)
	return append(dst, ']')
}
