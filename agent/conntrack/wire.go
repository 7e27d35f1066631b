package conntrack

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nfgenSize is the size of struct nfgenmsg, with which each message begins; headerSize that of an attribute's length and kind.
const (
	nfgenSize  = 4
	headerSize = 4
	kindMask   = 0x3fff // without the flags of nested and of network byte order
)

// A question asks for the connection that has a tuple.
type question struct{ source, destination netip.AddrPort }

// Len is the length of the question on the wire.
func (q question) Len() int { return len(q.Serialize()) }

// Serialize writes struct nfgenmsg and the tuple. The kernel finds a connection by either of its two tuples, whichever of the
// attributes it stands in.
func (q question) Serialize() []byte {
	family, from, to := byte(unix.AF_INET), uint16(nl.CTA_IP_V4_SRC), uint16(nl.CTA_IP_V4_DST)
	if q.source.Addr().Is6() {
		family, from, to = unix.AF_INET6, nl.CTA_IP_V6_SRC, nl.CTA_IP_V6_DST
	}
	address := attribute(nil, from, q.source.Addr().AsSlice())
	address = attribute(address, to, q.destination.Addr().AsSlice())
	proto := attribute(nil, nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_TCP})
	proto = attribute(proto, nl.CTA_PROTO_SRC_PORT, binary.BigEndian.AppendUint16(nil, q.source.Port()))
	proto = attribute(proto, nl.CTA_PROTO_DST_PORT, binary.BigEndian.AppendUint16(nil, q.destination.Port()))
	whole := attribute(nil, unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, address)
	whole = attribute(whole, unix.NLA_F_NESTED|nl.CTA_TUPLE_PROTO, proto)
	return attribute([]byte{family, 0, 0, 0}, unix.NLA_F_NESTED|nl.CTA_TUPLE_ORIG, whole)
}

// attribute appends one, padded to four bytes.
func attribute(dst []byte, kind uint16, value []byte) []byte {
	dst = binary.NativeEndian.AppendUint16(dst, uint16(headerSize+len(value)))
	dst = binary.NativeEndian.AppendUint16(dst, kind)
	dst = append(dst, value...)
	return append(dst, make([]byte, -len(value)&3)...)
}

// attributes gives those that are whole.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= headerSize {
			size := int(binary.NativeEndian.Uint16(b))
			if size < headerSize || size > len(b) || !yield(binary.NativeEndian.Uint16(b[2:])&kindMask, b[headerSize:size]) {
				return
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}
