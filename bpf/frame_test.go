package bpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// told is a frame as the kernel tells it: its header and payload, and what was counted of its stream.
type told struct {
	offset   uint64
	frame    string
	bytes    uint64
	messages uint32
}

// framed are the frames of one direction of a connection.
type framed struct {
	bytes.Buffer
	*http2.Framer
	want []told
	data map[uint32]*told
}

func newFramed(preface string) *framed {
	f := &framed{data: make(map[uint32]*told)}
	f.WriteString(preface)
	f.Framer = http2.NewFramer(&f.Buffer, nil)
	f.AllowIllegalWrites = true
	return f
}

// tell notes that the frame which `write` writes is told.
func (f *framed) tell(write func() error) {
	at := f.Len()
	if err := write(); err != nil {
		panic(err)
	}
	frame := string(f.Bytes()[at:])
	t := told{offset: uint64(at), frame: frame}
	if stream := binary.BigEndian.Uint32([]byte(frame[5:])); f.data[stream] != nil && (frame[3] == 3 || frame[3] < 2 && frame[4]&1 != 0) {
		t.bytes, t.messages = f.data[stream].bytes, f.data[stream].messages
		delete(f.data, stream)
	}
	if frame[3] == 0 {
		t.offset, t.frame = uint64(f.Len()), frame[:9]
	}
	f.want = append(f.want, t)
}

// headers writes a header block of a size, in as many frames as are asked for.
func (f *framed) headers(r *rand.Rand, stream uint32, size, frames int, end bool) {
	block := make([]byte, size)
	for i := range block {
		block[i] = byte(r.Uint32())
	}
	first := block[:size/frames]
	f.tell(func() error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: frames == 1})
	})
	for i := 1; i < frames; i++ {
		part := block[i*size/frames : (i+1)*size/frames]
		f.tell(func() error { return f.WriteContinuation(stream, i == frames-1, part) })
	}
}

// messages writes messages of gRPC as DATA frames that are cut anywhere.
func (f *framed) messages(r *rand.Rand, stream uint32, end bool, sizes ...int) {
	var body []byte
	for _, n := range sizes {
		body = append(body, byte(r.IntN(2)))
		body = binary.BigEndian.AppendUint32(body, uint32(n))
		body = append(body, bytes.Repeat([]byte{byte(r.Uint32())}, n)...)
	}
	count := f.data[stream]
	if count == nil {
		count = &told{}
		f.data[stream] = count
	}
	count.bytes += uint64(len(body))
	count.messages += uint32(len(sizes))
	for {
		n := min(len(body), 1+r.IntN(1+r.IntN(16384)))
		part := body[:n]
		if body = body[n:]; len(body) == 0 && end {
			f.tell(func() error { return f.WriteData(stream, true, part) })
			return
		}
		if err := f.WriteData(stream, false, part); err != nil {
			panic(err)
		}
		if len(body) == 0 {
			return
		}
	}
}

// chatter is what is not told.
func (f *framed) chatter(r *rand.Rand) {
	var err error
	switch r.IntN(5) {
	case 0:
		err = f.WritePing(true, [8]byte{1})
	case 1:
		err = f.WriteWindowUpdate(uint32(r.IntN(3)), 1)
	case 2:
		err = f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1}, http2.Setting{ID: 77, Val: 2})
	case 3:
		err = f.WritePriority(9, http2.PriorityParam{StreamDep: 3})
	case 4:
		err = f.WriteRawFrame(0x42, 0xff, 0, make([]byte, r.IntN(2)*300))
	}
	if err != nil {
		panic(err)
	}
}

// conversationOfFrames fills both directions with streams that are interleaved.
func conversationOfFrames(r *rand.Rand, streams int) (client, server *framed) {
	client, server = newFramed(http2.ClientPreface), newFramed("")
	if err := client.WriteSettings(); err != nil {
		panic(err)
	}
	if err := server.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100}); err != nil {
		panic(err)
	}
	for i := range streams {
		id := uint32(2*i + 1)
		bodyless := r.IntN(3) == 0
		client.headers(r, id, 1+r.IntN(200), 1, bodyless)
		if !bodyless {
			client.messages(r, id, r.IntN(4) > 0, r.IntN(30), r.IntN(3000), r.IntN(40000)*r.IntN(2))
		}
		client.chatter(r)
	}
	for i := range streams {
		id := uint32(2*i + 1)
		server.headers(r, id, 1+r.IntN(200)*(1+99*r.IntN(2)*r.IntN(2)), 1+r.IntN(3), false)
		server.chatter(r)
		switch r.IntN(3) {
		case 0:
			server.messages(r, id, true, 0, r.IntN(9))
		case 1:
			server.messages(r, id, false, r.IntN(9), r.IntN(20000))
			server.headers(r, id, 10, 1, true)
		case 2:
			server.messages(r, id, false, 3)
			server.tell(func() error { return server.WriteRSTStream(id, http2.ErrCodeCancel) })
		}
	}
	server.tell(func() error { return server.WriteGoAway(7, http2.ErrCodeNo, []byte("bye")) })
	return client, server
}

