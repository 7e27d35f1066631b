package proto

import (
	"bytes"
	"encoding/binary"
)

// FastCGI carries a request as parameters, name-value pairs (section 3.4 of its specification 1.0), whose names are those of CGI (RFC 3875,
// section 4.1), and an answer as the document of a CGI program (section 6). Both say what heads of HTTP/1 say, and are written as these.

// AppendParams appends the head of HTTP/1 that says the same as the parameters of a request. It ends where dst has no more room; a pair that
// is not whole ends the parameters. ErrStartLine: they name no method or no target.
func AppendParams(dst, params []byte) ([]byte, error) {
	var r cgi
	each(params, r.know)
	target := r.target()
	if len(r.method) == 0 || len(target[0]) == 0 || breaksLine(r.method) || breaksLine(target[0]) || breaksLine(target[2]) {
		return dst, ErrStartLine
	}
	version := versionCGI
	if string(r.protocol) == "HTTP/1.0" {
		version = version10
	}
	for _, part := range [...][]byte{r.method, space, target[0], target[1], target[2], version} {
		dst = appendRoom(dst, part)
	}
	each(params, func(name, value []byte) {
		if breaksLine(value) || breaksLine(name) || len(value) == 0 {
			return
		}
		field, ok := bytes.CutPrefix(name, []byte("HTTP_"))
		if !ok && string(name) != "CONTENT_TYPE" && string(name) != "CONTENT_LENGTH" {
			return
		}
		if !ok {
			field = name
		}
		at := len(dst)
		dst = appendRoom(dst, field)
		for i, c := range dst[at:] {
			dst[at+i] = fieldByte(c)
		}
		for _, part := range [...][]byte{colon, value, lineEnd} {
			dst = appendRoom(dst, part)
		}
	})
	return appendRoom(dst, lineEnd), nil
}

var (
	versionCGI = []byte(" HTTP/1.1\r\n")
	version10  = []byte(" HTTP/1.0\r\n")
	question   = []byte("?")
)

func breaksLine(b []byte) bool { return bytes.ContainsAny(b, "\r\n") }

// fieldByte undoes what CGI does to the names of fields.
func fieldByte(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return c
}

// cgi are the parameters that make the start line.
type cgi struct{ method, uri, script, query, protocol []byte }

func (r *cgi) know(name, value []byte) {
	switch string(name) {
	case "REQUEST_METHOD":
		r.method = value
	case "REQUEST_URI":
		r.uri = value
	case "SCRIPT_NAME":
		r.script = value
	case "QUERY_STRING":
		r.query = value
	case "SERVER_PROTOCOL":
		r.protocol = value
	}
}

// target is what the client asked for, or where that is not told what it came to.
func (r *cgi) target() [3][]byte {
	if len(r.uri) > 0 || len(r.query) == 0 {
		if len(r.uri) == 0 {
			return [3][]byte{r.script}
		}
		return [3][]byte{r.uri}
	}
	return [3][]byte{r.script, question, r.query}
}

// each calls visit with each whole pair.
func each(params []byte, visit func(name, value []byte)) {
	for len(params) > 0 {
		name, n := pairLength(params)
		value, m := pairLength(params[min(n, len(params)):])
		if n == 0 || m == 0 || uint64(len(params)) < uint64(n+m)+uint64(name)+uint64(value) {
			return
		}
		params = params[n+m:]
		visit(params[:name], params[name:name+value])
		params = params[name+value:]
	}
}

// pairLength reads a length of one byte, or of four of which the first bit is set. n is 0 where it is not whole.
func pairLength(b []byte) (length uint32, n int) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return uint32(b[0]), 1
	case len(b) >= 4:
		return binary.BigEndian.Uint32(b) &^ (1 << 31), 4
	}
	return 0, 0
}

// AppendAnswer appends the head of HTTP/1 that says the same as that of an answer. Without a Status it is 200, or 302 where it has a
// Location (RFC 3875, sections 6.2 and 6.3.3).
func AppendAnswer(dst, head []byte) []byte {
	status := []byte("200")
	for rest := head; len(rest) > 0; {
		size, text := line(rest)
		if size == 0 || len(text) == 0 {
			break
		}
		rest = rest[size:]
		name, value, _ := bytes.Cut(text, []byte(":"))
		value = bytes.TrimLeft(value, " \t")
		switch {
		case equalFold(name, "status") && len(value) >= 3 && readStatus(value[:3]) != 0:
			status = value[:3]
		case equalFold(name, "location") && string(status) == "200":
			status = []byte("302")
		}
	}
	for _, part := range [...][]byte{[]byte("HTTP/1.1 "), status, lineEnd, head} {
		dst = appendRoom(dst, part)
	}
	return dst
}
