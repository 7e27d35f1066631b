package pod

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weft/agent/container"
)

const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// make gives a pod of a Deployment on a node with one container.
func newPod(node, name string) *core.Pod {
	yes := true
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{
			Name: "cart-7d4b9c-" + name, Namespace: "shop", UID: types.UID("uid-" + name),
			Labels: map[string]string{
				"pod-template-hash": "7d4b9c", "app.kubernetes.io/name": "cart-label", "app.kubernetes.io/version": "9", "team": "a",
			},
			Annotations:     map[string]string{"note": "x", "resource.opentelemetry.io/deployment.environment.name": "prod"},
			OwnerReferences: []meta.OwnerReference{{Kind: "ReplicaSet", Name: "cart-7d4b9c", Controller: &yes}},
		},
		Spec: core.PodSpec{NodeName: node, Containers: []core.Container{
			{Name: "app", Image: "registry:5000/shop/cart:1.2@sha256:abc", Env: []core.EnvVar{{Name: "SECRET", Value: "do not keep"}}},
		}},
		Status: core.PodStatus{QOSClass: core.PodQOSBurstable},
	}
}

func started(p *core.Pod, containers ...string) *core.Pod {
	p = p.DeepCopy()
	p.Spec.Containers = nil
	for i, name := range containers {
		p.Spec.Containers = append(p.Spec.Containers, core.Container{Name: name, Image: "shop/" + name})
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, core.ContainerStatus{
			Name: name, ContainerID: "containerd://" + fmt.Sprint(i) + id[1:], Image: "sha256:12",
		})
	}
	return p
}

func told(o Options, p *core.Pod, place container.Place) map[string]string {
	m := map[string]string{}
	for _, a := range o.describe(p, place) {
		m[a.Key] = a.Value
	}
	return m
}

func TestDescribe(t *testing.T) {
	p := newPod("n1", "x")
	want := map[string]string{
		"k8s.cluster.name": "c1", "k8s.node.name": "n1", "k8s.namespace.name": "shop", "k8s.pod.name": "cart-7d4b9c-x", "k8s.pod.uid": "uid-x",
		"k8s.pod.qos_class": "Burstable", "k8s.deployment.name": "cart", "k8s.replicaset.name": "cart-7d4b9c", "k8s.container.name": "app",
		"container.image.name": "registry:5000/shop/cart", "service.name": "cart", "service.namespace": "shop",
		"service.version": "1.2@sha256:abc", "service.instance.id": "shop.cart-7d4b9c-x.app", "deployment.environment.name": "prod",
	}
	if got := told(Options{Cluster: "c1"}, p, container.Place{}); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	got := told(Options{LabelNames: true, Labels: func(k string) bool { return k == "team" }, Annotations: func(k string) bool { return k == "note" }}, p, container.Place{})
	for k, v := range map[string]string{
		"service.name": "cart-label", "service.version": "9", "k8s.pod.label.team": "a", "k8s.pod.label.pod-template-hash": "", "k8s.pod.annotation.note": "x",
	} {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
	p.Annotations["resource.opentelemetry.io/service.name"] = "annotated"
	p.Annotations["resource.opentelemetry.io/service.instance.id"] = "i"
	if got := told(Options{LabelNames: true}, p, container.Place{}); got["service.name"] != "annotated" || got["service.instance.id"] != "i" {
		t.Errorf("annotations do not come first: %v", got)
	}
}

func TestContainersOfAPod(t *testing.T) {
	p := started(newPod("n1", "x"), "app", "proxy")
	got := told(Options{}, p, container.Place{ID: "1" + id[1:]})
	if got["k8s.container.name"] != "proxy" || got["container.image.name"] != "shop/proxy" || got["container.runtime.name"] != "containerd" || got["service.instance.id"] != "shop.cart-7d4b9c-x.proxy" {
		t.Errorf("%v", got)
	}
	if got := told(Options{}, p, container.Place{ID: "9" + id[1:]}); got["k8s.container.name"] != "" || got["service.instance.id"] != "" || got["service.name"] != "cart" {
		t.Errorf("a container that is not in the status: %v", got)
	}
}

func TestOwners(t *testing.T) {
	for _, c := range []struct{ kind, name, hash, want string }{
		{"ReplicaSet", "cart-7d4b9c", "7d4b9c", "[{deployment cart} {replicaset cart-7d4b9c}]"},
		{"ReplicaSet", "cart", "7d4b9c", "[{replicaset cart}]"},
		{"ReplicaSet", "cart-7d4b9c", "", "[{replicaset cart-7d4b9c}]"},
		{"StatefulSet", "db", "", "[{statefulset db}]"},
		{"DaemonSet", "log", "", "[{daemonset log}]"},
		{"Job", "report-29384756", "", "[{cronjob report} {job report-29384756}]"},
		{"Job", "report-2", "", "[{job report-2}]"},
		{"Job", "-29384756", "", "[{job -29384756}]"},
		{"Rollout", "cart", "", "[]"},
	} {
		p := newPod("n1", "x")
		p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.Labels["pod-template-hash"] = c.kind, c.name, c.hash
		if c.hash == "" {
			delete(p.Labels, "pod-template-hash")
		}
		if got := fmt.Sprint(ownersOf(p)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.name, got, c.want)
		}
	}
}

// log keeps what is told.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func open(t *testing.T, s *server) (*Watch, *log) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &log{}
	w, err := Open(ctx, Options{Kubeconfig: s.kubeconfig(t), Node: "n1", Log: slog.New(slog.NewTextHandler(l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		s.http.CloseClientConnections()
		<-w.Done()
	})
	return w, l
}

func await(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func (w *Watch) names(uid string) bool { return w.Attributes(container.Place{Pod: uid}) != nil }

// patience is for what the client waits before it asks again.
const patience = 30 * time.Second

func TestWatchFollowsThisNode(t *testing.T) {
	s := serve(t)
	for i := range 50 {
		s.put(newPod("n2", fmt.Sprint("other", i)))
	}
	s.put(newPod("n1", "a"))
	w, _ := open(t, s)
	await(t, "the pod that was there", patience, func() bool { return w.Synced() && w.names("uid-a") })
	before := w.Version()
	s.put(newPod("n1", "b"))
	await(t, "a pod that starts", time.Second, func() bool { return w.names("uid-b") })
	if w.Version() == before {
		t.Error("nobody is told that there is a new pod")
	}
	if f := w.Facts(container.Place{Pod: "uid-b"}); f.Namespace != "shop" || f.Pod != "cart-7d4b9c-b" || f.Image != "registry:5000/shop/cart" ||
		fmt.Sprint(f.Owners) != "[cart cart-7d4b9c]" || !slices.Contains(f.Labels, "team=a") {
		t.Errorf("facts %+v", f)
	}
	static := newPod("n1", "s")
	static.Annotations[hashAnnotation] = "d6a1b2c3d4e5f60718293a4b5c6d7e8f"
	s.put(static)
	await(t, "a static pod by its hash", time.Second, func() bool { return w.names("d6a1b2c3d4e5f60718293a4b5c6d7e8f") && w.names("uid-s") })
	s.remove(static)
	s.remove(newPod("n1", "a"))
	await(t, "pods that end", time.Second, func() bool { return w.Len() == 1 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent > 6 || len(s.refused) > 0 {
		t.Errorf("the server sent %d pods and refused %q", s.sent, s.refused)
	}
	if p := w.pods["uid-b"]; len(p.Spec.Containers[0].Env) > 0 || p.Annotations["note"] != "" {
		t.Errorf("more is kept than is told: %+v", p)
	}
}

func TestWatchOutlastsAnOutage(t *testing.T) {
	s := serve(t)
	s.put(newPod("n1", "a"))
	s.put(newPod("n1", "b"))
	w, l := open(t, s)
	await(t, "the first pods", patience, func() bool { return w.Len() == 2 })
	s.outage(true)
	s.put(newPod("n1", "c"))
	s.remove(newPod("n1", "a"))
	await(t, "a word on the outage", patience, func() bool { return l.count("level=WARN") == 1 })
	if !w.names("uid-a") || !w.names("uid-b") {
		t.Error("names were forgotten when the server went away")
	}
	s.expire() // what happened meanwhile is not told any more
	s.outage(false)
	await(t, "the pods as they are now", patience, func() bool { return w.names("uid-c") && !w.names("uid-a") && w.names("uid-b") })
	await(t, "a word that it is over", patience, func() bool { return l.count("answers again") == 1 })
}

func TestWatchExpires(t *testing.T) {
	s := serve(t)
	s.put(newPod("n1", "a"))
	w, l := open(t, s)
	await(t, "the first pod", patience, func() bool { return w.names("uid-a") })
	s.expire()
	s.put(newPod("n1", "b"))
	await(t, "a pod after the expiry", patience, func() bool { return w.names("uid-b") })
	if n := l.count("level=WARN"); n > 0 {
		t.Errorf("%d warnings of what is usual", n)
	}
}

func TestChurn(t *testing.T) {
	s := serve(t)
	w, _ := open(t, s)
	for i := range 300 {
		p := newPod("n1", fmt.Sprint(i))
		s.put(p)
		await(t, "a pod that starts", patience, func() bool { return w.names(string(p.UID)) })
		if i >= 5 {
			s.remove(newPod("n1", fmt.Sprint(i-5)))
		}
	}
	await(t, "the last ones alone", patience, func() bool { return w.Len() == 5 })
}

func TestTry(t *testing.T) {
	s := serve(t)
	s.put(newPod("n1", "a"))
	o := Options{Kubeconfig: s.kubeconfig(t), Node: "n1", Log: slog.New(slog.DiscardHandler)}
	if n, err := Try(t.Context(), o); n != 1 || err != nil {
		t.Errorf("%d pods, %v", n, err)
	}
	o.Node = "n2"
	if _, err := Try(t.Context(), o); err == nil || !strings.Contains(err.Error(), "kubernetes.node") {
		t.Errorf("a node without pods: %v", err)
	}
	s.outage(true)
	if _, err := Try(t.Context(), o); err == nil || !strings.Contains(err.Error(), "list the pods") {
		t.Errorf("no server: %v", err)
	}
}

func TestNoServer(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "find the API server") {
		t.Errorf("outside of a pod: %v", err)
	}
	if _, err := Open(t.Context(), Options{Kubeconfig: "/no/such/file"}); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("without the file: %v", err)
	}
}
