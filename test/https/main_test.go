// Package https traces real servers and clients that speak TLS with weft, and holds what it tells against what they did: a span for
// each end of each request, with the right parent, and nothing else.
package https

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// world is what all tests share.
var world struct {
	dir, cert, key, app, weft string
	ports                     map[string]int // of the servers, by name
	groups                    []int          // process groups of the servers
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer stop()
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func start() error {
	if err := fleet.InstallPackages(); err != nil {
		return err
	}
	cache, err := fleet.InstallAgent()
	if err != nil {
		return err
	}
	world.weft = filepath.Join(cache, "bin", "weft")
	// The processes are chosen by this name, which is in the command line of each.
	if world.dir, err = os.MkdirTemp("", "weft-https-"); err != nil {
		return err
	}
	if err := os.Chmod(world.dir, 0o755); err != nil {
		return err
	}
	if err := certify(); err != nil {
		return err
	}
	world.app = filepath.Join(world.dir, "app")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", world.app, "./app")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the app: %w: %s", err, out)
	}
	for _, name := range []string{"server.py", "client.py", "node.js", "app.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(place(name), text, 0o644); err != nil {
			return err
		}
	}
	return startServers()
}

func place(name string) string { return filepath.Join(world.dir, name) }

// certify makes a key and a certificate that signs itself.
func certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	world.cert, world.key = place("cert.pem"), place("key.pem")
	write := func(name, kind string, b []byte) error {
		return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o644)
	}
	if err := write(world.cert, "CERTIFICATE", der); err != nil {
		return err
	}
	return write(world.key, "EC PRIVATE KEY", private)
}

const nginxConf = `worker_processes 2; daemon off; pid nginx.pid; error_log error.log;
events { worker_connections 256; }
http { access_log off; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate cert.pem; ssl_certificate_key key.pem; client_body_temp_path tmp;
proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp; keepalive_requests 100000;
server { listen 127.0.0.1:%d ssl; location / { return 200 "hello\n"; } } }
`

const apacheConf = `ServerName 127.0.0.1
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile apache.pid
ErrorLog error.apache
Listen 127.0.0.1:%[2]d
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 2
ServerLimit 2
ThreadsPerChild 25
MaxRequestWorkers 50
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot %[1]s
SSLEngine On
SSLCertificateFile %[1]s/cert.pem
SSLCertificateKeyFile %[1]s/key.pem
RewriteEngine On
RewriteRule ^/ %[1]s/app.py [L]
`

func startServers() error {
	names := []string{"nginx", "apache", "go", "threads", "loop", "gunicorn", "node"}
	world.ports = map[string]int{}
	for _, name := range append(names, "behind") {
		port, err := freePort()
		if err != nil {
			return err
		}
		world.ports[name] = port
	}
	port := func(name string) string { return strconv.Itoa(world.ports[name]) }
	address := func(name string) string { return "127.0.0.1:" + port(name) }
	if err := os.WriteFile(place("nginx.conf"), fmt.Appendf(nil, nginxConf, world.ports["nginx"]), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(place("apache.conf"), fmt.Appendf(nil, apacheConf, world.dir, world.ports["apache"]), 0o644); err != nil {
		return err
	}
	for _, argv := range [][]string{
		{"nginx", "-p", world.dir, "-c", place("nginx.conf")},
		{"apache2", "-DFOREGROUND", "-f", place("apache.conf")},
		{world.app, "serve", address("go"), world.cert, world.key},
		{world.app, "serve", address("behind"), world.cert, world.key},
		{"python3", place("server.py"), "threads", port("threads"), world.cert, world.key},
		{"python3", place("server.py"), "loop", port("loop"), world.cert, world.key},
		{"gunicorn", "--chdir", world.dir, "-b", address("gunicorn"), "--certfile", world.cert, "--keyfile", world.key,
			"--threads", "32", "--keep-alive", "60", "app:app"},
		{"node", place("node.js"), "serve", port("node"), world.cert, world.key},
	} {
		c := exec.Command(argv[0], argv[1:]...)
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		if err := c.Start(); err != nil {
			return fmt.Errorf("start %s: %w", argv[0], err)
		}
		world.groups = append(world.groups, c.Process.Pid)
	}
	for name := range world.ports {
		if err := awaitPort(name); err != nil {
			return err
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func awaitPort(name string) error {
	for range 200 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", world.ports[name])); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen", name)
}

func stop() {
	for _, group := range world.groups {
		syscall.Kill(-group, syscall.SIGTERM)
	}
	os.RemoveAll(world.dir)
}

// trace starts the agent for the processes of this test alone, with more arguments.
func trace(t *testing.T, more ...string) *tracer.Tracer {
	t.Helper()
	args := append([]string{"--command", "*" + filepath.Base(world.dir) + "*", "--control", filepath.Join(t.TempDir(), "control")}, more...)
	for _, pid := range members() {
		args = append(args, "--pid", pid)
	}
	w, err := tracer.Start(world.weft, tracer.Options{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Log(w.Log())
		}
	})
	return w
}

// members are the processes of the servers' groups: some change their command line.
func members() (pids []string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		group, err := syscall.Getpgid(pid)
		if err == nil && slices.Contains(world.groups, group) {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
