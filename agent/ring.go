package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// ring is the kernel's records, and the wait for them. It waits as Go waits for a network connection: a goroutine that is in a system
// call instead has the runtime look after it dozens of times, which costs an idle agent more than all else; so does each call that the
// runtime is told of, which is why an empty ring is seen by looking at it.
type ring struct {
	*ringbuf.Reader
	file *os.File // the ring again, as something to wait for
	wait syscall.RawConn
	due  time.Time
}

// past is a deadline at which a read takes what is there and does not wait.
var past = time.Unix(1, 0)

func openRing(m *ebpf.Map) (*ring, error) {
	fd, err := unix.FcntlInt(uintptr(m.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("open the ring: %w", err)
	}
	r := &ring{file: os.NewFile(uintptr(fd), "ring")}
	if err = r.file.SetReadDeadline(past); err == nil { // it can be waited for
		r.wait, err = r.file.SyscallConn()
	}
	if err == nil {
		r.Reader, err = ringbuf.NewReader(m)
	}
	if err != nil {
		r.file.Close()
		return nil, fmt.Errorf("open the ring: %w", err)
	}
	r.SetDeadline(past)
	return r, nil
}

// close gives everything back. A read under way ends with an error.
func (r *ring) close() {
	r.Reader.Close()
	r.file.Close()
}

// read gives the next record, os.ErrDeadlineExceeded when none came until what until has said.
func (r *ring) read(record *ringbuf.Record) error {
	for {
		err := os.ErrDeadlineExceeded
		if r.AvailableBytes() > 0 {
			err = r.ReadInto(record)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(r.due) {
			return err
		}
		woken := false
		err = r.wait.Read(func(uintptr) bool {
			was := woken
			woken = true
			return was
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("wait for the ring: %w", err)
		}
	}
}

// until says how long a read waits at most.
func (r *ring) until(due time.Time) {
	r.due = due
	_ = r.file.SetReadDeadline(due) // fails for a closed file only, of which read tells
}
