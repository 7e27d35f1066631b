package main

import (
	"os"
	"slices"
	"testing"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/container"
	"weft/agent/pod"
	"weft/agent/process"
)

// TestChoice asks the rules about this very process.
func TestChoice(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	me := uint32(os.Getpid())
	mine := config.Rule{Exe: config.Glob(exe)}
	others := config.Rule{Exe: "no-such-program"}
	port := config.Rule{Port: 8080}
	for _, c := range []struct {
		name             string
		include, exclude []config.Rule
		want             agent.Verdict
		onlyPorts        bool
	}{
		{name: "included", include: []config.Rule{others, mine}, want: agent.Traced},
		{name: "not included", include: []config.Rule{others}, want: agent.Other},
		{name: "excluded", include: []config.Rule{mine}, exclude: []config.Rule{{PID: me}}, want: agent.Excluded},
		{name: "nothing included, others excluded", exclude: []config.Rule{others}, want: agent.Traced},
		{name: "port", include: []config.Rule{port}, want: agent.Other, onlyPorts: true},
		{name: "port or process", include: []config.Rule{port, mine}, want: agent.Traced},
		{name: "port, but excluded", include: []config.Rule{port}, exclude: []config.Rule{mine}, want: agent.Excluded, onlyPorts: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice := newChoice(c.include, c.exclude, newWitness(nil).facts, nil)
			if got := choice.Decide(me); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
			if choice.OnlyPorts != c.onlyPorts {
				t.Errorf("only ports %v, want %v", choice.OnlyPorts, c.onlyPorts)
			}
			if slices.Contains(c.include, port) != slices.Contains(choice.IncludePorts, 8080) {
				t.Errorf("ports %v", choice.IncludePorts)
			}
		})
	}
	if newChoice(nil, nil, nil, nil).Decide != nil {
		t.Error("without rules nothing has to be decided")
	}
}

// gone is above every process id.
const gone = 1<<22 + 1

// TestChoiceOfAProcessThatIsGone decides on programs that have ended before /proc could be read.
func TestChoiceOfAProcessThatIsGone(t *testing.T) {
	w := newWitness(process.New(process.Options{}))
	w.cgroups[7] = "/kubepods/one"
	w.asksEnv.Store(true)
	w.Exec(process.Execution{PID: gone, File: []byte("/usr/bin/curl"), Args: []byte("curl\x00-s\x00http://a/\x00"), Env: []byte("A=1\x00TRACE=on\x00CUT=o"), Cgroup: 7})
	w.Fork(gone, gone+1)
	for _, rule := range []config.Rule{{Exe: "curl"}, {Env: "TRACE=on"}, {Exe: "/usr/bin/*"}, {Command: "curl -s http://a/"}, {Cgroup: "/kubepods/*"}} {
		choice := newChoice([]config.Rule{rule}, nil, w.facts, nil)
		if choice.Decide(gone) != agent.Traced || choice.Decide(gone+1) != agent.Traced || choice.Decide(gone+2) != agent.Other {
			t.Errorf("%s: %d, its child %d, another %d", rule, choice.Decide(gone), choice.Decide(gone+1), choice.Decide(gone+2))
		}
		if v := newChoice(nil, []config.Rule{rule}, w.facts, nil).Decide(gone); v != agent.Excluded {
			t.Errorf("%s excludes, and the verdict is %d", rule, v)
		}
	}
	w.Fork(1, gone+1)
	w.Exit(gone)
	if len(w.seen) != 0 {
		t.Errorf("remembered for nothing: %v", w.seen)
	}
	for pid := range uint32(2 * witnessMax) {
		w.put(gone+pid, facts{exe: "/bin/true"})
	}
	if len(w.seen) > witnessMax {
		t.Errorf("%d processes are remembered", len(w.seen))
	}
}

// oneNode has one pod.
type oneNode struct{ uid string }

func (n oneNode) Facts(place container.Place) pod.Facts {
	if place.Pod != n.uid {
		return pod.Facts{}
	}
	return pod.Facts{Namespace: "shop", Pod: "cart-1", Image: "shop/cart", Owners: []string{"cart"}, Labels: []string{"team=a"}}
}

func TestChoiceByPod(t *testing.T) {
	const uid = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2"
	w := newWitness(process.New(process.Options{}))
	w.cgroups[7], w.cgroups[8] = "/kubepods/burstable/pod"+uid, "/kubepods/burstable/pod7"+uid[1:]
	w.Exec(process.Execution{PID: gone, File: []byte("/cart"), Cgroup: 7})
	w.Exec(process.Execution{PID: gone + 1, File: []byte("/cart"), Cgroup: 8})
	for _, rule := range []config.Rule{{Namespace: "shop"}, {Pod: "cart-*"}, {Owner: "cart"}, {Image: "shop/*"}, {Label: "team=a"}, {Namespace: "shop", Exe: "cart"}} {
		choice := newChoice([]config.Rule{rule}, nil, w.facts, oneNode{uid})
		if in, out := choice.Decide(gone), choice.Decide(gone+1); in != agent.Traced || out != agent.Other {
			t.Errorf("%s: %d, and %d in another pod", rule, in, out)
		}
		if v := newChoice(nil, []config.Rule{rule}, w.facts, oneNode{uid}).Decide(gone); v != agent.Excluded {
			t.Errorf("%s excludes, and the verdict is %d", rule, v)
		}
	}
}

func TestCgroupPath(t *testing.T) {
	for text, want := range map[string]struct {
		path    string
		unified bool
	}{
		"0::/kubepods/one\n":                           {"/kubepods/one", true},
		"2:cpu:/docker/abc\n1:name=systemd:/a\n0::/\n": {"/docker/abc", false},
		"nonsense": {},
	} {
		if path, unified := cgroupPath(text); path != want.path || unified != want.unified {
			t.Errorf("%q: %q, unified %v", text, path, unified)
		}
	}
}
