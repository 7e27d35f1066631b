package matrix

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
)

// place is where the programs of a test are and what they share.
type place struct {
	cache, dir, weft string
	tag              string // in the command line of each program, by which weft chooses them
	cert, key        string
}

func prepare(t *testing.T, parts []string) *place {
	t.Helper()
	check(t, fleet.InstallPackages())
	cache, err := fleet.InstallAgent()
	check(t, err)
	install := exec.Command("bash", append([]string{"../../install/matrix.sh", cache}, parts...)...)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", install.Args, err, out)
	}
	dir, err := os.MkdirTemp("", "weft-matrix-")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	p := &place{cache: cache, dir: dir, weft: filepath.Join(cache, "bin", "weft"), tag: filepath.Base(dir)}
	p.certify(t)
	p.write(t, "D70000", strings.Repeat("x", 70000))
	p.write(t, "D20000", strings.Repeat("x", 20000))
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) built(parts ...string) string {
	return filepath.Join(append([]string{p.cache}, parts...)...)
}

func (p *place) write(t *testing.T, name, text string) string {
	t.Helper()
	check(t, os.WriteFile(p.path(name), []byte(text), 0o644))
	return p.path(name)
}

// certify makes a key and a certificate that signs itself.
func (p *place) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	// rustls and Java want a name and a time from which on it holds.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	p.cert, p.key = p.write(t, "cert.pem", cert), p.write(t, "key.pem", secret)
	p.write(t, "pair.pem", cert+secret)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close() //nolint:errcheck // it was only to get a port
	return l.Addr().String()
}

func await(t *testing.T, name, address string) {
	t.Helper()
	for range 400 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen on %s", name, address)
}

// command makes a command of a process group of its own, with what all programs are told by their environment.
func (p *place) command(secure bool, l *load, argv ...string) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "ANSWERS="+strings.Join(l.answers(), ","), "LOAD="+l.id)
	if secure {
		c.Env = append(c.Env, "CERT="+p.cert, "KEY="+p.key)
	}
	c.Dir = p.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return c
}

// start starts a server until the test ends.
func (p *place) start(t *testing.T, c *exec.Cmd) int {
	t.Helper()
	log, err := os.Create(p.path(fmt.Sprintf("log.%d", time.Now().UnixNano())))
	check(t, err)
	c.Stdout, c.Stderr = log, log
	check(t, c.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		late := time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		_ = c.Wait()
		late.Stop()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() && len(text) > 0 {
			t.Logf("%v: %.2000s", c.Args, text)
		}
	})
	return c.Process.Pid
}
