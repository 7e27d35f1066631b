package bpf

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"slices"
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

// lateRead is a socket whose reads return only when they are let go.
type lateRead struct {
	net.Conn
	hold, got chan struct{}
}

func (l *lateRead) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if l.hold != nil && n > 0 {
		l.got <- struct{}{}
		<-l.hold
	}
	return n, err
}

// serveHalf answers the first request, begins to answer the second, and waits for the end.
func serveHalf(conn *tls.Conn) error {
	defer conn.Close()
	request := make([]byte, 4096)
	for _, length := range []int{5, 1000} {
		if _, err := conn.Read(request); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello", length); err != nil {
			return err
		}
	}
	_, _ = conn.Read(request) // the client leaves without a word
	return nil
}

// TestTLSReadAfterEnd has a connection whose last read returns when its socket has ended, and another one whose object lies at the same address
// after that: what was left of the first is no part of the second.
func TestTLSReadAfterEnd(t *testing.T) {
	k := startTLS(t)
	c := newTalkTo(t, tls.VersionTLS13, func(conn net.Conn) net.Conn { return &lateRead{Conn: conn} }, serveHalf)
	c.write("/first")
	_, err := c.reader.ReadString('\n')
	check(t, err)
	socket := c.client.NetConn().(*lateRead)
	c.write("/late")
	socket.hold, socket.got = make(chan struct{}), make(chan struct{})
	read := make(chan error)
	go func() {
		_, err := c.client.Read(make([]byte, 4096))
		read <- err
	}()
	<-socket.got
	check(t, socket.Conn.Close())
	check(t, <-c.done)
	time.Sleep(50 * time.Millisecond) // the last segments of a connection take their time
	close(socket.hold)
	check(t, <-read)

	d := newTalk(t, tls.VersionTLS13, func(conn net.Conn) net.Conn { return conn })
	reflect.ValueOf(c.client).Elem().Set(reflect.ValueOf(d.client).Elem()) // nobody uses either at the moment
	d.client, d.reader = c.client, bufio.NewReader(c.client)
	d.ask("/second")
	d.ask("/third")
	d.end()
	k.drain()
	of := func(s secure) bool { return s.target != "/second" && s.target != "/third" }
	k.secure = slices.DeleteFunc(k.secure, of)
	if len(k.secure) != 4 {
		t.Errorf("%d ends of 2 requests: %+v", len(k.secure), k.secure)
	}
	for _, s := range k.secure {
		if s.nameLocal == 0 || s.wire == 0 {
			t.Errorf("told without a connection: %+v", s)
		}
	}
}
