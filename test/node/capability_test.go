package node

import (
	"os/exec"
	"strings"
	"testing"

	"weft/agent"
	"weft/test/tracer"
)

// with gives the command that runs a program as root with just these capabilities, and without a way to get more.
func with(t *testing.T, leftOut string) []string {
	t.Helper()
	bounds := "-all"
	for _, c := range agent.Capabilities {
		if c.Name != leftOut {
			bounds += ",+" + strings.ToLower(strings.TrimPrefix(c.Name, "CAP_"))
		}
	}
	return []string{"setpriv", "--inh-caps=-all", "--bounding-set=" + bounds}
}

// TestJustTheCapabilities traces as the container of the manifests may, processes of another user in containers included.
func TestJustTheCapabilities(t *testing.T) {
	containers := chain(t)
	w := startWeft(t, tracer.Options{Prefix: with(t, ""), Args: translated})
	served := send(t, "http://"+address(1)+":8080", 10, "t-caps")
	complete(w, served)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	// A program may be gone before a probe is on it; that is told, too, and no lack of rights.
	if strings.Contains(w.Log(), "permi") {
		t.Errorf("weft is refused something: %s", w.Log())
	}
	groups := byToken(w.Spans())
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
	if len(served) != 10 {
		t.Errorf("%d requests were answered", len(served))
	}
}

// TestMissingCapabilityIsNamed leaves out one at a time. SYS_ADMIN stands for BPF and PERFMON, so that it is left out beside them.
func TestMissingCapabilityIsNamed(t *testing.T) {
	for _, c := range agent.Capabilities {
		prefix := with(t, c.Name)
		if c.Essential {
			prefix[2] = strings.Replace(prefix[2], ",+sys_admin", "", 1)
		}
		out, err := exec.Command(prefix[0], append(prefix[1:], world.weft, "doctor")...).CombinedOutput()
		if !strings.Contains(string(out), c.Name+" ("+c.Use+")") {
			t.Errorf("%s is not named:\n%s", c.Name, out)
		}
		if (err != nil) != c.Essential {
			t.Errorf("without %s doctor ends with %v:\n%s", c.Name, err, out)
		}
		if !c.Essential {
			continue
		}
		out, err = exec.Command(prefix[0], append(prefix[1:], world.weft, "run", "--control", t.TempDir()+"/c")...).CombinedOutput()
		first, _, _ := strings.Cut(string(out), "\n")
		if err == nil || !strings.HasPrefix(first, "weft: ") || strings.Index(first, c.Name+" (") > 100 {
			t.Errorf("without %s weft run says first: %s (%v)", c.Name, first, err)
		}
	}
}
