// Package listener owns the sockets that were there before weft: which ports are listened on, and which AF_UNIX
// streams exist, in every network namespace that has a process.
package listener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// maxNamespaces bounds how many network namespaces are visited; a node runs a few hundred pods at most.
const maxNamespaces = 1024

var errNamespaces = fmt.Errorf("more than %d network namespaces, the others are left out", maxNamespaces)

// A Key is a TCP port with a listener in a network namespace.
type Key struct {
	NetNS uint64 // inode
	Port  uint16
}

// Listening gives the TCP ports, IPv4 and IPv6, that are listened on at this moment. With an error the result is
// what could be found; the error says which namespaces could not be asked.
func Listening() (map[Key]struct{}, error) {
	found := map[Key]struct{}{}
	err := visit(func(ns uint64) error {
		err := ask(unix.AF_INET, found, ns)
		return errors.Join(err, ask(unix.AF_INET6, found, ns))
	})
	return found, err
}

// Unix gives the inodes of the AF_UNIX stream sockets that exist at this moment. With an error the result is what
// could be found.
func Unix() (map[uint64]struct{}, error) {
	found := map[uint64]struct{}{}
	err := visit(func(uint64) error {
		sockets, err := netlink.UnixSocketDiag()
		for _, s := range sockets {
			if s.Type == unix.SOCK_STREAM {
				found[uint64(s.INode)] = struct{}{}
			}
		}
		if err != nil {
			return fmt.Errorf("list unix sockets: %w", err)
		}
		return nil
	})
	return found, err
}

// A request is struct inet_diag_req_v2 of linux/inet_diag.h, all zero but for these.
type request struct {
	family, protocol uint8
	states           uint32 // 1 << TCP state
}

const requestSize = 56

// Len is the length of the request on the wire.
func (r request) Len() int { return requestSize }

// Serialize writes the request in the byte order of this machine.
func (r request) Serialize() []byte {
	b := make([]byte, requestSize)
	b[0], b[1] = r.family, r.protocol
	binary.NativeEndian.PutUint32(b[4:], r.states)
	return b
}

// ask adds the ports of the listeners of one address family in the namespace of this thread. The kernel filters by
// state: a node may hold a hundred thousand connections, and none of them is wanted.
func ask(family uint8, found map[Key]struct{}, ns uint64) error {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.AddData(request{family: family, protocol: unix.IPPROTO_TCP, states: 1 << unix.BPF_TCP_LISTEN})
	err := req.ExecuteIter(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(msg []byte) bool {
		// struct inet_diag_msg: family, state, timer, retrans, then the source port in network order.
		if len(msg) >= 6 && msg[0] == family && msg[1] == unix.BPF_TCP_LISTEN {
			found[Key{NetNS: ns, Port: binary.BigEndian.Uint16(msg[4:])}] = struct{}{}
		}
		return true
	})
	switch {
	case err == nil:
		return nil
	case family == unix.AF_INET6 && errors.Is(err, unix.ENOENT):
		return nil // a kernel without IPv6
	}
	return fmt.Errorf("list listening sockets: %w", err)
}

// visit calls f in this process's network namespace and in every other one that a process lives in, on a thread
// of its own.
func visit(f func(ns uint64) error) error {
	done := make(chan error)
	go func() { done <- visitLocked(f) }()
	return <-done
}

func visitLocked(f func(ns uint64) error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer home.Close() //nolint:errcheck // read only
	own, err := inode("/proc/thread-self/ns/net")
	if err == nil {
		err = f(own)
	}
	others, scanErr := namespaces(own)
	err = errors.Join(err, scanErr)
	for ns, path := range others {
		e := visitOne(ns, path, f)
		if errors.Is(e, unix.EPERM) {
			err = errors.Join(err, fmt.Errorf("%d other network namespaces: %w", len(others), e))
			break
		}
		if e != nil {
			err = errors.Join(err, fmt.Errorf("network namespace %d: %w", ns, e))
		}
	}
	if e := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); e != nil && len(others) > 0 {
		// The thread stays locked, so that it ends with this goroutine and nothing else runs on it.
		return errors.Join(err, fmt.Errorf("return to own network namespace: %w", e))
	}
	runtime.UnlockOSThread()
	return err
}

// visitOne enters one namespace; one whose last process has ended meanwhile is no error.
func visitOne(ns uint64, path string, f func(ns uint64) error) error {
	file, err := os.Open(path)
	if err != nil {
		return ignoreGone(err)
	}
	defer file.Close() //nolint:errcheck // read only
	var s unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &s); err != nil || s.Ino != ns {
		return err // the process has moved to another one
	}
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter: %w", err)
	}
	return f(ns)
}

// namespaces gives the network namespaces of all processes but own, each with a path to enter it by.
func namespaces(own uint64) (map[uint64]string, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	found := map[uint64]string{}
	for _, path := range paths {
		ns, err := inode(path)
		if err != nil || ns == own {
			continue // gone, or a kernel thread
		}
		if _, ok := found[ns]; !ok && len(found) >= maxNamespaces {
			return found, errNamespaces
		}
		found[ns] = path
	}
	return found, nil
}

func inode(path string) (uint64, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, fmt.Errorf("look at %s: %w", path, err)
	}
	return s.Ino, nil
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
