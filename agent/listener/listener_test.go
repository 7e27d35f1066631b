package listener

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain turns the test into the process that listens in a namespace of its own, when it is started as that.
func TestMain(m *testing.M) {
	if os.Getenv("LISTENER_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	check(up())
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	_, err = net.Listen("unix", os.Getenv("LISTENER_TEST_CHILD"))
	check(err)
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// up brings the loopback interface of a new namespace up.
func up() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestListeningInAllNamespaces(t *testing.T) {
	own, err := inode("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var want []Key
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // end of the test
		want = append(want, Key{own, uint16(l.Addr().(*net.TCPAddr).Port)})
	}
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", want[0].Port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // end of the test
	client := Key{own, uint16(c.LocalAddr().(*net.TCPAddr).Port)}

	path := filepath.Join(t.TempDir(), "socket")
	pid, port := startChild(t, path)
	other, err := inode(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil || other == own {
		t.Fatalf("the child is in namespace %d, this test in %d, %v", other, own, err)
	}
	found, err := Listening()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range append(want, Key{other, port}) {
		if _, ok := found[k]; !ok {
			t.Errorf("%v is not found in %v", k, found)
		}
	}
	for _, k := range []Key{client, {own, port}} {
		if _, ok := found[k]; ok {
			t.Errorf("%v has no listener", k)
		}
	}
	if now, err := inode("/proc/self/ns/net"); now != own {
		t.Errorf("the namespace is left at %d, was %d, %v", now, own, err)
	}
	compareThreads(t, own)
}

// compareThreads sees to it that no thread stayed in a foreign namespace.
func compareThreads(t *testing.T, own uint64) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if ns, err := inode(task); err == nil && ns != own {
			t.Errorf("%s is in %d", task, ns)
		}
	}
}

func startChild(t *testing.T, path string) (pid int, port uint16) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = []string{"LISTENER_TEST_CHILD=" + path}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &port); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, port
}

func TestUnixInAllNamespaces(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := Unix()
	if err != nil {
		t.Fatal(err)
	}
	startChild(t, filepath.Join(t.TempDir(), "socket"))
	after, err := Unix()
	if err != nil {
		t.Fatal(err)
	}
	for fd, want := range map[int]bool{pair[0]: true, pair[1]: true, datagrams[0]: false} {
		ino, err := inode(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := before[ino]; ok != want {
			t.Errorf("socket %d is found: %v, want %v", ino, ok, want)
		}
	}
	if len(after) <= len(before) {
		t.Errorf("%d sockets, %d with the child's", len(before), len(after))
	}
}
