package node

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A container is run by runc from a root file system that has the app alone, in namespaces of its own, in the cgroup that a kubelet
// would give it.
type container struct {
	name, id, pod string
	env           []string
	space         string // the network namespace, by name
	pid           int    // on the host
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newContainer gives one that is not started. n tells it from others.
func newContainer(n int, space string, env ...string) *container {
	return &container{
		name: fmt.Sprint("weft-test-", n), id: fmt.Sprintf("%064x", 0xabcdef0000+n), space: space, env: env,
		pod: fmt.Sprintf("6f1c2b3a-0d4e-4f5a-8b6c-%012x", n),
	}
}

// start runs it as a user without rights, and waits until it listens.
func (c *container) start(t testing.TB) {
	t.Helper()
	bundle := t.TempDir()
	root := filepath.Join(bundle, "rootfs")
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "chmod", "-R", "a+rX", bundle)
	// One file for all, as containers of one image have it.
	if err := os.Link(world.app, filepath.Join(root, "app")); err != nil {
		t.Fatal(err)
	}
	spaces := []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network", "path": "/var/run/netns/" + c.space}}
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.2", "hostname": c.name, "root": map[string]any{"path": root, "readonly": true},
		"process": map[string]any{"user": map[string]int{"uid": 1000, "gid": 1000}, "args": []string{"/app"}, "cwd": "/", "env": c.env, "noNewPrivileges": true},
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
		},
		"linux": map[string]any{"cgroupsPath": c.cgroup(), "namespaces": spaces},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(bundle, "pid")
	c.kill() // what a test that was killed has left
	run := exec.Command("runc", "run", "--detach", "--bundle", bundle, "--pid-file", pidFile, c.name)
	if log, err := os.Create(filepath.Join(bundle, "log")); err == nil {
		run.Stdout, run.Stderr = log, log // a pipe would be held open by the container
		defer log.Close()
	}
	if err := run.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(bundle, "log"))
		t.Fatalf("runc: %v\n%s", err, log)
	}
	t.Cleanup(func() { c.kill() })
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if c.pid, err = strconv.Atoi(string(text)); err != nil {
		t.Fatal(err)
	}
	await(t, c.name+" to listen", func() bool { return strings.Contains(inSpace(t, c.space, "ss", "-tlnH"), ":8080") })
}

func (c *container) cgroup() string { return "/kubepods/burstable/pod" + c.pod + "/" + c.id }

// kill ends it as the kernel does when memory runs out. One that has ended already is no error.
func (c *container) kill() {
	_ = exec.Command("runc", "delete", "--force", c.name).Run()
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		for dir := c.cgroup(); dir != "/"; dir = filepath.Dir(dir) {
			found, _ := filepath.Glob(hierarchy + dir)
			for _, f := range found {
				_ = os.Remove(f) // the kernel removes none that is in use
			}
		}
	}
}

func inSpace(t testing.TB, space, name string, args ...string) string {
	t.Helper()
	return command(t, "ip", append([]string{"netns", "exec", space, name}, args...)...)
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
