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
	return path, t.Execute(out, map[string]any{"Dir": p.dir, "Port": p.port, "Last": p.last, "Flaky": p.flaky})
}

// copied puts a source into the folder of the service, for those who may not read it where it is.
func (p place) copied(source string) error {
	text, err := os.ReadFile(filepath.Join(p.app, source))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, filepath.Base(source)), text, 0o644)
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

// members gives the processes of the service: the first one and all that descend from it.
func (s *process) members() (pids []string) {
	parents := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The name is in parentheses and may hold anything; the state and the parent follow.
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		rest := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(rest) > 1 {
			parents[pid], _ = strconv.Atoi(rest[1])
		}
	}
	for pid := range parents {
		for at := pid; at > 1; at = parents[at] {
			if at == s.cmd.Process.Pid {
				pids = append(pids, strconv.Itoa(pid))
				break
			}
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
