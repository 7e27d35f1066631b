package bpf

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	chance "math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/net/http2"

	"weft/agent/golang"
	"weft/correlate/event"
)

// secure is an exchange over TLS as the flow table told it.
type secure struct {
	server              bool
	target              string
	wire                uint64
	nameLocal, namePeer uint64
	version, serverName string
	timed               bool
}

func sessionOf(sample []byte) event.Event {
	r := as[WeftSessionRecord](sample)
	return event.Event{Kind: event.KindSession, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, Session: event.Session{
		Under: r.Under, Hello: r.Hello, Handshake: r.Handshake, Data: r.Data, Offset: r.Offset, Wire: r.Wire,
	}}
}

// startTLS is start, with probes on the crypto/tls of this very program.
func startTLS(t *testing.T) *capture {
	t.Helper()
	k := startSealed(t)
	k.probe()
	return k
}

// startSealed is start, with TLS followed on sockets only.
func startSealed(t *testing.T) *capture {
	t.Helper()
	s := everything()
	s.Tls = 1
	k := load(t, s)
	k.traceSelf(t)
	k.attach()
	return k
}

// probe puts the probes on the crypto/tls of this program.
func (k *capture) probe() {
	k.t.Helper()
	calls, err := golang.InspectTLS(self)
	check(k.t, err)
	for call, entry := range map[*golang.Call]*ebpf.Program{
		calls.Read: k.objects.GoTlsReadBegins, calls.Write: k.objects.GoTlsWriteBegins,
	} {
		put(k.t, self, k.objects.GoTlsReturns, 0, call.Returns...)
		put(k.t, self, entry, 0, call.Entry)
	}
}

// unread holds how many sockets under TLS are counted of which nothing was read, and how many of which the beginning was not.
func (k *capture) unread(nothing, late uint64) {
	k.t.Helper()
	if n, l := k.count(WeftCountCOUNT_TLS_UNREAD), k.count(WeftCountCOUNT_TLS_LATE); n != nothing || l != late {
		k.t.Errorf("of %d sockets nothing was read, want %d; of %d the beginning was not, want %d", n, nothing, l, late)
	}
}

// byteWise sends what is written a byte at a time, from some number of writes on.
type byteWise struct{ net.Conn }

func (c byteWise) Write(b []byte) (n int, err error) {
	for ; n < len(b) && err == nil; n++ {
		_, err = c.Conn.Write(b[n : n+1])
	}
	return n, err
}

// talk is a connection over TLS between two goroutines of this process.
type talk struct {
	t      *testing.T
	client *tls.Conn
	reader *bufio.Reader
	done   chan error
}

func newTalk(t *testing.T, version uint16, wrap func(net.Conn) net.Conn) *talk {
	t.Helper()
	return newTalkTo(t, version, wrap, serve)
}

func newTalkTo(t *testing.T, version uint16, wrap func(net.Conn) net.Conn, serve func(*tls.Conn) error) *talk {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	k := &talk{t: t, done: make(chan error, 1)}
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version}
			err = serve(tls.Server(wrap(conn), config))
		}
		k.done <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	check(t, err)
	check(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	k.client = tls.Client(wrap(conn), &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"})
	check(t, k.client.Handshake())
	k.reader = bufio.NewReader(k.client)
	return k
}

// serve answers each request with its own target.
func serve(conn *tls.Conn) error {
	defer conn.Close()
	if err := conn.Handshake(); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 4096)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil //nolint:nilerr // the client has ended
		}
		for field := line; field != "\r\n"; {
			if field, err = r.ReadString('\n'); err != nil {
				return err
			}
		}
		target := strings.Fields(line)[1]
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(target), target); err != nil {
			return err
		}
	}
}

func (k *talk) ask(targets ...string) {
	k.t.Helper()
	k.write(targets...)
	k.read(targets...)
}