// frames gives the frames of one direction as one end told them.
func (k *capture) frames(fd int, direction event.Direction) (out []told) {
	k.drain()
	open := false
	socket, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	check(k.t, err)
	for _, r := range k.records {
		if r.Flags&event.Frame == 0 || r.Direction != direction || r.socket != socket {
			continue
		}
		if r.Flags&event.Start != 0 {
			out = append(out, told{offset: r.Offset, bytes: r.Body, messages: r.Messages})
		} else if !open {
			out = append(out, told{frame: "rest of no frame"})
		}
		out[len(out)-1].frame += r.text
		open = r.Flags&event.Open != 0
	}
	return out
}

func compareFrames(t *testing.T, where string, want, got []told) {
	t.Helper()
	for i := range want {
		if i >= len(got) {
			t.Fatalf("%s: %d frames told of %d", where, len(got), len(want))
		}
		if got[i] != want[i] {
			t.Fatalf("%s: frame %d: told at %d, %d bytes, %d messages: %.40q (%d)\nis at %d, %d bytes, %d messages: %.40q (%d)", where, i,
				got[i].offset, got[i].bytes, got[i].messages, got[i].frame, len(got[i].frame),
				want[i].offset, want[i].bytes, want[i].messages, want[i].frame, len(want[i].frame))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d frames told of %d", where, len(got), len(want))
	}
}

// TestFrames compares random conversations of HTTP/2, cut at random and moved by random system calls, with what is told.
func TestFrames(t *testing.T) {
	k := start(t)
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			a := newAuthor(seed)
			p := families[[]string{"ipv4", "unix"}[seed%2]](t)
			k.forget()
			client, server := conversationOfFrames(rand.New(rand.NewPCG(seed, 1)), 1+int(seed))
			up, down := client.String(), server.String()
			if seed%3 == 0 { // the server speaks first
				move(t, p.server, p.client, down[:9+6], 1<<20)
				down = down[9+6:]
			}
			a.talk(t, p.client, p.server, up)
			a.talk(t, p.server, p.client, down)
			compareFrames(t, "server, requests", client.want, k.frames(p.server, event.Receive))
			compareFrames(t, "server, replies", server.want, k.frames(p.server, event.Send))
			compareFrames(t, "client, requests", client.want, k.frames(p.client, event.Send))
			compareFrames(t, "client, replies", server.want, k.frames(p.client, event.Receive))
		})
	}
}

// TestFramesOfOldConnection: what is found by structure is told from there on, with a note that something is missing.
func TestFramesOfOldConnection(t *testing.T) {
	p := families["ipv4"](t)
	move(t, p.client, p.server, http2.ClientPreface+strings.Repeat("x", 100), 1<<20)
	move(t, p.server, p.client, strings.Repeat("y", 77), 1<<20)
	holdMiddle(t, start(t), p)
}

// TestFramesFromTheMiddle: a stream whose first frame is no server's settings was not seen from its beginning, as that of a TLS session which
// is read from some moment on. Then the other direction does not begin with a preface.
func TestFramesFromTheMiddle(t *testing.T) {
	k := start(t)
	holdMiddle(t, k, families["ipv4"](t))
}

// holdMiddle has both ends send a header block, and holds that it is told, behind a note that something is missing.
func holdMiddle(t *testing.T, k *capture, p pair) {
	t.Helper()
	f := newFramed("")
	f.headers(rand.New(rand.NewPCG(1, 1)), 11, 30, 1, true)
	f.chatter(rand.New(rand.NewPCG(1, 3)))
	move(t, p.client, p.server, f.String(), 1<<20)
	move(t, p.server, p.client, f.String(), 1<<20)
	k.drain()
	missing, whole := 0, 0
	for _, r := range k.records {
		switch {
		case r.Flags&event.Frame == 0:
			t.Errorf("%+v", r)
		case r.Flags&event.Cut != 0 && r.length == 0:
			missing++
		case r.text == f.want[0].frame:
			whole++
		}
	}
	if missing != 4 || whole != 4 {
		t.Errorf("%d directions are told to be known in part, %d frames: want 4", missing, whole)
	}
}

