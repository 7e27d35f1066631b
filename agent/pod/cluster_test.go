package pod

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// usual gives a pod as they come from a server: what its author wrote is in an annotation once more, beside much that weft does not tell.
func usual(node, name string) *core.Pod {
	p := newPod(node, name)
	p.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = name + strings.Repeat("x", 4<<10)
	for i := range 20 {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, core.EnvVar{Name: fmt.Sprint("VARIABLE_", i), Value: name})
		p.Status.Conditions = append(p.Status.Conditions, core.PodCondition{Message: fmt.Sprint(name, i)})
	}
	return started(p, "app", "sidecar")
}

// heldFor gives what a watch holds in a cluster with so many pods on this node and on others: bytes of the heap.
func heldFor(t testing.TB, mine, others int) (held int64, s *server, w *Watch) {
	t.Helper()
	s = serve(t)
	for i := range mine {
		s.put(usual("n1", fmt.Sprint("mine", i)))
	}
	for i := range others {
		s.put(usual(fmt.Sprint("n", 2+i/100), fmt.Sprint("other", i)))
	}
	before := heap()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := Open(ctx, Options{Kubeconfig: s.kubeconfig(t), Node: "n1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		s.http.CloseClientConnections()
		<-w.Done()
	})
	await(t, "the pods of this node", patience, func() bool { return w.Synced() && w.Len() == mine })
	return int64(heap()) - int64(before), s, w
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers have let go
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLargeCluster has 10,000 pods in the cluster, of which 100 are on this node: no other one is sent, told or kept, and what is kept is
// as much as in a cluster of these 100 alone.
func TestLargeCluster(t *testing.T) {
	const mine, others = 100, 9_900
	heldFor(t, 1, 0) // what the libraries make once
	small, _, _ := heldFor(t, mine, 0)
	large, s, w := heldFor(t, mine, others)
	t.Logf("%d KiB are kept of %d pods, %d KiB beside %d others", small>>10, mine, large>>10, others)
	if large > small+small/2+256<<10 {
		t.Errorf("%d bytes are kept in a cluster of %d pods, %d in one of %d", large, mine+others, small, mine)
	}
	version := w.Version()
	for i := range 1_000 { // others come and go
		s.put(usual("n2", fmt.Sprint("late", i)))
		if i%2 == 0 {
			s.remove(usual("n2", fmt.Sprint("late", i)))
		}
	}
	s.put(usual("n1", "last"))
	await(t, "a pod of this node after them", patience, func() bool { return w.Len() == mine+1 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent != mine+1 || w.Version() != version+1 {
		t.Errorf("%d pods were sent and %d changes seen, want %d and 1", s.sent, w.Version()-version, mine+1)
	}
}

// BenchmarkPods tells what is kept of a pod of this node.
func BenchmarkPods(b *testing.B) {
	const n = 1_000
	for b.Loop() {
		held, _, _ := heldFor(b, n, 0)
		b.ReportMetric(float64(held)/n, "B/pod")
	}
}
