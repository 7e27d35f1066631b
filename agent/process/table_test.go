package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/agent/container"
	"weft/correlate/event"
)

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// a fake is the folder of one process; the empty link is left out.
type fake struct {
	pid                    uint32
	group                  uint32
	exe, cmdline, env, cgr string
}

func fakeProc(t *testing.T, list ...fake) Options {
	t.Helper()
	root := t.TempDir()
	for _, f := range list {
		dir := filepath.Join(root, fmt.Sprint(f.pid))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		status := fmt.Sprintf("Name:\tworker\nUmask:\t0022\nTgid:\t%d\nPid:\t%d\n", f.group, f.pid)
		for name, text := range map[string]string{"status": status, "cmdline": f.cmdline, "environ": f.env, "cgroup": f.cgr} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if f.exe != "" {
			if err := os.Symlink(f.exe, filepath.Join(dir, "exe")); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Options{Proc: root, HostName: "node-1", HostID: "4711"}
}

func value(p *event.Process, key string) string {
	for _, a := range p.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func expect(t *testing.T, p *event.Process, want map[string]string) {
	t.Helper()
	if p == nil {
		t.Fatal("no process")
	}
	for k, v := range want {
		if got := value(p, k); got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	sorted := slices.IsSortedFunc(p.Attributes, func(a, b event.Attribute) int { return strings.Compare(a.Key, b.Key) })
	if !sorted || value(p, "service.name") != p.Service {
		t.Errorf("%+v", p.Attributes)
	}
}

func TestFindReadsProc(t *testing.T) {
	table := New(fakeProc(t,
		fake{pid: 7, group: 7, exe: "/usr/bin/python3.11", cmdline: "python3\x00app.py\x00--token=secret\x00", cgr: "0::/k8s.io/" + containerID + "\n",
			env: "A=1\x00OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,service.version=1%2C2,host.name=pod-1,process.pid=9\x00"},
		fake{pid: 8, group: 7, exe: "/usr/bin/python3.11", cmdline: "python3\x00app.py\x00"},
	))
	p := table.Find(7)
	expect(t, p, map[string]string{
		"service.name": "app", "service.namespace": "shop", "service.version": "1,2", "process.pid": "7",
		"process.executable.name": "python3.11", "process.executable.path": "/usr/bin/python3.11", "process.command": "python3",
		"process.command_line": "", "container.id": containerID, "host.name": "pod-1", "host.id": "4711", "os.type": "linux",
	})
	if table.Find(8) != p {
		t.Error("a thread has a process of its own")
	}
	if table.Len() != 1 {
		t.Errorf("%d processes are remembered", table.Len())
	}
	if table.Find(99) != nil {
		t.Error("found a process that is not there")
	}
}

func TestExecOfAProcessThatIsGone(t *testing.T) {
	table := New(fakeProc(t))
	p := table.exec(5, []byte("/usr/bin/curl\x00\x00\x00"), []byte("curl\x00"), []byte("curl\x00http://x/\x00"),
		[]byte("OTEL_SERVICE_NAME=probe\x00"), 3)
	expect(t, p, map[string]string{"service.name": "probe", "process.pid": "5", "process.executable.name": "curl", "process.command": "curl"})
	if table.Find(5) != p {
		t.Error("it is not remembered")
	}
	table.Exit(5)
	if table.Find(5) != nil {
		t.Error("it is remembered after its end")
	}
}

func TestExecReadsWhatTheKernelCut(t *testing.T) {
	table := New(fakeProc(t, fake{pid: 5, group: 5, cmdline: "java\x00-cp\x00" + strings.Repeat("x", 5000) + "\x00com.acme.Shop\x00", exe: "/opt/java/bin/java",
		env: "PATH=" + strings.Repeat("y", 5000) + "\x00OTEL_RESOURCE_ATTRIBUTES=service.version=7\x00"}))
	p := table.exec(5, []byte("/opt/java/bin/java"), []byte("java"), []byte("java\x00-cp\x00xxx"), []byte("PATH=yyy"), 3)
	expect(t, p, map[string]string{"service.name": "Shop", "service.version": "7"})
}

func TestContainerOfAProcessThatIsGone(t *testing.T) {
	table := New(fakeProc(t, fake{pid: 5, group: 5, cgr: "12:pids:/docker/" + containerID + "\n0::/docker/" + containerID + "\n"}))
	table.exec(5, nil, []byte("a"), nil, nil, 44)
	expect(t, table.exec(6, nil, []byte("b"), nil, nil, 44), map[string]string{"container.id": containerID, "service.name": "b"})
	expect(t, table.exec(7, nil, []byte("b"), nil, nil, 45), map[string]string{"container.id": ""})
}

func TestContainerIDIsNotGuessedFromASharedCgroup(t *testing.T) {
	table := New(fakeProc(t, fake{pid: 5, group: 5, cgr: "12:pids:/docker/" + containerID + "\n0::/\n"}))
	expect(t, table.exec(5, nil, []byte("a"), nil, nil, 1), map[string]string{"container.id": containerID})
	expect(t, table.exec(6, nil, []byte("b"), nil, nil, 1), map[string]string{"container.id": ""})
}

// pods is what a watch knows.
type pods struct {
	version uint64
	of      map[string][]event.Attribute
}

func (p *pods) Version() uint64                                    { return p.version }
func (p *pods) Attributes(place container.Place) []event.Attribute { return p.of[place.Pod] }

const pod = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2"

func TestPodOfAProcess(t *testing.T) {
	cgroup := "0::/kubepods/burstable/pod" + pod + "/" + containerID + "\n"
	o := fakeProc(t,
		fake{pid: 5, group: 5, exe: "/srv/cart", cmdline: "cart\x00", cgr: cgroup},
		fake{pid: 6, group: 6, exe: "/srv/own", cmdline: "own\x00", cgr: cgroup, env: "OTEL_SERVICE_NAME=mine\x00OTEL_RESOURCE_ATTRIBUTES=service.version=3\x00"},
		fake{pid: 7, group: 7, exe: "/usr/sbin/sshd", cmdline: "sshd\x00", cgr: "0::/system.slice/ssh.service\n"})
	known := &pods{}
	o.Pods = known
	table := New(o)
	table.Fork(5, 15)
	expect(t, table.Find(5), map[string]string{
		"service.name": "cart", "k8s.pod.uid": pod, "k8s.pod.qos_class": "Burstable", "container.id": containerID, "k8s.pod.name": "", "process.pid": "5",
	})
	table.Find(6)
	table.Find(7)
	table.Fork(5, 16)
	renamed := func() map[uint32]*event.Process {
		all := map[uint32]*event.Process{}
		if err := table.Renamed(func(pid uint32, p *event.Process) error { all[pid] = p; return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := renamed(); len(all) > 0 {
		t.Errorf("renamed without a reason: %v", all)
	}
	known.version, known.of = 1, map[string][]event.Attribute{pod: {{Key: "service.name", Value: "shop"}, {Key: "service.version", Value: "1"}, {Key: "k8s.pod.name", Value: "shop-1"}}}
	all := renamed()
	if len(all) != 2 {
		t.Fatalf("%d processes are renamed", len(all))
	}
	expect(t, all[5], map[string]string{"service.name": "shop", "service.version": "1", "k8s.pod.name": "shop-1", "process.pid": "5", "k8s.pod.uid": pod})
	expect(t, all[6], map[string]string{"service.name": "mine", "service.version": "3", "k8s.pod.name": "shop-1"})
	expect(t, table.Find(16), map[string]string{"service.name": "shop", "process.pid": "16"})
	if table.Find(5) != all[5] {
		t.Error("the new description is not remembered")
	}
	known.version++
	if all := renamed(); len(all) > 0 {
		t.Errorf("renamed though nothing changed: %v", all)
	}
	known.version, known.of = 9, nil
	if all := renamed(); len(all) > 0 {
		t.Errorf("what outlives its pod loses its name: %v", all)
	}
}

func TestForkIsTheSameServiceUntilItExecutes(t *testing.T) {
	table := New(fakeProc(t))
	parent := table.exec(5, []byte("/srv/shop"), []byte("shop"), []byte("./shop\x00"), []byte("A=\x00"), 0)
	table.Fork(5, 6)
	expect(t, table.Find(6), map[string]string{"service.name": "shop", "process.pid": "6"})
	if once, again := table.Find(6), table.Find(6); once != again {
		t.Error("a child is described anew each time")
	}
	expect(t, parent, map[string]string{"process.pid": "5"})
	table.Fork(6, 7)
	table.Exit(5)
	expect(t, table.Find(7), map[string]string{"process.pid": "7", "service.name": "shop"})
	table.exec(6, []byte("/usr/bin/curl"), []byte("curl"), []byte("curl\x00"), []byte("A=\x00"), 0)
	expect(t, table.Find(6), map[string]string{"process.pid": "6", "service.name": "curl"})
	table.Fork(1234, 7)
	if table.Find(7) != nil {
		t.Error("a reused id is still the old process")
	}
}

// TestProgram has processes that run the same in the same place, and such as look like it.
func TestProgram(t *testing.T) {
	table := New(fakeProc(t,
		fake{pid: 1, group: 1, exe: "/usr/bin/java", cmdline: "java\x00-jar\x00app.jar\x00", cgr: "0::/k8s.io/" + containerID + "\n"},
		fake{pid: 2, group: 2, exe: "/usr/bin/java", cmdline: "java\x00-jar\x00app.jar\x00", cgr: "0::/k8s.io/" + containerID + "\n"},
		fake{pid: 3, group: 3, exe: "/usr/bin/java", cmdline: "java\x00-jar\x00app.jar\x00"},
		fake{pid: 4, group: 4, exe: "/usr/bin/java", cmdline: "java\x00-jar\x00app.jar\x00-q\x00", cgr: "0::/k8s.io/" + containerID + "\n"},
		fake{pid: 5, group: 5, exe: "/usr/bin/java8", cmdline: "java\x00-jar\x00app.jar\x00", cgr: "0::/k8s.io/" + containerID + "\n"},
		fake{pid: 6, group: 6, exe: "/usr/bin/ruby", cmdline: "puma: cluster worker 0: 17 [shop]\x00"},
		fake{pid: 7, group: 7, exe: "/usr/bin/ruby", cmdline: "puma: cluster worker 1: 17 [shop]\x00"},
		fake{pid: 8, group: 8, exe: "/usr/bin/ruby", cmdline: "puma: cluster worker 1: 17 [cart]\x00"},
	))
	table.Find(1)
	table.Fork(1, 9)
	for _, same := range [][2]uint32{{1, 2}, {6, 7}, {1, 9}} {
		if a, b := table.Find(same[0]).Program, table.Find(same[1]).Program; a != b || a == 0 {
			t.Errorf("%v: %d and %d are two programs", same, a, b)
		}
	}
	for _, other := range [][2]uint32{{1, 3}, {1, 4}, {1, 5}, {7, 8}} {
		if a, b := table.Find(other[0]).Program, table.Find(other[1]).Program; a == b {
			t.Errorf("%v are one program", other)
		}
	}
	gone := New(fakeProc(t)).exec(5, []byte("/srv/shop"), []byte("shop"), []byte("./shop\x00"), []byte("A=\x00"), 0)
	if gone.Program != 0 {
		t.Error("a process that was gone before it was looked at is one with others")
	}
}

func TestTableIsBounded(t *testing.T) {
	o := fakeProc(t)
	o.Limit = 10
	table := New(o)
	for pid := uint32(1); pid < 100; pid++ {
		table.exec(pid, nil, []byte("x"), nil, nil, uint64(pid))
	}
	if table.Len() != 10 || table.Find(99) == nil {
		t.Errorf("%d are remembered", table.Len())
	}
}

func TestEnvironment(t *testing.T) {
	long := strings.Repeat("a=b,", 1000)
	for _, c := range []struct {
		env, service string
		attributes   int
	}{
		{"OTEL_SERVICE_NAME=x\x00", "x", 0},
		{"OTEL_SERVICE_NAME=x", "", 0}, // cut
		{"OTEL_SERVICE_NAME=\x00", "", 0},
		{"OTEL_SERVICE_NAME=x\x00OTEL_SERVICE_NAME=y\x00", "x", 0},
		{"XOTEL_SERVICE_NAME=x\x00", "", 0},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b, c = d%20e ,\x00", "", 2},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b,c\x00", "", 0},
		{"OTEL_RESOURCE_ATTRIBUTES=a=b,c=%zz\x00", "", 0},
		{"OTEL_RESOURCE_ATTRIBUTES=" + long + "\x00", "", maxAttributes},
		{"\x00\x00=\x00", "", 0},
	} {
		e := readEnvironment([]byte(c.env))
		if e.service != c.service || len(e.attributes) != c.attributes {
			t.Errorf("%.60q: %q and %d attributes", c.env, e.service, len(e.attributes))
		}
	}
}

func TestServiceNameOfTheEnvironmentComesFirst(t *testing.T) {
	p := testProgram("/usr/bin/java", "java -jar x.jar")
	p.env = readEnvironment([]byte("OTEL_RESOURCE_ATTRIBUTES=service.name=second\x00"))
	if got, _ := tells(p); got != "second" {
		t.Errorf("attributes alone: %q", got)
	}
	p.env.service = "first"
	if got, _ := tells(p); got != "first" {
		t.Errorf("both: %q", got)
	}
	p.args = append(p.args, "-Dotel.service.name=java")
	if got, _ := tells(p); got != "java" {
		t.Errorf("system property: %q", got)
	}
}

// TestRealProcesses looks at this test, which is a Go program, and at one that is not.
func TestRealProcesses(t *testing.T) {
	table := New(Options{})
	self := table.Find(uint32(os.Getpid()))
	expect(t, self, map[string]string{"process.runtime.name": "go", "process.pid": fmt.Sprint(os.Getpid())})
	if !self.Go || self.Service != "process.test" {
		t.Errorf("this test is %+v", self)
	}
	c := exec.Command("/bin/sleep", "60")
	c.Env = []string{"OTEL_SERVICE_NAME=sleeper"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	awaitEnvironment(t, c.Process.Pid)
	p := table.Find(uint32(c.Process.Pid))
	expect(t, p, map[string]string{"service.name": "sleeper", "process.executable.name": "sleep"})
	if p.Go {
		t.Error("sleep is told to be Go")
	}
}

// awaitEnvironment waits until the kernel has laid out the new program: exec closes the files of the old one, which is what
// Start waits for, a moment before it sets where the environment stands.
func awaitEnvironment(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && len(env) > 0 {
			return
		}
	}
	t.Fatalf("the environment of %d did not appear", pid)
}

func BenchmarkExec(b *testing.B) {
	table := New(Options{})
	pid := uint32(os.Getpid())
	for b.Loop() {
		table.exec(pid, []byte("/srv/shop"), []byte("shop"), []byte("./shop\x00"), []byte("A=1\x00"), 7)
	}
}

func BenchmarkFind(b *testing.B) {
	table := New(Options{})
	pid := uint32(os.Getpid())
	for b.Loop() {
		table.Find(pid)
	}
}

// exec gives Exec its fields by position.
func (t *Table) exec(pid uint32, file, comm, args, env []byte, cgroup uint64) *event.Process {
	return t.Exec(Execution{PID: pid, File: file, Comm: comm, Args: args, Env: env, Cgroup: cgroup})
}
