package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
)

// self is the service.name of the test itself, which is the client of what it writes to the wire by hand.
const self = "endtoend.test"

// wire is a connection to a member on which requests are written byte by byte.
type wire struct {
	t     *testing.T
	group string
	to    *fleet.Member
	conn  net.Conn
	in    *bufio.Reader
}

func dial(t *testing.T, group string, m *fleet.Member) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Port))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &wire{t, group, m, conn, bufio.NewReader(conn)}
}

// request is a head to write; body is what follows it.
type request struct {
	method, path, version string // version 1.1 if empty
	headers               []string
	body                  string
	reply                 int64 // bytes of the reply's body
	status                int   // 200 if 0
}

// text gives the bytes of the request with a new token.
func (r *request) text() (token, text string) {
	token = newToken()
	version := r.version
	if version == "" {
		version = "1.1"
	}
	head := append([]string{fmt.Sprintf("%s %s/%s HTTP/%s", r.method, r.path, token, version), "Host: 127.0.0.1"}, r.headers...)
	return token, strings.Join(head, "\r\n") + "\r\n\r\n" + r.body
}

// write sends bytes. A connection that the server closed shows when its answer is read.
func (w *wire) write(text string) { io.WriteString(w.conn, text) }

// read reads the reply to a request and gives its status and the size of its body.
func (w *wire) read(method string) (int, int64, error) {
	reply, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return 0, 0, err
	}
	defer reply.Body.Close()
	n, err := io.Copy(io.Discard, reply.Body)
	return reply.StatusCode, n, err
}

// expect reads the reply to a request that was written at start, and books the request if the reply is right.
func (w *wire) expect(b *book, r request, token string, start int64) *want {
	w.t.Helper()
	status, size, err := w.read(r.method)
	if r.status == 0 {
		r.status = 200
	}
	if err != nil || status != r.status || size != r.reply {
		w.t.Errorf("%s: %s %s/%s: got %d, %d bytes, %v; want %d, %d bytes", w.group, r.method, r.path, token, status, size, err, r.status, r.reply)
		return &want{}
	}
	entry := &want{
		group: w.group, token: token, method: r.method, path: r.path + "/" + token, status: status,
		request: int64(len(r.body)), reply: size, start: start, end: time.Now().UnixNano(), hops: hops(self, w.to),
	}
	entry.hops[0].pgid = pgid()
	b.add(entry)
	return entry
}

// do writes a request in one piece and expects its reply.
func (w *wire) do(b *book, r request) *want {
	w.t.Helper()
	token, text := r.text()
	start := time.Now().UnixNano()
	w.write(text)
	return w.expect(b, r, token, start)
}

func pgid() int {
	id, err := syscall.Getpgid(os.Getpid())
	if err != nil {
		return 0
	}
	return id
}