func (k *talk) write(targets ...string) {
	k.t.Helper()
	var text strings.Builder
	for _, target := range targets {
		fmt.Fprintf(&text, "GET %s HTTP/1.1\r\nHost: shop.example\r\n\r\n", target)
	}
	_, err := io.WriteString(k.client, text.String())
	check(k.t, err)
}

func (k *talk) read(targets ...string) {
	k.t.Helper()
	for _, target := range targets {
		for line := ""; line != "\r\n"; {
			var err error
			line, err = k.reader.ReadString('\n')
			check(k.t, err)
		}
		got := make([]byte, len(target))
		_, err := io.ReadFull(k.reader, got)
		check(k.t, err)
		if string(got) != target {
			k.t.Fatalf("asked for %s, got %s", target, got)
		}
	}
}

func (k *talk) end() {
	k.t.Helper()
	k.client.Close()
	check(k.t, <-k.done)
}

// pairs holds that each target was seen once by each end, and that both ends name it alike.
func (k *capture) pairs(targets []string, version string, named bool) {
	k.t.Helper()
	k.drain()
	if len(k.secure) != 2*len(targets) || len(k.ended) != len(k.secure) {
		k.t.Fatalf("%d exchanges, %d over TLS, of %d requests: %+v", len(k.ended), len(k.secure), len(targets), k.secure)
	}
	for _, target := range targets {
		var ends [2]*secure
		for i := range k.secure {
			s := &k.secure[i]
			if s.target != target {
				continue
			}
			if s.server {
				ends[1] = s
			} else {
				ends[0] = s
			}
			if s.version != version || (version != "" && (s.serverName != "shop.example" || !s.timed)) {
				k.t.Errorf("%+v", *s)
			}
		}
		c, s := ends[0], ends[1]
		if c == nil || s == nil {
			k.t.Fatalf("%s: client %v, server %v", target, c, s)
		}
		if c.nameLocal == 0 || c.nameLocal != s.namePeer || c.namePeer != s.nameLocal {
			k.t.Errorf("%s: the ends are of different connections: %+v, %+v", target, *c, *s)
		}
		if named && (c.wire == 0 || c.wire != s.wire) {
			k.t.Errorf("%s: at %d of the client's stream and %d of the server's", target, c.wire, s.wire)
		}
	}
}

// empty holds that nothing is kept of connections that are over.
func (k *capture) empty() {
	k.t.Helper()
	var key [16]byte
	var cookie uint64
	var session, socket error
	for range 100 { // the last segments of a connection take their time
		session, socket = k.objects.Sessions.NextKey(nil, &key), k.objects.TlsSockets.NextKey(nil, &cookie)
		if session != nil && socket != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.t.Errorf("a session is left: %t, a socket is left: %t", session == nil, socket == nil)
}

func asIs(c net.Conn) net.Conn { return c }

func TestTLS(t *testing.T) {
	k := startTLS(t)
	split := func(c net.Conn) net.Conn { return byteWise{c} }
	for name, test := range map[string]struct {
		version uint16
		text    string
		wrap    func(net.Conn) net.Conn
	}{
		"1.2":              {tls.VersionTLS12, "1.2", asIs},
		"1.3":              {tls.VersionTLS13, "1.3", asIs},
		"1.2 byte by byte": {tls.VersionTLS12, "1.2", split},
		"1.3 byte by byte": {tls.VersionTLS13, "1.3", split},
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			k.forget()
			c := newTalk(t, test.version, test.wrap)
			targets := []string{"/first", "/second/" + strings.Repeat("x", 3000), "/third"}
			for _, target := range targets {
				c.ask(target)
			}
			c.end()
			k.pairs(targets, test.text, true)
			k.empty()
			k.unread(0, 0)
		})
	}
}

// TestTLSAsLongAsFinished has first requests that are as long as the plaintext of the client's last record of the handshake would be under another
// cipher: the server does not take that record for theirs.
func TestTLSAsLongAsFinished(t *testing.T) {
	k := startTLS(t)
	for _, target := range []string{"/before", "/longer-by-16", "/longer-by-another-17"} {
		k.forget()
		c := newTalk(t, tls.VersionTLS13, asIs)
		c.ask(target)
		c.end()
		k.pairs([]string{target}, "1.3", true)
		k.empty()
	}
}

