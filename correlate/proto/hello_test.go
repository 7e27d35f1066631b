package proto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// handshake gives the bytes that each end of a real handshake sends.
func handshake(t testing.TB, version uint16) (client, server []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	sent, received := &tape{Conn: near}, &tape{Conn: far}
	s := tls.Server(received, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}, MaxVersion: version,
	})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	c := tls.Client(sent, &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true, NextProtos: []string{"http/1.1", "acme"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return sent.written.Bytes(), received.written.Bytes()
}

type tape struct {
	net.Conn
	written bytes.Buffer
}

func (t *tape) Write(b []byte) (int, error) {
	t.written.Write(b)
	return t.Conn.Write(b)
}

func TestHello(t *testing.T) {
	for version, want := range map[uint16]Hello{
		tls.VersionTLS12: {Version: "1.2", Protocol: "http/1.1"},
		tls.VersionTLS13: {Version: "1.3"}, // the protocol is encrypted
	} {
		client, server := handshake(t, version)
		for _, test := range []struct {
			bytes []byte
			want  Hello
		}{{client, Hello{Client: true, ServerName: "shop.example", Offered: 2}}, {server, want}} {
			first := recordHeader + int(test.bytes[3])<<8 + int(test.bytes[4])
			for n := range first {
				if h, whole, err := ParseHello(test.bytes[:n]); whole || err != nil {
					t.Fatalf("%s: %d of %d bytes: %+v, %v", want.Version, n, first, h, err)
				}
			}
			if h, whole, err := ParseHello(test.bytes); !whole || err != nil || h != test.want {
				t.Errorf("%s: %+v %v %v, want %+v", want.Version, h, whole, err, test.want)
			}
		}
	}
}

func TestHelloMalformed(t *testing.T) {
	client, _ := handshake(t, tls.VersionTLS12)
	short := bytes.Clone(client)
	short[recordHeader+4+2+32] = 0xff // the session id goes past the end
	short[3], short[4] = 0, 60
	for name, b := range map[string][]byte{
		"HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "data": {23, 3, 3, 0, 1, 0}, "another version": {22, 2, 0, 0, 1, 1},
		"a certificate": {22, 3, 3, 0, 4, 11, 0, 0, 0}, "cut inside": short,
	} {
		if h, whole, err := ParseHello(b); whole || err == nil {
			t.Errorf("%s: %+v %v %v", name, h, whole, err)
		}
	}
}

// FuzzHello holds the parser to its contract: no panic, nothing of the bytes but names of visible ASCII, and more bytes never make an
// error of what was whole.
func FuzzHello(f *testing.F) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := handshake(f, version)
		f.Add(client)
		f.Add(server)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, whole, err := ParseHello(b)
		if whole && err != nil || !whole && h != (Hello{}) {
			t.Fatalf("%+v %v %v", h, whole, err)
		}
		for _, c := range h.ServerName + h.Protocol {
			if c <= ' ' || c > '~' {
				t.Fatalf("%q %q", h.ServerName, h.Protocol)
			}
		}
		again, stays, err := ParseHello(append(bytes.Clone(b), 0))
		if whole && (again != h || !stays || err != nil) {
			t.Fatalf("one byte more: %+v, before %+v", again, h)
		}
	})
}
