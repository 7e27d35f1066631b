// Package fleet owns the real servers and clients that the tests trace: it starts each of them unmodified on a
// loopback port of its own with a folder of its own, and ends it by its process group.
//
// Every member answers the same routes. The last part of each path is a token that names one request:
//
//	GET  /hello/TOKEN        "hello\n"
//	GET  /bytes/N/TOKEN      N bytes with Content-Length
//	GET  /chunked/N/TOKEN    N bytes, chunked
//	GET  /status/CODE/TOKEN  no body
//	GET  /sleep/MS/TOKEN     "hello\n" after MS milliseconds (applications only)
//	POST /echo-size/TOKEN    reads the body, answers its size in decimal (applications and proxies)
//	GET  /call/TOKEN?url=U   calls U, answers its status and body (applications and proxies); with trace=pass it
//	                         forwards the traceparent that it was given, with trace=new it forwards it with a new
//	                         parent id, else it sends none
package fleet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Member is a running server of the fleet.
type Member struct {
	Spec
	Port   int
	Socket string // path of its AF_UNIX socket in place of a port, for a member that listens on one
	Dir    string
	PID    int // of the first process, which leads the process group of all its workers
	exited chan struct{}
}

// URL is the address of a route of the member: path opens with a slash.
func (m *Member) URL(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", m.Port, path) }

// Fleet is all members by name.
type Fleet struct {
	Members map[string]*Member
	order   []string // as started; ended in reverse
	dir     string
}

// Start runs the named members, or every member of the table, and waits until each accepts connections. On an error
// everything that was started is ended.
func Start(cache string, names ...string) (*Fleet, error) {
	dir, err := os.MkdirTemp("", "weft-fleet")
	if err != nil {
		return nil, err
	}
	f := &Fleet{Members: map[string]*Member{}, dir: dir}
	// The workers of nginx and Apache run as a user of their own.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	files, err := writeFiles(filepath.Join(dir, "files"))
	if err != nil {
		return nil, err
	}
	place := place{cache: cache, files: files, fleet: f}
	for _, spec := range specs {
		if len(names) > 0 && !slices.Contains(names, spec.Name) {
			continue
		}
		if err := f.start(spec, place); err != nil {
			f.Stop()
			return nil, fmt.Errorf("start %s: %w", spec.Name, err)
		}
	}
	for _, name := range f.order {
		if err := f.Members[name].await(); err != nil {
			f.Stop()
			return nil, fmt.Errorf("await %s: %w", name, err)
		}
	}
	return f, nil
}

// All gives the members in the order of the table.
func (f *Fleet) All() []*Member {
	all := make([]*Member, 0, len(f.order))
	for _, name := range f.order {
		all = append(all, f.Members[name])
	}
	return all
}

// socket is the path of a member's AF_UNIX socket, and one that nobody listens on when the member was not started.
func (f *Fleet) socket(name string) string {
	if m := f.Members[name]; m != nil {
		return m.Socket
	}
	return filepath.Join(f.dir, "none")
}

func (f *Fleet) start(spec Spec, p place) error {
	m := &Member{Spec: spec, Dir: filepath.Join(f.dir, spec.Name), exited: make(chan struct{})}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	var err error
	switch {
	case spec.Within != "":
		// Another listener of a member that runs already.
		m.Port, m.PID = f.Members[spec.Within].extra(spec.Name), f.Members[spec.Within].PID
		f.Members[spec.Name] = m
		f.order = append(f.order, spec.Name)
		return nil
	case spec.Unix:
		m.Socket = filepath.Join(m.Dir, "s")
	default:
		if m.Port, err = freePort(); err != nil {
			return err
		}
	}
	argv, err := spec.command(m, p)
	if err != nil {
		return err
	}
	f.Members[spec.Name] = m
	f.order = append(f.order, spec.Name)
	return m.run(argv)
}

func (m *Member) run(argv []string) error {
	log, err := os.Create(filepath.Join(m.Dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if m.Named {
		cmd.Env = append(cmd.Env, "OTEL_SERVICE_NAME="+m.Service)
	}
	// The members must outlive nothing: they end with the process that started them, even if it is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.PID = cmd.Process.Pid
	go func() {
		cmd.Wait()
		close(m.exited)
	}()
	return nil
}

// await waits until the member accepts a connection. It sends nothing, so that no request is made that no test knows.
func (m *Member) await() error {
	network, address := "tcp", fmt.Sprintf("127.0.0.1:%d", m.Port)
	if m.Socket != "" {
		network, address = "unix", m.Socket
	}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			return conn.Close()
		}
		if m.ended() {
			break
		}
	}
	log, _ := os.ReadFile(filepath.Join(m.Dir, "log"))
	return fmt.Errorf("does not listen; it says: %s", strings.TrimSpace(string(log)))
}

func (m *Member) ended() bool {
	if m.exited == nil {
		return false
	}
	select {
	case <-m.exited:
		return true
	default:
		return false
	}
}

// Stop ends every member, the last one first, waits for each, and removes their folders.
func (f *Fleet) Stop() {
	for i := len(f.order) - 1; i >= 0; i-- {
		m := f.Members[f.order[i]]
		if m.Within != "" || m.PID == 0 {
			continue
		}
		syscall.Kill(-m.PID, syscall.SIGTERM)
		select {
		case <-m.exited:
		case <-time.After(3 * time.Second):
			syscall.Kill(-m.PID, syscall.SIGKILL)
			<-m.exited
		}
		syscall.Kill(-m.PID, syscall.SIGKILL) // workers that outlived their parent
	}
	os.RemoveAll(f.dir)
}

// freePort gives a loopback port that nobody listens on, outside the range that connections take theirs from.
func freePort() (int, error) {
	for port := 21000 + os.Getpid()%4000; port < 32000; port++ {
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		taken[port] = true
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port")
}

// taken is the ports that were given out; the fleet is started by one goroutine.
var taken = map[int]bool{}
