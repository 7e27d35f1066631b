// Package conntrack owns what the kernel's address translation knows of a connection: who is behind an address that was put in
// the place of another one, such as that of a Service of Kubernetes, or of a node that hides its pods.
//
// Each question is of one connection, by its addresses. The table of the kernel, which may have a million rows, is never listed.
package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Table is the one of a network namespace. It is for one goroutine.
type Table struct {
	socket *nl.NetlinkSocket
	handle map[int]*nl.SocketHandle
}

// ErrUnknown means that the kernel tracks no such connection, or not any more.
var ErrUnknown = errors.New("the kernel tracks no such connection")

// getConntrack is the kernel's IPCTNL_MSG_CT_GET.
const getConntrack = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1

// patience is how long an answer may take: the kernel has it ready when the question was sent.
var patience = unix.Timeval{Usec: 100_000}

// Open enters the network namespace that a file names, which needs CAP_SYS_ADMIN unless it is this process's own, and stays able to
// ask there. The kernel wants CAP_NET_ADMIN for each question.
func Open(namespace string) (*Table, error) {
	at, err := foreign(namespace)
	if err != nil {
		return nil, err
	}
	if at.IsOpen() {
		defer at.Close() //nolint:errcheck // read only
	}
	socket, err := nl.GetNetlinkSocketAt(at, netns.None(), unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("enter network namespace %s: %w", namespace, err)
	}
	t := &Table{socket: socket, handle: map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: {Socket: socket}}}
	// A question that has no answer shows whether any may be asked.
	_, err = t.Peer(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:1"))
	if err = errors.Join(socket.SetReceiveTimeout(&patience), err); !errors.Is(err, ErrUnknown) {
		t.Close()
		return nil, fmt.Errorf("ask %s for translated addresses: %w", namespace, err)
	}
	return t, nil
}

// foreign opens the namespace of a file; one that is not open stands for this process's own.
func foreign(file string) (netns.NsHandle, error) {
	var there, here unix.Stat_t
	if err := unix.Stat(file, &there); err != nil {
		return 0, fmt.Errorf("look at network namespace %s: %w", file, err)
	}
	if err := unix.Stat("/proc/self/ns/net", &here); err == nil && there.Ino == here.Ino && there.Dev == here.Dev {
		return netns.None(), nil
	}
	at, err := netns.GetFromPath(file)
	if err != nil {
		return at, fmt.Errorf("open network namespace %s: %w", file, err)
	}
	return at, nil
}

// Close ends the questions.
func (t *Table) Close() { t.socket.Close() }

// Peer gives the address that the other end of a TCP connection has itself; peer, if nothing is translated. The error is
// ErrUnknown for a connection that the namespace does not track, or says why the kernel can't be asked.
func (t *Table) Peer(local, peer netip.AddrPort) (netip.AddrPort, error) {
	local, peer = plain(local), plain(peer)
	if local.Addr().BitLen() != peer.Addr().BitLen() {
		return peer, ErrUnknown
	}
	// The kernel marks the one row as one of several, so that only its word that it is done tells the end.
	req := nl.NewNetlinkRequest(getConntrack, unix.NLM_F_ACK)
	req.Sockets = t.handle
	req.AddData(question{local, peer})
	answers, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return peer, ErrUnknown
	case err != nil:
		return peer, fmt.Errorf("ask for the translation of %s: %w", peer, err)
	case len(answers) == 0:
		return peer, ErrUnknown
	}
	return behind(answers[0], local, peer)
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// behind reads from a row of the table who is at the other end. A connection has two tuples, of what is sent by the end that
// connected and of what comes back. Of the tuple whose source is local the other one's source is the other end.
func behind(row []byte, local, peer netip.AddrPort) (netip.AddrPort, error) {
	var sources, destinations [2]netip.AddrPort
	if len(row) < nfgenSize {
		return peer, errRow
	}
	for kind, value := range attributes(row[nfgenSize:]) {
		if kind == nl.CTA_TUPLE_ORIG || kind == nl.CTA_TUPLE_REPLY {
			sources[kind-nl.CTA_TUPLE_ORIG], destinations[kind-nl.CTA_TUPLE_ORIG] = tuple(value)
		}
	}
	for i := range sources {
		if sources[i] == local && destinations[i] == peer && sources[1-i].IsValid() {
			return sources[1-i], nil
		}
	}
	return peer, errRow
}

var errRow = errors.New("the kernel's answer is not one to the question")

// tuple reads the two ends of a tuple.
func tuple(b []byte) (source, destination netip.AddrPort) {
	var from, to netip.Addr
	var ports [2]uint16
	for kind, value := range attributes(b) {
		for part, v := range attributes(value) {
			switch {
			case kind == nl.CTA_TUPLE_IP && (part == nl.CTA_IP_V4_SRC || part == nl.CTA_IP_V6_SRC):
				from, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_IP && (part == nl.CTA_IP_V4_DST || part == nl.CTA_IP_V6_DST):
				to, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_PROTO && (part == nl.CTA_PROTO_SRC_PORT || part == nl.CTA_PROTO_DST_PORT) && len(v) == 2:
				ports[part-nl.CTA_PROTO_SRC_PORT] = binary.BigEndian.Uint16(v)
			}
		}
	}
	return netip.AddrPortFrom(from, ports[0]), netip.AddrPortFrom(to, ports[1])
}