// TestTLSPipelined has several requests in one record: all are seen, and only where the first one is can be said.
func TestTLSPipelined(t *testing.T) {
	k := startTLS(t)
	c := newTalk(t, tls.VersionTLS13, asIs)
	targets := []string{"/a", "/b", "/c"}
	c.ask(targets...)
	c.end()
	k.pairs(targets, "1.3", false)
	for _, s := range k.secure {
		if (s.wire != 0) != (s.target == "/a") {
			t.Errorf("%+v", s)
		}
	}
}

// TestTLSOlder starts in the middle of a connection: both ends are joined all the same. The read that the server was in is not seen.
func TestTLSOlder(t *testing.T) {
	c := newTalk(t, tls.VersionTLS13, asIs)
	c.ask("/before")
	k := startTLS(t)
	c.ask("/unseen")
	k.forget()
	targets := []string{"/one", "/two", "/three"}
	for _, target := range targets {
		c.ask(target)
	}
	c.end()
	k.pairs(targets, "", true)
	k.empty()
}

// TestTLSSessionIsMadeAgain has a server whose session goes while it is in a read, as one for which there was no room at first: what it reads is
// told all the same.
func TestTLSSessionIsMadeAgain(t *testing.T) {
	k := startTLS(t)
	c := newTalk(t, tls.VersionTLS13, asIs)
	c.ask("/before")
	time.Sleep(50 * time.Millisecond) // the server is in its next read
	k.forget()
	var key WeftSessionKey
	for k.objects.Sessions.NextKey(nil, &key) == nil {
		check(t, k.objects.Sessions.Delete(&key))
	}
	c.ask("/after")
	c.end()
	k.pairs([]string{"/after"}, "1.3", false)
	k.empty()
	if n := k.count(WeftCountCOUNT_TLS_REFUSED); n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// TestTLSUnread has connections that nobody reads: both ends of each are counted, but for those of one on which nothing was said.
func TestTLSUnread(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			k := startSealed(t)
			newTalk(t, version, asIs).end()
			k.empty()
			k.unread(0, 0)
			c := newTalk(t, version, asIs)
			c.ask("/unseen")
			c.end()
			k.empty()
			k.unread(2, 0)
			if k.drain(); len(k.ended) != 0 {
				t.Errorf("%+v", k.ended)
			}
		})
	}
}

// TestTLSLate has a connection whose first requests came before the probes: both of its ends are counted, and those of the next are not.
func TestTLSLate(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			k := startSealed(t)
			c := newTalk(t, version, asIs)
			for range 4 {
				c.ask("/unseen")
			}
			k.probe()
			c.ask("/read")
			c.ask("/read")
			c.end()
			k.empty()
			k.unread(0, 2)
			c = newTalk(t, version, asIs)
			c.ask("/whole")
			c.end()
			k.empty()
			k.unread(0, 2)
		})
	}
}

// TestTLSLateFrames has a connection of HTTP/2 whose client has said its preface before the probes, and whose server its settings behind them:
// what the client sends from then on is read at both ends.
func TestTLSLateFrames(t *testing.T) {
	k := startSealed(t)
	before, behind, answer := newFramed(http2.ClientPreface), newFramed(""), newFramed("")
	check(t, before.WriteSettings())
	check(t, answer.WriteSettings())
	check(t, behind.WriteSettingsAck())
	behind.headers(chance.New(chance.NewPCG(1, 1)), 1, 30, 1, true)
	begun, probed := make(chan bool), make(chan bool)
	c := newTalkTo(t, tls.VersionTLS13, asIs, func(conn *tls.Conn) error {
		defer conn.Close()
		_, err := io.ReadFull(conn, make([]byte, before.Len()))
		begun <- true
		<-probed
		if err == nil {
			_, err = conn.Write(answer.Bytes())
		}
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, behind.Len()))
		}
		return err
	})
	_, err := c.client.Write(before.Bytes())
	check(t, err)
	<-begun
	k.probe()
	probed <- true
	_, err = io.ReadFull(c.client, make([]byte, answer.Len()))
	check(t, err)
	_, err = c.client.Write(behind.Bytes())
	check(t, err)
	c.end()
	k.drain()
	ends := map[event.Direction]int{}
	for _, r := range k.records {
		if r.text == behind.want[0].frame {
			ends[r.Direction]++
		}
	}
	if ends[event.Send] != 1 || ends[event.Receive] != 1 {
		t.Errorf("the client's request is told %v", ends)
	}
}

