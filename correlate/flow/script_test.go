package flow

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"weft/correlate/event"
)

// A script is a list of lines, each of which makes the events of one message at one end:
//
//	> GET /1              a request; several in one payload are parted by |
//	> POST /1 5           with a body of 5 bytes in the same event; 5+ ends later, at a line `>. 5`; chunked likewise
//	< 200 /1 3            the reply to /1; without a body or with `close` it ends with the connection; 100 and 101 are told apart
//	!> !< !>. !<.         the same, but the ring was full
//	> GET /1 pieces=3     the head comes in 3 events;  cut: its rest was not copied;  gone=2: piece 2 was lost;
//	                      half: the last piece never comes
//	>? <?                 bytes that could not be read
//	<~ 20                 bytes that no event tells
//	eof close reset exit pause  ends;  raw> and raw<: a payload as it stands;  noise> is no request
func play(t *testing.T, k *kernel, script string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		refused := strings.HasPrefix(line, "!")
		f := strings.Fields(strings.TrimPrefix(line, "!"))
		switch f[0] {
		case ">":
			m := request(strings.TrimPrefix(line, "!"))
			m.refused = refused
			k.sent += strings.Count(line, "|")
			k.tell(m)
		case "<":
			m := reply(f[1:])
			m.refused = refused
			k.tell(m)
		case ">.", "<.":
			n, _ := strconv.Atoi(f[1])
			k.end(f[0] == ">.", uint64(n), refused)
		case ">?", "<?":
			k.unread(f[0] == ">?")
		case "<~":
			n, _ := strconv.Atoi(f[1])
			k.offsets[k.direction(false)] += uint64(n)
		case "raw>", "raw<", "noise>":
			text, err := strconv.Unquote(f[1])
			if err != nil {
				t.Fatal(line, err)
			}
			k.tell(message{request: f[0] != "raw<", head: text})
			if f[0] == "noise>" {
				k.sent--
			}
		case "eof":
			ev := k.event(event.Receive)
			ev.Message.Flags = event.EOF
			k.emit(ev, false, refused)
		case "close", "reset":
			k.close(f[0] == "reset")
		case "exit":
			k.feed(&event.Event{Kind: event.KindExit, Time: *k.now, PID: k.pid})
		case "pause":
			k.feed(&event.Event{Kind: event.KindPause, Time: *k.now})
		default:
			t.Fatal("unknown line", line)
		}
	}
}

func (k *kernel) unread(request bool) {
	*k.now += 10
	d := k.direction(request)
	if request {
		k.sent++
	}
	k.offsets[d] += 100
	ev := k.event(d)
	ev.Message.Flags, ev.Message.Offset = event.Unread, k.offsets[d]-100
	k.emit(ev, request, false)
}

func request(line string) message {
	m := message{request: true}
	parts := strings.Split(strings.TrimPrefix(line, ">"), "|")
	for _, part := range parts {
		f := strings.Fields(part)
		length := m.options(f[2:])
		m.head += requestHead(f[0], f[1], length, m.chunked)
	}
	m.cut()
	return m
}

func reply(f []string) message {
	var m message
	status, tag := f[0], ""
	if len(f) > 1 {
		tag = f[1]
		f = f[1:]
	}
	length := m.options(f[1:])
	m.head = replyHead(status, tag, length, m.chunked)
	m.cut()
	switch {
	case status == "100" || status == "204" || status == "304" || length >= 0:
	case status == "101":
		m.flags |= event.Tunnel
	default:
		m.endless = true
	}
	return m
}

func (m *message) cut() {
	if m.flags&event.Cut != 0 {
		m.head = m.head[:len(m.head)-2]
	}
}

// options reads what follows the target and gives the length of the body, -1 for none.
func (m *message) options(f []string) (length int) {
	length = -1
	for _, o := range f {
		key, value, _ := strings.Cut(o, "=")
		n, err := strconv.Atoi(strings.TrimSuffix(o, "+"))
		switch {
		case err == nil:
			length = n
			m.body, m.later = uint64(n), strings.HasSuffix(o, "+")
		case o == "chunked":
			m.chunked, m.later = true, true
		case key == "pieces":
			m.pieces, _ = strconv.Atoi(value)
		case key == "gone":
			m.gone, _ = strconv.Atoi(value)
		case o == "cut":
			m.flags |= event.Cut
		case o == "half":
			m.half = true
		}
	}
	return length
}

func TestScripts(t *testing.T) {
	for _, test := range scripts {
		for _, server := range []bool{true, false} {
			if test.only == onlyServer && !server || test.only == onlyClient && server {
				continue
			}
			name := test.name + "/client"
			if server {
				name = test.name + "/server"
			}
			t.Run(name, func(t *testing.T) {
				b := newBook(Options{Max: 10})
				now := uint64(1000)
				k := &kernel{feed: b.table.Feed, socket: 7, pid: 70, server: server, now: &now, found: test.found, unix: test.unix}
				k.announce()
				play(t, k, test.script)
				b.table.Close()
				want := strings.Split(test.want, "\n")
				if test.want == "" {
					want = nil
				}
				for i := range want {
					want[i] = strings.TrimSpace(want[i])
				}
				if !slices.Equal(b.ended, want) {
					t.Errorf("got  %q\nwant %q", b.ended, want)
				}
				for _, w := range b.wrong {
					t.Error(w)
				}
				if fault := b.account(k.sent, k.missed); fault != "" {
					t.Error(fault)
				}
				counts := b.table.Counts()
				for r := Reason(0); r < Reasons; r++ {
					if n := counts.Reasons[r]; n != test.reasons[r] {
						t.Errorf("%v: %d, want %d", r, n, test.reasons[r])
					}
				}
			})
		}
	}
}
