package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair makes a certificate for 127.0.0.1.
func pair(t *testing.T) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return file(t, "tls.crt", public), file(t, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), pool
}

// serve opens a door to a page that says hello.
func serve(t *testing.T, o Options, address string) *Door {
	t.Helper()
	d, err := o.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: d.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))}
	go func() { _ = s.Serve(d) }()
	t.Cleanup(func() { _ = s.Close() })
	return d
}

// ask gives the status of a request to a door through 127.0.0.1.
func ask(t *testing.T, d *Door, client *http.Client, scheme, host, authorization string) int {
	t.Helper()
	_, port, _ := net.SplitHostPort(d.Addr().String())
	r, err := http.NewRequest(http.MethodGet, scheme+"://127.0.0.1:"+port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestLoopbackAnswersByItsAddressOnly(t *testing.T) {
	d := serve(t, Options{}, "127.0.0.1:0")
	for host, want := range map[string]int{
		"": 200, "127.0.0.1": 200, "127.0.0.1:9464": 200, "localhost": 200, "localhost:1": 200, "[::1]:5": 200, "127.8.8.8": 200,
		"evil.example": 421, "evil.example:9464": 421, "10.0.0.1": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
	} {
		if got := ask(t, d, http.DefaultClient, "http", host, ""); got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
}

func TestBeyondLoopbackNeedsTLSAndAToken(t *testing.T) {
	certificate, key, pool := pair(t)
	token := file(t, "token", []byte("0123456789abcdef\n"))
	for _, o := range []Options{
		{}, {TokenFile: token}, {Certificate: certificate, Key: key}, {Certificate: certificate, TokenFile: token},
		{Certificate: certificate, Key: key, TokenFile: file(t, "token", []byte("short"))}, {Certificate: certificate, Key: key, TokenFile: "/no/such/file"},
	} {
		if d, err := o.Listen(t.Context(), "0.0.0.0:0"); err == nil {
			_ = d.Close()
			t.Errorf("%+v listens", o)
		} else if !strings.Contains(err.Error(), "listen.") {
			t.Errorf("%+v: the message names no setting: %v", o, err)
		}
	}
	d := serve(t, Options{Certificate: certificate, Key: key, TokenFile: token}, "0.0.0.0:0")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for authorization, want := range map[string]int{
		"Bearer 0123456789abcdef": 200, "": 401, "Bearer 0123456789abcdeX": 401, "Basic 0123456789abcdef": 401, "Bearer ": 401,
	} {
		if got := ask(t, d, client, "https", "weft.example", authorization); got != want {
			t.Errorf("%q: %d, want %d", authorization, got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	d := serve(t, Options{Open: true}, "0.0.0.0:0")
	for host, want := range map[string]int{"": 200, "10.1.2.3:9464": 200, "evil.example": 421} {
		if got := ask(t, d, http.DefaultClient, "http", host, ""); got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
}
