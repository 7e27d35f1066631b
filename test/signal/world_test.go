package signal

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// world is what all tests share.
var world struct {
	weft       string // the binary
	shop, bank int    // ports
}

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		serve()
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weft-signal")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	world.weft = filepath.Join(dir, "weft")
	build := exec.Command("go", "build", "-o", world.weft, "weft/cmd/weft")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build weft: %v\n%s", err, out)
		return 1
	}
	for _, s := range []struct {
		name string
		port *int
	}{{"bank", &world.bank}, {"shop", &world.shop}} {
		c, err := startService(s.name, s.port)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { c.Process.Kill(); c.Wait() }()
	}
	return m.Run()
}

func startService(name string, port *int) (*exec.Cmd, error) {
	var err error
	if *port, err = freePort(); err != nil {
		return nil, err
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), role+"="+name, "OTEL_SERVICE_NAME="+name, fmt.Sprint("PORT=", *port), fmt.Sprint("UPSTREAM=127.0.0.1:", world.bank))
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", *port)); err == nil {
			conn.Close()
			return c, nil
		}
	}
	return c, fmt.Errorf("%s does not listen", name)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// ours makes weft trace the two services alone: what else runs on the machine is no part of the test.
func ours() []string {
	return []string{"--port", strconv.Itoa(world.shop), "--port", strconv.Itoa(world.bank)}
}

// send sends n requests with a context, one after the other.
func send(t *testing.T, path string, n int) {
	t.Helper()
	for range n {
		r, err := http.NewRequest(http.MethodPost, fmt.Sprint("http://127.0.0.1:", world.shop, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", rand.Uint64(), rand.Uint64()|1, rand.Uint64()|1))
		r.Header.Set("Authorization", "Bearer hunter2")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil || reply.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", reply.StatusCode, err)
		}
		reply.Body.Close()
	}
}

// within waits until ok.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%s did not come within %v", what, d)
			return
		}
	}
}
