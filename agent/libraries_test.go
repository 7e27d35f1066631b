package agent

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"weft/agent/library"
)

// TestPauseBetweenLooks: a process that begins sessions all the time is not looked at all the time, and the longer it takes the more seldom.
func TestPauseBetweenLooks(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0:                      50 * time.Millisecond,
		20 * time.Microsecond:  50 * time.Millisecond,
		300 * time.Microsecond: 300 * time.Millisecond,
		time.Second:            time.Second,
	} {
		if got := pauseAfter(took); got != want {
			t.Errorf("after a look of %v is a pause of %v, wanted is %v", took, got, want)
		}
	}
}

// TestBarrenProcessRests: what was looked through in vain is left alone for a little; what was not looked through, or can be read, is not
// barren.
func TestBarrenProcessRests(t *testing.T) {
	now := time.Now()
	soon, none, some := now.Add(time.Second), []*probed{{}}, []*probed{{}, {links: []link.Link{nil}}}
	l := &libraries{users: map[uint32]user{
		1: {files: none, every: true, next: soon},
		2: {files: none, every: false, next: soon},
		3: {files: some, every: true, next: soon},
		4: {files: none, every: true, next: now},
	}}
	for pid, want := range map[uint32]bool{1: true, 2: false, 3: false, 4: false, 5: false} {
		if got := l.barren(pid, now); got != want {
			t.Errorf("process %d is barren: %v", pid, got)
		}
	}
}

// TestFollowIsDue: a session that begins too soon after the last look is looked at when it is time to, once for all that begin meanwhile.
func TestFollowIsDue(t *testing.T) {
	l := &libraries{users: map[uint32]user{1: {next: time.Now().Add(time.Minute), greeted: true}}}
	if again := l.follow(1, true); again <= 0 || again > time.Minute {
		t.Errorf("asked to come again after %v", again)
	}
	if again := l.follow(1, true); again != 0 {
		t.Errorf("asked a second time, after %v", again)
	}
}

// TestFirstGreeting: when the first session of a process begins it is looked at, however short ago that was done; at the second it is not.
func TestFirstGreeting(t *testing.T) {
	pid := uint32(os.Getpid())
	l := &libraries{files: make(map[library.File]*probed), users: map[uint32]user{pid: {next: time.Now().Add(time.Minute)}}}
	mappings, err := library.Mappings(pid, false)
	if err != nil || len(mappings) == 0 {
		t.Fatal(mappings, err)
	}
	for _, m := range mappings {
		l.files[m.File] = &probed{file: m.File, failed: errors.New("not to be probed")}
	}
	if again := l.follow(pid, false); again == 0 || len(l.users[pid].files) != 0 {
		t.Errorf("looked at without a session: %+v", l.users[pid])
	}
	if again := l.follow(pid, true); again != 0 || len(l.users[pid].files) != len(mappings) {
		t.Errorf("not looked at when its first session began: %v, %+v", again, l.users[pid])
	}
	u := l.users[pid]
	u.next = time.Now().Add(time.Minute)
	l.users[pid] = u
	if again := l.follow(pid, true); again == 0 {
		t.Error("looked at when its second session began")
	}
}

// TestGreetingComesFirst: a process that begins with TLS is looked at although as much else waits as there is room for.
func TestGreetingComesFirst(t *testing.T) {
	l := &libraries{users: map[uint32]user{1: {files: []*probed{{links: []link.Link{nil}}}, next: time.Now().Add(time.Minute), greeted: true}}}
	s := &scout{tls: l, tasks: make(chan task, 2), greetings: make(chan task, 2)}
	for range 3 {
		s.talks(2)
	}
	s.greets(1)
	s.greet()
	if !l.users[1].due || len(s.tasks) != 2 {
		t.Errorf("looked at: %v; %d others wait", l.users[1].due, len(s.tasks))
	}
}

// TestNSPRAlone: a process that uses NSPR and layers no NSS on it is not taken for one that can be read, so that its own library is looked for.
func TestNSPRAlone(t *testing.T) {
	nspr, nss, other := &probed{links: []link.Link{nil}, nspr: true}, &probed{nss: true}, &probed{links: []link.Link{nil}}
	l := &libraries{users: map[uint32]user{
		1: {files: []*probed{nspr}}, 2: {files: []*probed{nss}}, 3: {files: []*probed{nspr, nss}}, 4: {files: []*probed{nspr, other}},
	}}
	for pid, want := range map[uint32]bool{1: false, 2: false, 3: true, 4: true} {
		if got := l.reads(pid); got != want {
			t.Errorf("process %d is read: %v", pid, got)
		}
	}
}
