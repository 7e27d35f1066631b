// Package container owns where a process runs, as the path of its cgroup tells: in which container of which runtime, and in which
// pod of Kubernetes. The paths are those of cgroup v1 and v2, of the runtimes' cgroupfs and systemd drivers.
package container

import (
	"bytes"
	"strings"
)

// A Place is where a process runs. Its zero value is the host itself.
type Place struct {
	ID      string // of the container, 64 hexadecimal digits; empty: in none
	Runtime string // containerd, cri-o, docker or podman; empty: the path does not tell
	Pod     string // uid as the API has it, or the hash of a static pod's configuration; empty: in no pod
	QoS     string // Guaranteed, Burstable or BestEffort; empty: the path does not tell
}

// The classes of service of a pod, in the words of the API.
const (
	Guaranteed = "Guaranteed"
	Burstable  = "Burstable"
	BestEffort = "BestEffort"
)

// maxElements bounds the elements of a path that are looked at; the innermost ones count.
const maxElements = 64

// Of reads the contents of /proc/PID/cgroup. With cgroup v1 the first hierarchy that tells a container counts.
func Of(cgroup []byte) Place {
	var pod Place
	for line := range bytes.Lines(cgroup) {
		_, path, ok := strings.Cut(strings.TrimSpace(string(line)), ":/")
		if !ok {
			continue
		}
		switch place := Parse(path); {
		case place.ID != "":
			return place
		case pod.Pod == "":
			pod = place
		}
	}
	return pod
}

// Unified tells whether the line of cgroup v2 in the contents of /proc/PID/cgroup is what tells the container. On a machine
// without that hierarchy all processes may share the one cgroup to which the kernel gives an id.
func Unified(cgroup []byte) bool {
	at := bytes.Index(cgroup, []byte("0::/"))
	return at >= 0 && Of(cgroup[at:]).ID != "" && Of(cgroup[at:]) == Of(cgroup)
}

// Parse reads one path. A container inside another one is the inner one: nodes may be containers themselves.
func Parse(path string) (p Place) {
	for range maxElements {
		if path == "" || p.ID != "" && p.Pod != "" {
			break
		}
		above, element := cut(path)
		path = above
		if p.ID == "" && p.Pod == "" {
			_, parent := cut(above)
			p.ID, p.Runtime = identify(element, parent)
		}
		element = strings.TrimPrefix(element, "kubelet-") // the slice of a kubelet that is in a container
		if pod := podOf(element); pod != "" && p.Pod == "" {
			p.Pod, p.QoS = pod, classOf(element, above)
		}
	}
	return p
}

// cut parts the last element from a path.
func cut(path string) (above, element string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// runtimes are the names before an id, as cri-containerd-ID.scope or SLICE:cri-containerd:ID, and of the folder above it.
var runtimes = map[string]string{
	"cri-containerd": "containerd",
	"containerd":     "containerd",
	"nerdctl":        "containerd",
	"k8s.io":         "containerd", // a name space of containerd's
	"moby":           "docker",
	"docker":         "docker",
	"crio":           "cri-o",
	"libpod":         "podman",
	"libpod_parent":  "podman",
}

// identify reads a path element that is an id of 64 hexadecimal digits, with or without the runtime's name before it. Shorter ids
// (machine ids, unit invocations) name other things. A runtime's monitor runs in a cgroup named after its container without being
// in it.
func identify(element, parent string) (id, runtime string) {
	element = strings.TrimSuffix(element, ".scope")
	prefix, id := "", element
	if i := strings.LastIndexAny(element, "-:"); i >= 0 {
		prefix, id = element[:i], element[i+1:]
	}
	if len(id) != 64 || !isHex(id) || strings.HasSuffix(prefix, "conmon") {
		return "", ""
	}
	if i := strings.LastIndexByte(prefix, ':'); i >= 0 {
		prefix = prefix[i+1:] // SLICE:cri-containerd:ID
	}
	if prefix == "" {
		prefix = parent
	}
	return id, runtimes[prefix]
}

// podOf reads the uid of a pod: pod6f1c…-…, or of systemd's driver kubepods-burstable-pod6f1c…_….slice, with or without what is
// behind a colon.
func podOf(element string) string {
	element, _, _ = strings.Cut(element, ":")
	at := strings.LastIndex(element, "pod")
	if at < 0 || at > 0 && !strings.HasPrefix(element, "kubepods") {
		return ""
	}
	uid := strings.TrimSuffix(element[at+len("pod"):], ".slice")
	if !strings.Contains(element, ".slice") {
		return asUID(uid)
	}
	return asUID(strings.ReplaceAll(uid, "_", "-"))
}

// asUID gives a text that is a UUID or, of a static pod, 32 hexadecimal digits.
func asUID(text string) string {
	switch len(text) {
	case 32:
		if isHex(text) {
			return text
		}
	case 36:
		if text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' && isHex(strings.ReplaceAll(text, "-", "")) {
			return text
		}
	}
	return ""
}

// classOf tells the class of a pod from its own element or from the folder above. Guaranteed pods are right under kubepods.
func classOf(element, above string) string {
	_, parent := cut(above)
	parent = strings.TrimSuffix(parent, ".slice")
	switch {
	case strings.HasPrefix(element, "kubepods-burstable-"), parent == "burstable":
		return Burstable
	case strings.HasPrefix(element, "kubepods-besteffort-"), parent == "besteffort":
		return BestEffort
	case strings.HasPrefix(element, "kubepods-pod"), parent == "kubepods":
		return Guaranteed
	}
	return ""
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }
