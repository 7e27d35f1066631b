package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// sealed is an nginx that has the kernel encrypt: what OpenSSL writes is in clear on its way to the socket, and files go there without
// having been in its memory.
const sealed = `daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/error.log info;
events { }
http {
  access_log off;
  sendfile on;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  server {
    listen 127.0.0.1:8443 ssl http2;
    ssl_certificate DIR/cert.pem;
    ssl_certificate_key DIR/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_conf_command Options KTLS;
    root DIR;
    location /refused/ { return 503 "no\n"; }
  }
}
`

// page is what is asked for, and what comes.
type page struct {
	path   string
	status int
	size   int64
}

// pages are asked for in turn: what nginx writes, and what it has sent from a file, shorter and longer than a record and than a socket's
// buffer takes at a time.
var pages = []page{{"/small", 200, 100}, {"/large", 200, 3_000_000}, {"/refused/", 503, 3}, {"/medium", 200, 40_000}, {"/empty", 200, 0}}

const rounds = 4

// A way is how they are asked for, on one connection.
type way struct {
	name    string // part of its paths
	version uint16
	http2   bool
}

var ways = []way{{"1.2", tls.VersionTLS12, false}, {"1.3", tls.VersionTLS13, false}, {"h2", tls.VersionTLS13, true}}

// TestKernelTLS asks nginx with kernel TLS by both versions of it and by HTTP/2. Each request has a span at each end, with its
// status and size, and the two are joined where that can be.
func TestKernelTLS(t *testing.T) {
	dir := t.TempDir()
	for at := dir; at != "/tmp"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeSealed(t, dir)
	server := exec.Command("/usr/sbin/nginx", "-p", dir, "-e", dir+"/error.log", "-c", dir+"/nginx.conf")
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	w, err := tracer.Start(os.Getenv("WEFT"), tracer.Options{Args: []string{"--hook", os.Getenv("WEFT_HOOK"), "--control", "/run/weft"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	before := sealedByKernel(t)
	for _, w := range ways {
		askSealed(t, w)
	}
	if n := sealedByKernel(t) - before; n < len(ways) {
		t.Fatalf("the kernel has encrypted on %d connections, want %d", n, len(ways))
	}
	want := 2 * len(ways) * rounds * len(pages)
	w.Await(20*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= want })
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	// Where the newest kernels leave a program out (see verify), a connection of HTTP/2 lacks what comes behind it: there all requests are
	// answered, which a program that brings the kernel down is in the way of, and no span is told twice.
	if missed := w.Counts.Kernel["programs_missed"]; missed == 0 {
		verifySealed(t, w.Spans())
	} else if n := len(w.Spans()); n > want || n == 0 {
		t.Errorf("%d spans and %d operations missed, want at most %d", n, missed, want)
	}
	if t.Failed() {
		log, _ := os.ReadFile(dir + "/error.log")
		t.Logf("weft counted %+v and wrote:\n%s\nnginx wrote:\n%s", w.Counts, w.Log(), log)
		for _, s := range w.Spans() {
			t.Log(s)
		}
	}
}

// verifySealed holds the spans against what was asked for.
func verifySealed(t *testing.T, spans []*tracer.Span) {
	t.Helper()
	clients := map[string]*tracer.Span{}
	byPath := map[string][]*tracer.Span{}
	for _, s := range spans {
		byPath[s.Path()] = append(byPath[s.Path()], s)
		if s.Kind == tracer.Client {
			clients[s.SpanID] = s
		}
	}
	count := 0
	for _, w := range ways {
		for i := range rounds {
			for _, p := range pages {
				path := p.at(w, i)
				seen := map[int]int{}
				count += len(byPath[path])
				for _, s := range byPath[path] {
					seen[s.Kind]++
					if s.Attr.Int("http.response.status_code") != int64(p.status) || s.Attr.Int("http.response.body.size") != p.size {
						t.Errorf("%s: %v %v", path, s, s.Attr)
					}
					parent := clients[s.ParentID]
					if s.Kind == tracer.Server && (parent == nil && w.joined() || parent != nil && parent.Path() != path) {
						t.Errorf("%s has the parent %v: %v", path, parent, s)
					}
				}
				if seen[tracer.Server] != 1 || seen[tracer.Client] != 1 {
					t.Errorf("%s: %d server and %d client spans", path, seen[tracer.Server], seen[tracer.Client])
				}
			}
		}
	}
	if count != len(spans) {
		t.Errorf("%d spans are of no request", len(spans)-count)
	}
}

// joined tells whether the ends of a connection can be joined. By TLS 1.2 OpenSSL 3.0 also has the kernel decrypt, which the returns of
// tcp_recvmsg do not show, by fexit or kretprobe.
func (w way) joined() bool {
	return w.version != tls.VersionTLS12 || os.Getenv("WEFT_HOOK") == "tracepoint"
}

// at is the path of a page in one round in one way.
func (p page) at(w way, round int) string {
	if p.path == "/refused/" {
		return fmt.Sprintf("/refused/%s/%d", w.name, round)
	}
	return fmt.Sprintf("/%s/%d%s", w.name, round, p.path)
}

// sealedByKernel is on how many connections the kernel has begun to encrypt.
func sealedByKernel(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tls_stat")
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var n int
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscan(line, &name, &n); err == nil && name == "TlsTxSw" {
			return n
		}
	}
	t.Fatalf("the kernel does not count what it has encrypted: %s", b)
	return 0
}

func askSealed(t *testing.T, w way) {
	t.Helper()
	settings := &tls.Config{InsecureSkipVerify: true, MinVersion: w.version, MaxVersion: w.version}
	transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: w.http2}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for i := range rounds {
		for _, p := range pages {
			r, err := client.Get("https://127.0.0.1:8443" + p.at(w, i))
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if err != nil || n != p.size || r.StatusCode != p.status || (r.ProtoMajor == 2) != w.http2 {
				t.Fatalf("%s: %v, %d bytes of status %d by %s", p.at(w, i), err, n, r.StatusCode, r.Proto)
			}
		}
	}
}

// writeSealed writes nginx's configuration, its certificate and its files.
func writeSealed(t *testing.T, dir string) {
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
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"nginx.conf": []byte(strings.ReplaceAll(sealed, "DIR", dir)),
		"cert.pem":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"key.pem":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	for _, w := range ways {
		for i := range rounds {
			for _, p := range pages {
				if p.status == 200 {
					files[p.at(w, i)] = make([]byte, p.size)
				}
			}
		}
	}
	for name, b := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
