package main

import (
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed conf
var conf embed.FS

// configured writes a configuration file for the service and gives its path.
func (p place) configured(file string) (string, error) {
	t, err := template.ParseFS(conf, "conf/"+file)
	if err != nil {
		return "", err
	}
	path := filepath.Join(p.dir, file)
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer out.Close()
	return path, t.Execute(out, map[string]any{"Dir": p.dir, "Port": p.port, "Last": p.last})
}

// process is a program that runs in a process group and a folder of its own.
type process struct {
	cmd *exec.Cmd
	dir string
}

// start runs a service until it accepts connections.
func start(p place, command func(place) ([]string, error)) (_ *process, err error) {
	if p.dir, err = os.MkdirTemp("", "weft-accuracy"); err != nil {
		return nil, err
	}
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return nil, err
	}
	argv, err := command(p)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr = p.dir, log, log
	c.Env = append(os.Environ(), "PORT="+p.text(), "PYTHONDONTWRITEBYTECODE=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %v: %w", argv, err)
	}
	s := &process{c, p.dir}
	if s.listens(p.port) {
		return s, nil
	}
	text, _ := os.ReadFile(log.Name())
	s.stop()
	return nil, fmt.Errorf("%v does not listen; it says: %s", argv, strings.TrimSpace(string(text)))
}

func (s *process) listens(port int) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// stop ends the process group and removes its folder.
func (s *process) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}

// members gives the processes of the group.
func (s *process) members() (pids []string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(pid); err == nil && group == s.cmd.Process.Pid {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
