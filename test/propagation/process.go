package propagation

import (
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"text/template"
	"time"

	"weft/test/fleet"
)

//go:embed conf
var conf embed.FS

// place is what a program is started from.
type place struct {
	cache    string // of what was built
	dir      string // of the program's own
	port     int
	upstream string // host:port of the server that it calls
}

func (p place) built(parts ...string) string {
	return filepath.Join(append([]string{p.cache}, parts...)...)
}

func (p place) text() string { return strconv.Itoa(p.port) }

// configured writes a configuration file for the program and gives its path.
func (p place) configured(name string) (string, error) {
	t, err := template.ParseFS(conf, "conf/"+name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(p.dir, name)
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, t.Execute(file, map[string]any{"Dir": p.dir, "Port": p.port, "Upstream": p.upstream})
}

// install builds the parts that are named, in the cache of the fleet.
func install(t *testing.T, parts []string) (cache string) {
	t.Helper()
	cache, err := fleet.Install()
	if err != nil {
		t.Fatal(err)
	}
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "install", "propagation.sh")
	if out, err := exec.Command(script, append([]string{cache}, parts...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return cache
}

// start runs a program until the test ends and waits until it accepts connections. It gives its address.
func start(t *testing.T, p place, command func(place) ([]string, error), env ...string) string {
	t.Helper()
	p.dir, p.port = folder(t), freePort(t)
	argv, err := command(p)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), "PORT="+strconv.Itoa(p.port), "UPSTREAM=http://"+p.upstream, "SPANS=http://"+p.upstream)
	c.Env = append(c.Env, env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatalf("start %v: %v", argv, err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
		log.Close()
	})
	address := fmt.Sprintf("127.0.0.1:%d", p.port)
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address
		}
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("%v does not listen; it says: %s", argv, text)
	return ""
}

// folder gives one that workers with users of their own can enter, which those of t.TempDir are not.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-propagation")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