// memory is what a TLS library writes to where it has no socket: with hold, what is written waits for flush.
type memory struct {
	net.Conn
	hold bool
	held []byte
}

func (m *memory) Write(b []byte) (int, error) {
	if !m.hold {
		return m.Conn.Write(b)
	}
	m.held = append(m.held, b...)
	return len(b), nil
}

func (m *memory) flush() error {
	_, err := m.Conn.Write(m.held)
	m.hold, m.held = false, nil
	return err
}

// TestTLSLateInMemory: a client whose first plaintext is seen before it is known on which socket it goes out is counted, if more than its
// handshake had gone out there; and only then.
func TestTLSLateInMemory(t *testing.T) {
	for _, unseen := range []int{0, 1} {
		t.Run(fmt.Sprint(unseen), func(t *testing.T) {
			k := startSealed(t)
			c := newTalk(t, tls.VersionTLS13, func(conn net.Conn) net.Conn { return &memory{Conn: conn} })
			for range unseen {
				c.ask("/unseen")
			}
			k.probe()
			for range 2 {
				socket := c.client.NetConn().(*memory)
				socket.hold = true
				c.write("/read")
				check(t, socket.flush())
				c.read("/read")
			}
			c.end()
			k.empty()
			k.unread(0, uint64(unseen))
		})
	}
}

// TestTLSOff leaves TLS alone when it is told to.
func TestTLSOff(t *testing.T) {
	k := start(t)
	c := newTalk(t, tls.VersionTLS13, asIs)
	c.ask("/")
	c.end()
	k.drain()
	if len(k.ended) != 0 || k.count(WeftCountCOUNT_TLS_SOCKETS) != 0 {
		t.Errorf("%+v", k.ended)
	}
}

// TestSweepSessions: sessions of processes that have ended go, and those that nothing else would end; the others stay.
func TestSweepSessions(t *testing.T) {
	k := load(t, everything())
	const ended, alive, idle = 7, 8, 1000
	for object := range uint64(10) {
		check(t, k.objects.Sessions.Put(&WeftSessionKey{Object: object, Tgid: ended + object%2}, &WeftSession{}))
	}
	for i, stays := range []WeftSession{
		{Loose: 1, Under: 5},
		{Loose: 2, State: WeftSocketState{Previous: idle}},
	} {
		check(t, k.objects.Sessions.Put(&WeftSessionKey{Object: 100 + uint64(i), Tgid: alive}, &stays))
	}
	check(t, k.objects.Sessions.Put(&WeftSessionKey{Object: 200, Tgid: alive}, &WeftSession{Loose: 2, State: WeftSocketState{Previous: idle - 1}}))
	n, err := SweepSessions(k.objects.Sessions, func(pid uint32) bool { return pid == ended }, idle)
	check(t, err)
	var key WeftSessionKey
	var left []WeftSessionKey
	for err = k.objects.Sessions.NextKey(nil, &key); err == nil; err = k.objects.Sessions.NextKey(&left[len(left)-1], &key) {
		left = append(left, key)
		if key.Tgid != alive || key.Object == 200 {
			t.Errorf("%+v was left", key)
		}
	}
	if n != 6 || len(left) != 7 {
		t.Errorf("%d forgotten, %d left, want 6 and 7", n, len(left))
	}
}
