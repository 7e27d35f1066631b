package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const patience = 20 * time.Second

// Send gives a service one request over a connection of its own, byte for byte, and keeps the requests that reached the upstream
// before it answered. It is an error when it answers something else than 200, or has made another number of requests.
func Send(port int, x Exchange, up *Upstream) (Exchange, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		return x, fmt.Errorf("connect to service: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	lines := append([]string{
		fmt.Sprintf("GET /call/%s?n=%d HTTP/1.1", x.Token, x.Request.Calls),
		fmt.Sprintf("Host: 127.0.0.1:%d", port), "Connection: close",
	}, x.Request.Fields...)
	up.Take()
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		return x, fmt.Errorf("send request: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return x, fmt.Errorf("read answer: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return x, fmt.Errorf("read body of answer: %w", err)
	}
	x.Heads = up.Take()
	if response.StatusCode != http.StatusOK || len(x.Heads) != x.Request.Calls {
		return x, fmt.Errorf("answer %d after %d calls, not 200 after %d: %s", response.StatusCode, len(x.Heads), x.Request.Calls, text)
	}
	return x, nil
}

// SendAll sends every request of some cases, one after another.
func SendAll(port int, cases []Case, up *Upstream) ([]Exchange, error) {
	var all []Exchange
	for _, c := range cases {
		for _, r := range c.Requests {
			x, err := Send(port, Exchange{Case: c.Name, Token: fmt.Sprintf("t-%03d", len(all)), Request: r}, up)
			if err != nil {
				return all, fmt.Errorf("%s (%s): %w", c.Name, r.Variant, err)
			}
			all = append(all, x)
		}
	}
	return all, nil
}

// Upstream is a server that keeps the heads of the requests that it gets, as they came.
type Upstream struct {
	Port     int
	listener net.Listener
	mu       sync.Mutex
	heads    []Head
}

// Listen starts an upstream on a loopback port.
func Listen() (*Upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	u := &Upstream{Port: l.Addr().(*net.TCPAddr).Port, listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u, nil
}

// Close ends the upstream; connections that are open stay until their clients leave.
func (u *Upstream) Close() error { return u.listener.Close() }

// Take gives the heads since the last time.
func (u *Upstream) Take() []Head {
	u.mu.Lock()
	defer u.mu.Unlock()
	heads := u.heads
	u.heads = nil
	return heads
}

// serve answers GET requests, which have no body, until the client leaves.
func (u *Upstream) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	var raw strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if strings.TrimRight(line, "\r\n") != "" {
			raw.WriteString(line)
			continue
		}
		u.mu.Lock()
		u.heads = append(u.heads, ReadHead(raw.String()))
		u.mu.Unlock()
		raw.Reset()
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"); err != nil {
			return
		}
	}
}
