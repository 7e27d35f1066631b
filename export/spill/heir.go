package spill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrTaken means that another process uses the folder, or waits for it.
var ErrTaken = errors.New("another weft keeps its waiting spans")

// Files of the folder beside the messages.
const (
	lockName  = "lock"  // held by who uses the folder
	heirName  = "heir"  // held by who waits for it
	untilName = "until" // up to when the last one has told all
)

// An Heir waits for a folder that another Store uses, to go on where that one ends.
type Heir struct {
	dir  string
	lock *os.File
}

// Await makes the caller the heir of a folder. The error is ErrTaken if there is one already.
func Await(dir string) (*Heir, error) {
	lock, err := lockFile(dir, heirName)
	if err != nil {
		return nil, err
	}
	return &Heir{dir, lock}, nil
}

// Free tells whether nobody uses the folder.
func (h *Heir) Free() bool { return !isHeld(h.dir, lockName) }

// Until gives what Bequeath said, Unix ns; 0: nothing yet, or nothing at all if the folder is free.
func (h *Heir) Until() int64 {
	text, err := os.ReadFile(filepath.Join(h.dir, untilName))
	if err != nil {
		return 0
	}
	until, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return until
}

// Close ends the wait. What was bequeathed is forgotten: it was for this heir.
func (h *Heir) Close() {
	Forget(h.dir)
	h.lock.Close()
}

// Forget removes what was bequeathed to an heir that did not live to hear it.
func Forget(dir string) { os.Remove(filepath.Join(dir, untilName)) }

// HasHeir tells whether somebody waits for a folder.
func HasHeir(dir string) bool { return isHeld(dir, heirName) }

// Bequeath tells the heir of a folder up to when, Unix ns, its user tells all. It comes before Close.
func Bequeath(dir string, until int64) error {
	part := filepath.Join(dir, untilName+".part")
	err := os.WriteFile(part, strconv.AppendInt(nil, until, 10), 0o600)
	if err == nil {
		err = os.Rename(part, filepath.Join(dir, untilName))
	}
	if err != nil {
		return fmt.Errorf("tell the weft that waits: %w", err)
	}
	return nil
}

// lockFile holds a file of the folder for as long as this process lives.
func lockFile(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the folder for waiting spans: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w in %s: set spill.dir to another folder (%w)", ErrTaken, dir, err)
	}
	return f, nil
}

// isHeld tells whether somebody holds a file of the folder; looking takes the lock for a moment, shared, so that lookers do not see each
// other.
func isHeld(dir, name string) bool {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}
