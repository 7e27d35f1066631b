package bpf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"weft/correlate/event"
)

// cgi writes the records of one request and its answer.
type cgi struct {
	author
	id byte
}

// record writes one, with padding that looks like another.
func (c cgi) record(kind byte, contents string) string {
	padding := c.IntN(9)
	header := []byte{1, kind, 0, c.id, 0, 0, byte(padding), 0}
	binary.BigEndian.PutUint16(header[4:], uint16(len(contents)))
	return string(header) + contents + strings.Repeat("\x01", padding)
}

// stream writes contents in several records of a kind.
func (c cgi) stream(kind byte, contents string) string {
	var out strings.Builder
	for len(contents) > 0 {
		n := min(len(contents), c.pick1(1, 700, 8000, 60000))
		out.WriteString(c.record(kind, contents[:n]))
		contents = contents[n:]
	}
	return out.String()
}

func pairOf(name, value string) string {
	var out []byte
	for _, s := range []string{name, value} {
		if len(s) < 128 {
			out = append(out, byte(len(s)))
		} else {
			out = binary.BigEndian.AppendUint32(out, uint32(len(s))|1<<31)
		}
	}
	return string(out) + name + value
}

// exchange gives a request and its answer, as sent and as they are to be told.
func (c cgi) exchange() (begin string, x exchange) {
	x.method, x.target = c.pick("GET", "POST"), "/a/"+strings.Repeat("t", c.IntN(300))
	params := pairOf("GATEWAY_INTERFACE", "CGI/1.1") + pairOf("REQUEST_METHOD", x.method)
	for range c.IntN(30) {
		params += pairOf(c.pick("HTTP_X_ONE", "DOCUMENT_ROOT", "HTTP_COOKIE"), strings.Repeat("v", c.size(1500)))
	}
	params += pairOf("REQUEST_URI", x.target)
	x.requestBody, x.replyBody = uint64(c.size(90000)), uint64(c.size(90000))
	if x.requestBody > 0 {
		params += pairOf("CONTENT_LENGTH", fmt.Sprint(x.requestBody))
	}
	x.request = c.stream(4, params) + c.record(4, "") + c.stream(5, strings.Repeat("b", int(x.requestBody))) + c.record(5, "")
	x.status = []uint16{200, 404, 503}[c.IntN(3)]
	head := fmt.Sprintf("X-Powered-By: PHP\r\nStatus: %d Text\r\nTransfer-Encoding: chunked\r\n\r\n", x.status)
	if c.IntN(4) == 0 {
		x.reply = c.record(7, "a warning")
	}
	first := min(int(x.replyBody), c.IntN(500))
	x.reply += c.record(6, head+strings.Repeat("r", first)) + c.stream(6, strings.Repeat("r", int(x.replyBody)-first))
	if c.IntN(2) == 0 {
		x.reply += c.record(6, "")
	}
	x.reply += c.record(3, "\x00\x00\x00\x00\x00\x00\x00\x00")
	return c.record(1, "\x00\x01\x01\x00\x00\x00\x00\x00"), x
}

// TestFastCGI: requests and answers are told with what they say, however their records are cut, and bodies are counted.
func TestFastCGI(t *testing.T) {
	k := start(t)
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			k.forget()
			c, p := cgi{newAuthor(seed), byte(1 + seed)}, families[[]string{"ipv4", "unix"}[seed%2]](t)
			var want []ended
			asked := uint64(0)
			for range 1 + c.IntN(4) {
				begin, x := c.exchange()
				x.offset = asked
				asked += uint64(len(begin) + len(x.request))
				move(t, p.client, p.server, begin, 1<<20)
				c.talk(t, p.client, p.server, x.request)
				c.talk(t, p.server, p.client, x.reply)
				want = append(want, x.ended)
			}
			for _, server := range []bool{true, false} {
				got, sent := k.exchanges(server), slices.Clone(want)
				for i := range got {
					if got[i].headCut && i < len(sent) { // the first bytes that were read are not all of the head
						sent[i].headCut, sent[i].status, sent[i].replyBody = true, got[i].status, got[i].replyBody
					}
				}
				compare(t, sent, got, server)
			}
			for _, r := range k.records {
				if r.Flags&event.FastCGI == 0 {
					t.Errorf("a record of something else: %+v", r)
				}
			}
		})
	}
}