// TestNoFrames: what only looks like frames at first, or not at all, is no HTTP/2.
func TestNoFrames(t *testing.T) {
	k := start(t)
	for name, text := range map[string]string{
		"length off":  "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00",
		"reserved":    "\x00\x00\x00\x01\x05\x80\x00\x00\x01",
		"bad flag":    "\x00\x00\x00\x00\x40\x00\x00\x00\x01",
		"of nothing":  "\x00\x00\x01\x00\x00\x00\x00\x00\x00a",
		"settings":    "\x00\x00\x05\x04\x00\x00\x00\x00\x00abcde",
		"kafka":       "\x00\x00\x00\x1c\x00\x12\x00\x03\x00\x00\x00\x00\x00\x07client-\x02a\x02b\x00\x00\x00\x00\x00",
		"tls":         "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
		"zeros":       strings.Repeat("\x00", 64),
		"other frame": "\x00\x00\x00\x01\x05\x00\x00\x00\x01\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			p := families["ipv4"](t)
			k.forget()
			move(t, p.client, p.server, text, 1<<20)
			move(t, p.server, p.client, text, 1<<20)
			k.drain()
			if len(k.records) != 0 {
				t.Errorf("%d records, first %+v", len(k.records), k.records[0])
			}
		})
	}
}

// TestDataIsNotCopied: many streams with much DATA, interleaved, go through the ring as a few small records each.
func TestDataIsNotCopied(t *testing.T) {
	const streams, each, chunk = 100, 1 << 19, 16384
	k := start(t)
	p := families["ipv4"](t)
	f := newFramed(http2.ClientPreface)
	for i := range streams {
		f.headers(rand.New(rand.NewPCG(1, 1)), uint32(2*i+1), 100, 1, false)
	}
	move(t, p.client, p.server, f.String(), 1<<16)
	body := bytes.Repeat([]byte{'z'}, chunk)
	for sent := 0; sent < each; sent += chunk {
		for i := range streams {
			f.Reset()
			if err := f.WriteData(uint32(2*i+1), sent+chunk >= each, body); err != nil {
				t.Fatal(err)
			}
			move(t, p.client, p.server, f.String(), 1<<20)
		}
	}
	k.drain()
	ended, size := 0, 0
	for _, r := range k.records {
		size += 112 + r.length
		if r.text != "" && r.text[3] == 0 {
			if ended++; r.Body != each {
				t.Fatalf("%d bytes of a stream, sent were %d: %+v", r.Body, each, r)
			}
		}
	}
	if ended != 2*streams {
		t.Errorf("%d streams ended of %d", ended, 2*streams)
	}
	if per := size / streams / 2; per > 4096 {
		t.Errorf("%d bytes through the ring for a request at each end", per)
	}
}

// TestUpgrade: behind a 101 that agrees to HTTP/2 its frames are followed, whoever speaks first and however the bytes come.
func TestUpgrade(t *testing.T) {
	k := start(t)
	request := "GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
	reply := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	settings, ack := "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
	window := "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x01\x00\x00"
	answer := "\x00\x00\x01\x01\x05\x00\x00\x00\x01\x8d" // :status 404, the last
	type move1 struct {
		server bool
		text   string
	}
	for name, moves := range map[string][]move1{
		"server first": {{true, reply}, {true, settings + window}, {false, http2.ClientPreface + settings}, {true, ack + answer}, {false, ack}},
		"one write":    {{true, reply + settings}, {false, http2.ClientPreface + settings + ack}, {true, ack}, {true, answer}},
		"client first": {{true, reply}, {false, http2.ClientPreface}, {false, settings}, {true, settings + answer}, {false, ack}},
	} {
		t.Run(name, func(t *testing.T) {
			k.forget()
			p := families["ipv4"](t)
			move(t, p.client, p.server, request, 1<<20)
			for _, m := range moves {
				from, to := p.client, p.server
				if m.server {
					from, to = to, from
				}
				move(t, from, to, m.text, 1<<20)
			}
			for _, server := range []bool{true, false} {
				if got := k.exchanges(server); len(got) != 1 || got[0].status != 404 || got[0].target != "/up" || !got[0].upgraded {
					t.Errorf("server %v: %+v", server, got)
				}
			}
		})
	}
}
