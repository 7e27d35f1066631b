package bpf

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// heldTold is what was told of a thread that works on several requests.
type heldTold struct {
	WeftHeldRecord
	held []uint64
}

// held gives what was told of such threads since it was asked last.
func (k *capture) held() (all []heldTold) {
	k.t.Helper()
	k.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := k.reader.ReadInto(&k.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		check(k.t, err)
		r := (*WeftHeldRecord)(unsafe.Pointer(&k.record.RawSample[0]))
		if r.Head.Kind == uint8(WeftRecordKindRECORD_HELD) {
			rest := k.record.RawSample[unsafe.Sizeof(*r):]
			all = append(all, heldTold{*r, slices.Clone(unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(rest))), r.Count))})
		}
	}
}

// interleaves has a thread read requests that it does not answer, until it is known to work on several.
func (k *capture) interleaves(t *testing.T, w *javaThread) {
	const times = 4
	for range times {
		k.reads(t, w)
	}
	if all := k.held(); len(all) != 0 {
		t.Errorf("after %d requests it is told: %+v", times, all)
	}
	k.reads(t, w)
}

// begun holds what is told of a thread that has read something.
func begun(t *testing.T, what string, w *javaThread, all []heldTold, start bool) {
	t.Helper()
	if len(all) != 1 || all[0].Head.Tid != w.tid || all[0].Head.Direction != uint8(WeftDirectionDIRECTION_RECEIVE) || all[0].Count != 0 ||
		all[0].Start != w.structure[bufferWord] || all[0].Top != w.structure[bufferWord+1] || all[0].End != w.structure[bufferWord+3] ||
		all[0].Collections != 7 || (WeftMessageFlag(all[0].Head.Flags)&WeftMessageFlagMESSAGE_START != 0) != start {
		t.Errorf("of %s it is told: %+v", what, all)
	}
}

// TestHeld: of a thread that works on several requests it is told where its buffer is each time that it has read something, and what it holds
// when it makes a call.
func TestHeld(t *testing.T) {
	k, j := startJava(t, 0, 0)
	loop := j.thread(t)
	loop.buffer(j.eden, 64)
	k.interleaves(t, loop)
	begun(t, "a request", loop, k.held(), true)
	p := families["ipv4"](t)
	loop.buffer(j.eden, 256)
	loop.holds(4, j.eden+8, 0, j.eden+4, j.eden+72)
	loop.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	all := k.held()
	if len(all) != 1 || all[0].Head.Direction != uint8(WeftDirectionDIRECTION_SEND) || all[0].Top != j.eden+256 || all[0].Depth < 100 ||
		!slices.Equal(all[0].held, []uint64{j.eden + 8 | 4<<48, j.eden + 72 | 7<<48}) {
		t.Errorf("of a call it is told: %+v", all)
	}
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	_, _ = unix.Write(p.server, reply[:len(reply)-1])
	read := func() { _, _ = unix.Read(p.client, make([]byte, 100)) }
	loop.do(read)
	begun(t, "a reply", loop, k.held(), true)
	_, _ = unix.Write(p.server, reply[len(reply)-1:])
	loop.buffer(j.eden, 512)
	loop.do(read)
	begun(t, "the rest of it", loop, k.held(), false)
	loop.buffer(0, 0)
	k.reads(t, loop)
	if all := k.held(); len(all) != 0 {
		t.Errorf("without a buffer it is told: %+v", all)
	}
}

// TestHeldOfOthers: a thread that answers before it reads the next request works on one at a time, also where now and then one is given up.
func TestHeldOfOthers(t *testing.T) {
	k, j := startJava(t, 0, 0)
	w := j.thread(t)
	w.buffer(j.eden, 64)
	w.holds(4, j.eden+72)
	for i := range 40 {
		p := k.reads(t, w)
		if i%4 != 0 {
			w.do(func() { _, _ = unix.Write(p.server, []byte(okReply)) })
		}
	}
	p := families["ipv4"](t)
	w.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	if all := k.held(); len(all) != 0 {
		t.Errorf("it is told: %+v", all)
	}
}
