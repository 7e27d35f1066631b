// Package kubernetes holds weft to a real API server of Kubernetes with a real etcd behind it: what it knows of pods and Services,
// with just the rights of the manifests, and whether the server takes the manifests.
package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
)

// The programs in the cache, as test/install/kubernetes.sh names them.
const (
	apiProgram  = "kube-apiserver-v1.37.2"
	etcdProgram = "etcd-v3.7.0"
)

// patience is for programs that start on a busy machine.
const patience = 2 * time.Minute

// cluster is an API server and its etcd, on loopback.
type cluster struct {
	bin, dir  string
	etcd, api string // HOST:PORT
	server    *exec.Cmd
}

// startCluster brings both up.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	cache, err := fleet.Cache()
	if err == nil {
		err = fleet.InstallKubernetes(cache)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{bin: filepath.Join(cache, "bin"), dir: t.TempDir()}
	peer := freePort(t)
	c.etcd, c.api = freePort(t), freePort(t)
	c.writeSecrets(t)
	c.start(t, etcdProgram, "--data-dir", filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", "http://"+c.etcd, "--advertise-client-urls", "http://"+c.etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer)
	c.up(t)
	return c
}

// up starts the API server, which may have been there before, and waits until it is ready.
func (c *cluster) up(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(c.api)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(c.dir, name) }
	c.server = c.start(t, apiProgram, "--etcd-servers", "http://"+c.etcd, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", file("certificates"), "--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "RBAC",
		"--token-auth-file", file("tokens"), "--service-account-issuer", "https://weft.test", "--service-account-key-file", file("key"),
		"--service-account-signing-key-file", file("key"), "--disable-admission-plugins", "ServiceAccount")
	await(t, "the API server to be ready", func() bool {
		status, _ := c.as(admin).ask("GET", "/readyz", nil)
		return status == 200
	})
}

// down kills the API server; what it has stored stays in etcd.
func (c *cluster) down() {
	_ = c.server.Process.Kill()
	_ = c.server.Wait()
}

func (c *cluster) start(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, program+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s: %s", program, text[max(0, len(text)-4000):])
		}
	})
	return cmd
}

// The tokens: of somebody who may do everything, and of weft's account in the manifests.
const (
	admin = "token-of-the-administrator"
	agent = "token-of-weft"
)

// writeSecrets writes the key by which the server signs tokens, and those that it knows.
func (c *cluster) writeSecrets(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens := admin + ",admin,1,system:masters\n" + agent + ",system:serviceaccount:weft:weft,2\n"
	for name, content := range map[string][]byte{
		"key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), "tokens": []byte(tokens),
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// kubeconfig writes a file with which weft finds the server, as its account.
func (c *cluster) kubeconfig(t *testing.T) string {
	t.Helper()
	authority, err := os.ReadFile(filepath.Join(c.dir, "certificates", "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": []any{map[string]any{"name": "c", "context": map[string]string{"cluster": "s", "user": "u"}}},
		"clusters": []any{map[string]any{"name": "s", "cluster": map[string]string{
			"server": "https://" + c.api, "certificate-authority-data": base64.StdEncoding.EncodeToString(authority),
		}}},
		"users": []any{map[string]any{"name": "u", "user": map[string]string{"token": agent}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.dir, "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func await(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > patience {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

func name(i int) string { return fmt.Sprint("pod-", i) }
