package proto

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// params writes pairs, with lengths of one byte, or of four where they need it.
func params(pairs ...string) []byte {
	var out []byte
	for i := 0; i < len(pairs); i += 2 {
		for _, s := range pairs[i : i+2] {
			if len(s) < 128 {
				out = append(out, byte(len(s)))
			} else {
				out = binary.BigEndian.AppendUint32(out, uint32(len(s))|1<<31)
			}
		}
		out = append(append(out, pairs[i]...), pairs[i+1]...)
	}
	return out
}

func TestAppendParams(t *testing.T) {
	long := strings.Repeat("l", 300)
	whole := params("REQUEST_METHOD", "GET", "REQUEST_URI", "/a?b", "SERVER_PROTOCOL", "HTTP/2.0", "HTTP_TRACE_PARENT", long, "HTTP_HOST", "h")
	for _, test := range []struct {
		name   string
		params []byte
		want   string
		err    error
	}{
		{"a request", whole, "GET /a?b HTTP/1.1\r\ntrace-parent: " + long + "\r\nhost: h\r\n\r\n", nil},
		{"what the client has asked for is not told", params("SCRIPT_NAME", "/s.php", "QUERY_STRING", "x=1", "REQUEST_METHOD", "PUT"), "PUT /s.php?x=1 HTTP/1.1\r\n\r\n", nil},
		{"without a query", params("SCRIPT_NAME", "/s.php", "QUERY_STRING", "", "REQUEST_METHOD", "PUT"), "PUT /s.php HTTP/1.1\r\n\r\n", nil},
		{"HTTP/1.0 and a body", params("REQUEST_METHOD", "POST", "REQUEST_URI", "/", "SERVER_PROTOCOL", "HTTP/1.0", "CONTENT_TYPE", "a/b", "CONTENT_LENGTH", "7"),
			"POST / HTTP/1.0\r\ncontent-type: a/b\r\ncontent-length: 7\r\n\r\n", nil},
		{"empty fields and those with line ends", params("REQUEST_METHOD", "GET", "REQUEST_URI", "/", "HTTP_A", "", "HTTP_B", "x\r\ntraceparent: y", "CONTENT_LENGTH", ""),
			"GET / HTTP/1.1\r\n\r\n", nil},
		{"cut in a pair", whole[:len(whole)-1], "GET /a?b HTTP/1.1\r\ntrace-parent: " + long + "\r\n\r\n", nil},
		{"cut in a length", append(params("REQUEST_METHOD", "GET", "REQUEST_URI", "/"), 0x80, 0), "GET / HTTP/1.1\r\n\r\n", nil},
		{"no method", params("REQUEST_URI", "/"), "", ErrStartLine},
		{"a target with line ends", params("REQUEST_METHOD", "GET", "REQUEST_URI", "/ HTTP/1.1\r\nX: y"), "", ErrStartLine},
		{"no target", params("REQUEST_METHOD", "GET"), "", ErrStartLine},
		{"nothing", nil, "", ErrStartLine},
		{"lengths that add up to more than 32 bits", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "", ErrStartLine},
	} {
		got, err := AppendParams(make([]byte, 0, 1<<12), test.params)
		if string(got) != test.want || err != test.err {
			t.Errorf("%s: %q, %v; want %q, %v", test.name, got, err, test.want, test.err)
		}
	}
	if got, _ := AppendParams(make([]byte, 0, 20), whole); string(got) != "GET /a?b HTTP/1.1\r\nt" {
		t.Errorf("in 20 bytes: %q", got)
	}
}

func TestAppendAnswer(t *testing.T) {
	for head, want := range map[string]string{
		"Content-type: a\r\n\r\n":              "200",
		"status:404 Not Found\r\nA: b\r\n\r\n": "404",
		"A: b\nStatus: 503\n\n":                "503",
		"Location: /x\r\n\r\n":                 "302",
		"Location: /x\r\nStatus: 201\r\n\r\n":  "201",
		"Status: x\r\n\r\n":                    "200",
		"Status: 99999\r\n\r\n":                "999",
		"\r\nStatus: 404\r\n":                  "200",
		"":                                     "200",
	} {
		if got := string(AppendAnswer(make([]byte, 0, 1<<10), []byte(head))); got != "HTTP/1.1 "+want+"\r\n"+head {
			t.Errorf("%q: %q", head, got)
		}
	}
}

// FuzzFastCGI: whatever comes, what is written fits its room, and a head that is written has one line for each field.
func FuzzFastCGI(f *testing.F) {
	f.Add(params("REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "HTTP_HOST", "h", "HTTP_X", strings.Repeat("x", 200)))
	f.Add([]byte("Status: 404\r\nLocation: /\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		const room = 4096
		original := bytes.Clone(input)
		head, err := AppendParams(make([]byte, 0, room), input)
		if len(head) > room || err != nil && len(head) > 0 {
			t.Fatalf("%d bytes, %v", len(head), err)
		}
		var m Message
		if err == nil && len(head) < room {
			if n, failed := (HTTP1{}).Next(FromClient, head, &m); failed == nil && n > 0 && n != len(head) {
				t.Fatalf("%d of %q are a head", n, head)
			}
		}
		if answer := AppendAnswer(make([]byte, 0, room), input); len(answer) > room {
			t.Fatalf("%d bytes", len(answer))
		}
		if !bytes.Equal(input, original) {
			t.Fatal("the input was changed")
		}
	})
}
