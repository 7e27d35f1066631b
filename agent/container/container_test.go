package container

import (
	"strings"
	"testing"
)

const (
	id     = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	other  = "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	uid    = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2"
	scored = "6f1c2b3a_0d4e_4f5a_8b6c_7d8e9fa0b1c2"
	static = "d6a1b2c3d4e5f60718293a4b5c6d7e8f"
)

// paths are contents of /proc/PID/cgroup as the runtimes make them.
var paths = []struct {
	name, cgroup string
	want         Place
}{
	{"containerd, cgroupfs", "0::/kubepods/burstable/pod" + uid + "/" + id, Place{id, "", uid, Burstable}},
	{"containerd, cgroupfs, best effort", "0::/kubepods/besteffort/pod" + uid + "/" + id, Place{id, "", uid, BestEffort}},
	{"containerd, cgroupfs, guaranteed", "0::/kubepods/pod" + uid + "/" + id, Place{id, "", uid, Guaranteed}},
	{"containerd, systemd", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + scored + ".slice/cri-containerd-" + id + ".scope",
		Place{id, "containerd", uid, Burstable}},
	{"containerd, systemd, guaranteed", "0::/kubepods.slice/kubepods-pod" + scored + ".slice/cri-containerd-" + id + ".scope",
		Place{id, "containerd", uid, Guaranteed}},
	{"containerd, a slice as name", "0::/system.slice/containerd.service/kubepods-besteffort-pod" + scored + ".slice:cri-containerd:" + id,
		Place{id, "containerd", uid, BestEffort}},
	{"containerd, the kubelet's own slice", "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + scored + ".slice/cri-containerd-" + id + ".scope",
		Place{id, "containerd", uid, Guaranteed}},
	{"containerd, ctr", "0::/k8s.io/" + id, Place{id, "containerd", "", ""}},
	{"nerdctl", "0::/system.slice/nerdctl-" + id + ".scope", Place{id, "containerd", "", ""}},
	{"cri-o", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + scored + ".slice/crio-" + id + ".scope/container",
		Place{id, "cri-o", uid, Burstable}},
	{"cri-o's monitor", "0::/kubepods.slice/kubepods-pod" + scored + ".slice/crio-conmon-" + id + ".scope", Place{"", "", uid, Guaranteed}},
	{"cri-dockerd", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + scored + ".slice/docker-" + id + ".scope",
		Place{id, "docker", uid, BestEffort}},
	{"docker, cgroupfs", "0::/docker/" + id, Place{id, "docker", "", ""}},
	{"docker, systemd", "0::/system.slice/docker-" + id + ".scope/init.scope", Place{id, "docker", "", ""}},
	{"podman, cgroupfs", "0::/libpod_parent/libpod-" + id, Place{id, "podman", "", ""}},
	{"podman, systemd", "0::/machine.slice/libpod-" + id + ".scope/container", Place{id, "podman", "", ""}},
	{"podman, without root", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope", Place{id, "podman", "", ""}},
	{"podman's monitor", "0::/machine.slice/libpod-conmon-" + id + ".scope", Place{}},
	{"cgroup v1", "12:pids:/kubepods/burstable/pod" + uid + "/" + id + "\n1:name=systemd:/kubepods/burstable/pod" + uid + "/" + id + "\n0::/",
		Place{id, "", uid, Burstable}},
	{"cgroup v1, only in one hierarchy", "12:pids:/\n3:cpu:/docker/" + id + "\n0::/", Place{id, "docker", "", ""}},
	{"kind: a node that is a container", "0::/docker/" + other + "/kubelet/kubepods/pod" + uid + "/" + id, Place{id, "", uid, Guaranteed}},
	{"kind: the node itself", "0::/docker/" + other + "/kubelet", Place{other, "docker", "", ""}},
	{"kind: a pod without container", "0::/docker/" + other + "/kubelet/kubepods/pod" + uid, Place{"", "", uid, Guaranteed}},
	{"seen from a pod's cgroup namespace", "0::/../../pod" + uid + "/" + id, Place{id, "", uid, ""}},
	{"seen from a slice's cgroup namespace", "0::/../../kubepods-burstable-pod" + scored + ".slice/cri-containerd-" + id + ".scope",
		Place{id, "containerd", uid, Burstable}},
	{"a static pod", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + static + ".slice/crio-" + id + ".scope",
		Place{id, "cri-o", static, Burstable}},
	{"a static pod, cgroupfs", "0::/kubepods/burstable/pod" + static + "/" + id, Place{id, "", static, Burstable}},
	{"a service of systemd", "0::/system.slice/nginx.service", Place{}},
	{"32 digits are no container", "0::/job/" + id[:32], Place{}},
	{"64 others are none", "0::/x/" + strings.Repeat("g", 64), Place{}},
	{"a folder that is called pod", "0::/pod" + uid[:20], Place{}},
	{"the root", "0::/", Place{}},
	{"nothing", "", Place{}},
}

func TestOf(t *testing.T) {
	for _, c := range paths {
		if got := Of([]byte(c.cgroup + "\n")); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestUnified(t *testing.T) {
	for text, want := range map[string]bool{
		"12:pids:/docker/" + id + "\n0::/docker/" + id + "\n": true,
		"12:pids:/docker/" + id + "\n0::/\n":                  false,
		"0::/\n":                                              false,
		"":                                                    false,
	} {
		if got := Unified([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzOf holds that whatever stands in the file, what is told is of the form that it must have, and stands in the file.
func FuzzOf(f *testing.F) {
	for _, c := range paths {
		f.Add([]byte(c.cgroup))
	}
	f.Fuzz(func(t *testing.T, cgroup []byte) {
		p := Of(cgroup)
		if p.ID != "" && (len(p.ID) != 64 || !isHex(p.ID) || !strings.Contains(string(cgroup), p.ID)) {
			t.Errorf("id %q", p.ID)
		}
		if p.Pod != "" && asUID(p.Pod) != p.Pod {
			t.Errorf("pod %q", p.Pod)
		}
		if p.Runtime != "" && p.ID == "" || p.QoS != "" && p.Pod == "" {
			t.Errorf("%+v", p)
		}
	})
}
