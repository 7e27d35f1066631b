// Package listen owns who may ask the servers of weft: this machine, and beyond it whoever has the token, over TLS.
package listen

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// Options say how a server beyond loopback is protected.
type Options struct {
	Certificate, Key string // files in PEM form
	TokenFile        string // holds what a client has to send as Authorization: Bearer
	Open             bool   // anybody may ask, in clear text
}

// tokenMin is the shortest token that is taken, bytes.
const tokenMin = 16

var errBeyond = errors.New("an address beyond loopback needs listen.certificate, listen.key and listen.token.file, or listen.open if anybody may read it")

// A Door is a listener and the guard of what is served on it.
type Door struct {
	net.Listener
	local bool   // only this machine reaches it
	token []byte // its hash; nil: none is asked for
}

// Listen opens HOST:PORT. Beyond loopback it does so only with TLS and a token, or if the options say that it is open.
func (o Options) Listen(ctx context.Context, address string) (*Door, error) {
	d := &Door{local: isLoopback(address)}
	if d.local {
		o = Options{}
	}
	secure, err := o.secure(d)
	if err != nil {
		return nil, err
	}
	if !d.local && !o.Open && (secure == nil || d.token == nil) {
		return nil, fmt.Errorf("listen on %s: %w", address, errBeyond)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if d.Listener = l; secure != nil {
		d.Listener = tls.NewListener(l, secure)
	}
	return d, nil
}

// secure reads the files; nil: no TLS is asked for.
func (o Options) secure(d *Door) (*tls.Config, error) {
	if o.TokenFile != "" {
		token, err := os.ReadFile(o.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("listen.token.file: %w", err)
		}
		if token = bytes.TrimSpace(token); len(token) < tokenMin {
			return nil, fmt.Errorf("listen.token.file: the token in %s is shorter than %d bytes", o.TokenFile, tokenMin)
		}
		sum := sha256.Sum256(token)
		d.token = sum[:]
	}
	if o.Certificate == "" && o.Key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
	if err != nil {
		return nil, fmt.Errorf("listen.certificate and listen.key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}, nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Guard lets through who may ask: with the token, or else under a name that no page of a stranger can take on. A browser on this
// machine would otherwise read for a web site whose name it resolved to 127.0.0.1.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case d.token != nil && !d.knows(r.Header.Get("Authorization")):
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send Authorization: Bearer and the token of listen.token.file", http.StatusUnauthorized)
		case d.token == nil && !d.named(r.Host):
			http.Error(w, "ask by the address of this machine, not by another name", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (d *Door) knows(authorization string) bool {
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(sum[:], d.token) == 1
}

// named tells whether a Host header is an address: of loopback only, if only this machine may ask.
func (d *Door) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && (!d.local || ip.IsLoopback())
}
