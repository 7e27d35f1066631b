package process

import (
	"bytes"
	"strings"
)

// containerID finds the id of the container in the contents of /proc/PID/cgroup: the innermost path element that
// is 64 hexadecimal digits, as containerd, Docker, CRI-O and podman write them, with or without a prefix and
// ".scope". Shorter ids (machine ids, unit invocations) name other things. A runtime's monitor runs in a cgroup
// named after its container without being in it.
func containerID(cgroup []byte) string {
	for line := range bytes.Lines(cgroup) {
		_, p, ok := strings.Cut(strings.TrimSpace(string(line)), ":/")
		if !ok {
			continue
		}
		if id := pathContainer(p); id != "" {
			return id
		}
	}
	return ""
}

func pathContainer(p string) string {
	for p != "" {
		element := p
		if i := strings.LastIndexByte(p, '/'); i >= 0 {
			p, element = p[:i], p[i+1:]
		} else {
			p = ""
		}
		element = strings.TrimSuffix(element, ".scope")
		prefix, id := "", element
		if i := strings.LastIndexAny(element, "-:"); i >= 0 {
			prefix, id = element[:i], element[i+1:]
		}
		if len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "" && !strings.HasSuffix(prefix, "conmon") {
			return id
		}
	}
	return ""
}
