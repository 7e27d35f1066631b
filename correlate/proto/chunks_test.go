package proto

import (
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

func TestChunks(t *testing.T) {
	long := strings.Repeat("a", MaxHead)
	tests := []struct {
		input string
		body  uint64
		n     int // bytes taken; -1 for all but the tail "HTTP"
		done  bool
		err   error
	}{
		{"0\r\n\r\nHTTP", 0, -1, true, nil},
		{"5\r\nhello\r\n0\r\n\r\nHTTP", 5, -1, true, nil},
		{"5\nhello\n0\n\nHTTP", 5, -1, true, nil},
		{"A;x=\"y;z\"\r\n0123456789\r\n00 ;q\r\nT: 1\r\nU: 2\r\n\r\nHTTP", 10, -1, true, nil},
		{"1 \t\r\nx\r\n000000000000000000000001\r\ny\r\n0\r\n\r\nHTTP", 2, -1, true, nil},
		{"5\r\nhel", 3, 6, false, nil},
		{"ffffffffffffffff\r\nabc", 3, 21, false, nil},
		{"10000000000000000\r\n", 0, 16, false, ErrChunkSize},
		{"\r\n", 0, 0, false, ErrChunkSize},
		{"g\r\n", 0, 0, false, ErrChunkSize},
		{"-1\r\n", 0, 0, false, ErrChunkSize},
		{" 1\r\n", 0, 0, false, ErrChunkSize},
		{"0x1\r\n", 0, 1, false, ErrChunkSize},
		{"1 1\r\n", 0, 2, false, ErrChunkSize},
		{"1\rx\r\n", 0, 2, false, ErrChunkSize},
		{"1\r1\n", 0, 2, false, ErrChunkSize},
		{"1\r\nxy\r\n", 1, 4, false, ErrChunkEnd},
		{"1\r\nx\ry\n", 1, 5, false, ErrChunkEnd},
		{"0\r\n\rx", 0, 4, false, ErrTrailer},
		{"1;" + long, 0, MaxHead, false, ErrChunkLength},
		{"1" + strings.Repeat(" ", MaxHead), 0, MaxHead, false, ErrChunkLength},
		{"0\n" + long + "\n\n", 0, MaxHead + 2, false, ErrChunkLength},
		{"0\n" + strings.Repeat("a\n", MaxHead/2) + "\n", 0, MaxHead + 2, false, ErrChunkLength},
	}
	for _, test := range tests {
		if test.n < 0 {
			test.n = len(test.input) - len("HTTP")
		}
		var c Chunks
		n, body, done, err := c.Feed([]byte(test.input))
		if n != test.n || body != test.body || done != test.done || err != test.err {
			t.Errorf("%.50q: n %d, body %d, done %v, error %v", test.input, n, body, done, err)
		}
		n, body, done, err = c.Feed(nil)
		if n != 0 || body != 0 || done != test.done || err != test.err {
			t.Errorf("%.50q: the end does not stay: %d %d %v %v", test.input, n, body, done, err)
		}
		if len(test.input) < 1000 {
			checkPieces(t, []byte(test.input))
		}
	}
}

// checkPieces feeds the input whole, in two pieces cut anywhere, and byte by byte.
func checkPieces(t *testing.T, input []byte) {
	t.Helper()
	var whole Chunks
	n, body, done, err := whole.Feed(input)
	for cut := range input {
		var c Chunks
		n1, body1, done1, err1 := c.Feed(input[:cut])
		if n1 == cut {
			var n2 int
			var body2 uint64
			n2, body2, done1, err1 = c.Feed(input[cut:])
			n1, body1 = n1+n2, body1+body2
		}
		if n1 != n || body1 != body || done1 != done || err1 != err {
			t.Fatalf("cut at %d of %q: %d %d %v %v, whole %d %d %v %v", cut, input, n1, body1, done1, err1, n, body, done, err)
		}
	}
	var c Chunks
	total, payload := 0, uint64(0)
	for i := range input {
		k, b, _, _ := c.Feed(input[i : i+1])
		total, payload = total+k, payload+b
	}
	if total != n || payload != body || c != whole {
		t.Fatalf("byte by byte of %q: %d %d %+v, whole %d %d %+v", input, total, payload, c, n, body, whole)
	}
}

// FuzzChunks compares cuts with the whole, and the whole with net/http's reader where both take the input.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nT: u\r\n\r\nGET"))
	f.Add([]byte("a;x=y\n0123456789\r\n00\n\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 200 {
			return // the time of checkPieces grows with the square
		}
		checkPieces(t, input)
		var c Chunks
		n, body, done, err := c.Feed(input)
		if n > len(input) || (n < len(input) && !done && err == nil) || (n == len(input) && err != nil) || body > uint64(n) {
			t.Fatalf("%q: n %d of %d, done %v, error %v", input, n, len(input), done, err)
		}
		if !done {
			return // the time of checkPieces grows with the square
		}
		other, otherErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(input)))
		if otherErr == nil && uint64(len(other)) != body {
			t.Fatalf("%q: body %d, net/http reads %d", input, body, len(other))
		}
	})
}

// TestChunksWritten reads what another implementation writes.
func TestChunksWritten(t *testing.T) {
	var stream bytes.Buffer
	w := httputil.NewChunkedWriter(&stream)
	total := 0
	for size := 1; size < 5000; size += 17 {
		if _, err := w.Write(bytes.Repeat([]byte{'\n'}, size)); err != nil {
			t.Fatal(err)
		}
		total += size
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	stream.WriteString("\r\nHTTP")
	var c Chunks
	n, body, done, err := c.Feed(stream.Bytes())
	if n != stream.Len()-4 || body != uint64(total) || !done || err != nil {
		t.Errorf("n %d, body %d of %d, done %v, error %v", n, body, total, done, err)
	}
}
