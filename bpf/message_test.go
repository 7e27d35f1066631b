package bpf

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// exchange is the truth about one request and its reply.
type exchange struct {
	request, reply string
	ended          // what must be seen of it; socket and server are those of the end that is looked at
}

// author writes random but valid HTTP/1.1.
type author struct{ *rand.Rand }

func newAuthor(seed uint64) author { return author{rand.New(rand.NewPCG(seed, 7))} }

func (a author) pick(s ...string) string { return s[a.IntN(len(s))] }

// size is often small, sometimes large, and never above most.
func (a author) size(most int) int {
	switch a.IntN(6) {
	case 0:
		return 0
	case 1:
		return a.IntN(most + 1)
	}
	return a.IntN(min(most, 300) + 1)
}

// fields are header fields that say nothing about framing.
func (a author) fields() string {
	var s strings.Builder
	for range a.IntN(8) {
		name := a.pick("Accept", "X-Content-Length", "Content-Type", "Content-Lengths", "Transfer", "t", "c", "Via", "Cookie", "Content-Lengt")
		fmt.Fprintf(&s, "%s:%s%s\r\n", name, a.pick("", " ", "\t "), strings.Repeat(a.pick("v", "content-length: 5;", ":"), a.IntN(20)))
	}
	if a.IntN(10) == 0 {
		fmt.Fprintf(&s, "X-Long: %s\r\n", strings.Repeat("l", a.IntN(12000)))
	}
	return s.String()
}

// body gives the framing field, the body as sent and its size.
func (a author) body() (field, sent string, size uint64) {
	switch a.IntN(3) {
	case 0:
		n := a.size(40000)
		name := a.pick("Content-Length", "content-length", "CONTENT-LENGTH", "Content-length")
		return fmt.Sprintf("%s:%s%d%s\r\n", name, a.pick("", " ", "  ", "\t"), n, a.pick("", "", " ")), a.content(n), uint64(n)
	case 1:
		sent, size = a.chunks()
		return a.pick("Transfer-Encoding: chunked\r\n", "transfer-encoding:chunked\r\n", "TRANSFER-ENCODING: \tchunked\r\n"), sent, size
	}
	return "", "", 0
}

// content looks like what a parser could take for something else.
func (a author) content(n int) string {
	unit := a.pick("b", "\r\n", "\n\n\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "0\r\n\r\n", "\x00\xff")
	return strings.Repeat(unit, n/len(unit)+1)[:n]
}

func (a author) chunks() (sent string, size uint64) {
	var s strings.Builder
	for range a.IntN(a.pick1(6, 6, 40)) {
		n := 1 + a.size(5000)
		extension := a.pick("", "", "", " ", ";name", ";name=\"value; x\"", ";"+strings.Repeat("e", a.IntN(100)))
		fmt.Fprintf(&s, "%s%s%s\r\n%s\r\n", a.pick("", "0", "000"), fmt.Sprintf(a.pick("%x", "%X"), n), extension, a.content(n))
		size += uint64(n)
	}
	s.WriteString(a.pick("0", "0", "00000") + a.pick("", ";last") + "\r\n")
	for range a.IntN(a.pick1(1, 3)) {
		s.WriteString("X-Trailer: " + strings.Repeat("t", a.IntN(100)) + "\r\n")
	}
	s.WriteString("\r\n")
	return s.String(), size
}

func (a author) pick1(n ...int) int { return n[a.IntN(len(n))] }

// exchange writes one; alone says that nothing is sent before its reply is there.
func (a author) exchange(i int, alone bool) exchange {
	x := exchange{}
	x.method = a.pick("GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "X-ODD~TOKEN")
	if alone && a.IntN(5) == 0 {
		x.method = "HEAD"
	}
	x.target = fmt.Sprintf("/%s/%d", a.pick("a", "b?c=d", strings.Repeat("long", 40)), i)
	field, body, size := a.body()
	if x.method == "GET" || x.method == "HEAD" {
		field, body, size = "", "", 0
	}
	x.requestBody = size
	x.request = fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\n%s%s%s\r\n%s", x.method, x.target, a.fields(), field, a.fields(), body)
	a.answer(&x)
	return x
}

func (a author) answer(x *exchange) {
	interim := ""
	for range a.IntN(a.pick1(1, 1, 1, 3)) {
		interim += a.pick("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n")
	}
	x.status = uint16(a.pick1(200, 200, 200, 201, 404, 500, 204, 304))
	field, body, size := a.body()
	switch {
	case x.status == 204 || x.status == 304:
		body, size = "", 0
		if x.status == 204 {
			field = ""
		}
	case field == "":
		field = "Content-Length: 0\r\n"
	}
	if x.method == "HEAD" {
		body, size = "", 0
	}
	x.replyBody = size
	x.reply = fmt.Sprintf("%sHTTP/1.1 %d %s\r\n%s%s%s\r\n%s", interim, x.status, a.pick("OK", "Some Reason", ""), a.fields(), field, a.fields(), body)
}

// conversation is a series of exchanges, some of them pipelined.
func (a author) conversation(n, depth int) [][]exchange {
	var out [][]exchange
	for i := 0; i < n; {
		size := 1 + a.IntN(depth)
		var batch []exchange
		for range size {
			batch = append(batch, a.exchange(i, size == 1))
			i++
		}
		out = append(out, batch)
	}
	return out
}
