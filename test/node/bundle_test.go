package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigs "sigs.k8s.io/yaml"

	"weft/test/tracer"
)

// collectorAddress is where the pod of weft finds weft-collector: the router.
const collectorAddress = "10.201.4.1"

// A bundle is the image and the pod of the manifests as a container runtime lays them out for runc.
type bundle struct {
	name, id   string
	dir        string
	entrypoint []string
	set        apps.DaemonSet
	spec       *specs.Spec
}

// manifest finds the object of a kind in the manifests.
func manifest(t *testing.T, kind string, into any) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/kubernetes/weft.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		text, err := reader.Read()
		if err != nil {
			t.Fatalf("find the %s in the manifests: %v", kind, err)
		}
		var one struct{ Kind string }
		if sigs.Unmarshal(text, &one) == nil && one.Kind == kind {
			if err := sigs.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// describe makes of the pod what containerd makes of it.
func (b *bundle) describe(t *testing.T, leftOut string) {
	t.Helper()
	manifest(t, "DaemonSet", &b.set)
	pod := &b.set.Spec.Template.Spec
	c := &pod.Containers[0]
	var has []string
	for _, add := range c.SecurityContext.Capabilities.Add {
		if name := "CAP_" + string(add); name != leftOut {
			has = append(has, name)
		}
	}
	if leftOut == "CAP_BPF" || leftOut == "CAP_PERFMON" {
		has = slices.DeleteFunc(has, func(c string) bool { return c == "CAP_SYS_ADMIN" }) // it stands for both
	}
	grows := *c.SecurityContext.AllowPrivilegeEscalation && slices.Contains(has, "CAP_SYS_ADMIN")
	memory := c.Resources.Limits.Memory().Value()
	b.spec = &specs.Spec{
		Version: "1.0.2", Hostname: "weft",
		Root: &specs.Root{Path: "rootfs", Readonly: *c.SecurityContext.ReadOnlyRootFilesystem},
		Process: &specs.Process{
			Cwd: "/", Env: variables(t, c), NoNewPrivileges: !grows, User: specs.User{UID: uint32(*c.SecurityContext.RunAsUser)},
			Capabilities: &specs.LinuxCapabilities{Bounding: has, Effective: has, Permitted: has},
		},
		Mounts: b.mounts(t, pod),
		Linux: &specs.Linux{
			CgroupsPath: "/kubepods/burstable/pod6f1c2b3a-0d4e-4f5a-8b6c-00000000aaaa/" + b.id,
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}, {Type: specs.IPCNamespace}, {Type: specs.CgroupNamespace},
				{Type: specs.NetworkNamespace, Path: "/var/run/netns/" + space(4)},
			},
			Resources: &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}, Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}},
			MaskedPaths: []string{
				"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if !pod.HostPID || pod.HostNetwork || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Fatalf("the manifests ask for what this test does not do: %+v", pod)
	}
	profile, err := seccomp.GetDefaultProfile(b.spec)
	if err != nil {
		t.Fatal(err)
	}
	b.spec.Linux.Seccomp = profile
}

// variables gives those of the manifests, with values for what a kubelet knows.
func variables(t *testing.T, c *core.Container) (list []string) {
	t.Helper()
	for _, e := range c.Env {
		value := e.Value
		switch from := e.ValueFrom; {
		case from == nil:
		case from.FieldRef != nil && from.FieldRef.FieldPath == "spec.nodeName":
			value = "node-1"
		case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "limits.memory":
			value = fmt.Sprint(c.Resources.Limits.Memory().Value())
		default:
			t.Fatalf("a value for %s is not known", e.Name)
		}
		list = append(list, e.Name+"="+value)
	}
	return append(list, "WEFT_COMMAND=*/app*", "WEFT_TLS=off") // as startWeft has it, by what needs no right to be read
}

// mounts gives those that a runtime makes for each container, and the volumes of the manifests.
func (b *bundle) mounts(t *testing.T, pod *core.PodSpec) []specs.Mount {
	t.Helper()
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
	bind := func(source, to string, options ...string) {
		list = append(list, specs.Mount{Destination: to, Type: "bind", Source: source, Options: append(options, "rbind", "rprivate")})
	}
	place := func(name, content string) string {
		path := filepath.Join(b.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bind(place("hosts", "127.0.0.1 localhost\n"+collectorAddress+" weft-collector\n"), "/etc/hosts")
	var settings core.ConfigMap
	manifest(t, "ConfigMap", &settings)
	for _, m := range pod.Containers[0].VolumeMounts {
		volume := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name })]
		mode := map[bool]string{true: "ro", false: "rw"}[m.ReadOnly]
		switch {
		case volume.ConfigMap != nil:
			bind(filepath.Dir(place("config/weft.yaml", settings.Data["weft.yaml"])), m.MountPath, mode)
		case volume.EmptyDir != nil:
			list = append(list, specs.Mount{Destination: m.MountPath, Type: "tmpfs", Source: "tmpfs", Options: []string{mode, "size=1m"}})
		case volume.HostPath != nil:
			bind(t.TempDir(), m.MountPath, mode)
		default:
			t.Fatalf("a volume of an unknown kind: %+v", volume)
		}
	}
	return list
}

func (b *bundle) save(t *testing.T, args []string) {
	t.Helper()
	b.spec.Process.Args = append(slices.Clone(b.entrypoint), args...)
	text, err := json.Marshal(b.spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.remove()
}

// start runs it as the manifests say.
func (b *bundle) start(t *testing.T) *tracer.Tracer {
	t.Helper()
	b.save(t, b.set.Spec.Template.Spec.Containers[0].Args)
	// What the tracer would tell weft is in the bundle.
	w, err := tracer.Start(world.weft, tracer.Options{Output: "otlp", Prefix: []string{"sh", "-c", `exec runc run --bundle "$0" --pid-file "$0/pid" "$1"`, b.dir, b.name}})
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

// run runs it with other arguments, to its end.
func (b *bundle) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	b.save(t, args)
	out, err := exec.Command("runc", "run", "--bundle", b.dir, b.name).CombinedOutput()
	return string(out), err
}

func (b *bundle) remove() { _ = exec.Command("runc", "delete", "--force", b.name).Run() }
