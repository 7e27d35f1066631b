package pod

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weft/correlate/event"
)

func at(p *core.Pod, addresses ...string) *core.Pod {
	p.Status.Phase = core.PodRunning
	p.Status.PodIPs = nil
	for _, a := range addresses {
		p.Status.PodIPs = append(p.Status.PodIPs, core.PodIP{IP: a})
	}
	return p
}

func of(p *event.Peer, key string) string {
	if p == nil {
		return ""
	}
	for _, a := range p.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// TestAddresses follows who has an address: it is given back when a pod ends, also while it is still listed, and may be another pod's
// by then.
func TestAddresses(t *testing.T) {
	s := serve(t)
	w, _ := open(t, s)
	pod := func(a string) string { return of(w.At(netip.MustParseAddr(a)), "weft.peer.k8s.pod.name") }
	is := func(what, a, name string) {
		t.Helper()
		await(t, what, patience, func() bool { return pod(a) == name })
	}
	s.put(at(newPod("n1", "a"), "10.0.0.1", "fd00::1"))
	is("a pod by its address", "10.0.0.1", "cart-7d4b9c-a")
	p := w.At(netip.MustParseAddr("fd00::1"))
	for key, want := range map[string]string{
		"peer.service": "cart", "weft.peer.k8s.namespace.name": "shop", "weft.peer.k8s.deployment.name": "cart", "weft.peer.k8s.container.name": "app",
		"weft.peer.evidence": "address", "k8s.pod.uid": "", "service.version": "",
	} {
		if got := of(p, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	s.put(at(newPod("n1", "a"), "10.0.0.2"))
	is("another address", "10.0.0.2", "cart-7d4b9c-a")
	is("that the first is nobody's", "10.0.0.1", "")
	s.put(at(newPod("n1", "b"), "10.0.0.1"))
	is("the next pod with it", "10.0.0.1", "cart-7d4b9c-b")
	ended := at(newPod("n1", "b"), "10.0.0.1")
	ended.Status.Phase = core.PodSucceeded
	s.put(ended)
	is("that a pod has ended", "10.0.0.1", "")
	s.put(at(newPod("n1", "c"), "10.0.0.1"))
	is("a pod after it", "10.0.0.1", "cart-7d4b9c-c")
	s.remove(newPod("n1", "b"))
	s.remove(newPod("n1", "a"))
	is("that a pod is gone", "10.0.0.2", "")
	if pod("10.0.0.1") != "cart-7d4b9c-c" {
		t.Error("the end of a pod has taken the address of another one")
	}
	host := at(newPod("n1", "h"), "192.0.2.1")
	host.Spec.HostNetwork = true
	s.put(host)
	await(t, "a pod on the node's network", patience, func() bool { return w.names("uid-h") })
	if got := pod("192.0.2.1"); got != "" {
		t.Errorf("the node's address is said to be that of %s", got)
	}
}

func newService(n int, addresses ...string) *core.Service {
	return &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: fmt.Sprint("s", n), Namespace: "shop", UID: types.UID(fmt.Sprint(n))},
		Spec:       core.ServiceSpec{ClusterIPs: addresses},
	}
}

func TestServices(t *testing.T) {
	s := &Services{at: map[netip.Addr]front{}}
	is := func(a, name string) {
		t.Helper()
		if got := of(s.At(netip.MustParseAddr(a)), event.KeyPeerService); got != name {
			t.Errorf("%s is %q, want %q", a, got, name)
		}
	}
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	do(s.Replace([]any{newService(1, "10.1.0.1", "fd01::1"), newService(2, "10.1.0.2")}, "1"))
	is("10.1.0.1", "s1")
	is("fd01::1", "s1")
	is("10.1.0.2", "s2")
	do(s.Update(newService(1))) // as one becomes that has no address of its own
	is("10.1.0.1", "")
	do(s.Add(newService(3, "10.1.0.2")))
	do(s.Delete(newService(2, "10.1.0.2")))
	is("10.1.0.2", "s3")
	do(s.Replace([]any{newService(4, "10.1.0.4", "no address")}, "2"))
	is("10.1.0.2", "")
	for i := range maxServices + 10 {
		do(s.Add(newService(i+10, fmt.Sprintf("10.2.%d.%d", i/256, i%256))))
	}
	if s.Len() != maxServices {
		t.Errorf("%d addresses", s.Len())
	}
	do(s.Add(newService(11, "10.2.0.1"))) // one that is known is not refused
	is("10.2.0.1", "s11")
}

// TestServicesForbidden holds that a role without the right is told once, and no more.
func TestServicesForbidden(t *testing.T) {
	s := serve(t) // it refuses all but pods
	l := &log{}
	_, err := OpenServices(t.Context(), Options{Kubeconfig: s.kubeconfig(t), Node: "n1", Log: slog.New(slog.NewTextHandler(l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a word on the right that is missing", patience, func() bool { return l.count("may not list Services") == 1 })
	await(t, "another try", patience, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.refused) > 2
	})
	if n := l.count("level="); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// BenchmarkServices tells what is kept of a Service. It asks for the objects of an API server, which are not kept.
func BenchmarkServices(b *testing.B) {
	for b.Loop() {
		s := &Services{at: map[netip.Addr]front{}}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range maxServices {
			service := newService(i, fmt.Sprintf("10.%d.%d.%d", 2+i>>16, i>>8&255, i&255))
			service.Name, service.UID = fmt.Sprintf("a-service-of-usual-length-%d", i), types.UID(fmt.Sprintf("6f1c2b3a-0d4e-4f5a-8b6c-%012x", i))
			_ = s.Add(service)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/maxServices, "B/service")
		runtime.KeepAlive(s)
	}
}
