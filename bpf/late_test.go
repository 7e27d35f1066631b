package bpf

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// late is a socket whose writes return only when they are let go.
type late struct {
	net.Conn
	hold chan struct{}
}

func (l *late) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	if l.hold != nil {
		<-l.hold
	}
	return n, err
}

// TestTLSClosedInWrite has a client whose connection is answered and closed before its write has returned, which is when the request is told.
func TestTLSClosedInWrite(t *testing.T) {
	for name, before := range map[string][]string{"first request": nil, "another request": {"/first"}} {
		t.Run(name, func(t *testing.T) {
			k := startTLS(t)
			c := newTalk(t, tls.VersionTLS13, func(conn net.Conn) net.Conn { return &late{Conn: conn} })
			for _, target := range before {
				c.ask(target)
			}
			socket := c.client.NetConn().(*late)
			socket.hold = make(chan struct{})
			written := make(chan struct{})
			go func() {
				defer close(written)
				c.write("/late")
			}()
			c.read("/late")
			c.end()
			time.Sleep(50 * time.Millisecond) // the last segments of a connection take their time
			close(socket.hold)
			<-written
			k.pairs(append(before, "/late"), "1.3", true)
			k.empty()
			if len(k.closed) != 2 {
				t.Errorf("%d of 2 ends were told", len(k.closed))
			}
			if n := k.count(WeftCountCOUNT_TLS_UNTIED); n != 0 {
				t.Errorf("%d were of no socket", n)
			}
		})
	}
}
