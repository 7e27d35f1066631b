package kubernetes

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigs "sigs.k8s.io/yaml"

	"weft/agent/container"
	"weft/agent/pod"
	"weft/correlate/event"
)

// paths are where the objects of the manifests belong.
var paths = map[string]string{
	"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/weft/serviceaccounts", "ConfigMap": "/api/v1/namespaces/weft/configmaps",
	"ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	"DaemonSet": "/apis/apps/v1/namespaces/weft/daemonsets",
}

// documents gives the objects of a file.
func documents(t *testing.T, file string) (list []object) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		text, err := reader.Read()
		if err == io.EOF {
			return list
		}
		var one object
		if err == nil {
			err = sigs.Unmarshal(text, &one)
		}
		if err != nil {
			t.Fatal(err)
		}
		if one["kind"] != nil {
			list = append(list, one)
		}
	}
}

// install has the server take the manifests, whose rights apply from then on.
func install(t *testing.T, c *cluster) {
	t.Helper()
	list := documents(t, "../../deploy/kubernetes/weft.yaml")
	if len(list) != len(paths) {
		t.Errorf("%d objects", len(list))
	}
	for _, one := range list {
		c.as(admin).do(t, "POST", paths[one["kind"].(string)]+"?fieldValidation=Strict", one)
	}
	c.as(admin).do(t, "POST", "/api/v1/namespaces", object{"metadata": object{"name": "shop"}})
}

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func value(p *event.Peer, key string) string {
	if p == nil {
		return ""
	}
	return text(p.Attributes, key)
}

func text(list []event.Attribute, key string) string {
	at := slices.IndexFunc(list, func(a event.Attribute) bool { return a.Key == key })
	if at < 0 {
		return ""
	}
	return list[at].Value
}

// TestRealServer takes weft's knowledge of pods and Services through a life with a real server, with the rights of the manifests.
func TestRealServer(t *testing.T) {
	c := startCluster(t)
	install(t, c)
	by := c.as(admin)
	if status, answer := c.as(agent).ask("GET", "/api/v1/secrets", nil); status != 403 {
		t.Errorf("weft may list secrets: %d %s", status, answer)
	}
	log := &journal{}
	o := pod.Options{Kubeconfig: c.kubeconfig(t), Node: "n1", Log: slog.New(slog.NewTextHandler(log, nil))}
	w, err := pod.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	services, err := pod.OpenServices(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the first list", w.Synced)
	named := func(uid string) bool {
		a := w.Attributes(container.Place{Pod: uid, ID: id(uid)})
		return text(a, "k8s.container.name") == "app" && text(a, "container.runtime.name") == "containerd" && text(a, "k8s.node.name") == "n1"
	}
	known := func(uid string) bool { return w.Attributes(container.Place{Pod: uid}) != nil }
	at := func(a string) string { return value(w.At(netip.MustParseAddr(a)), "weft.peer.k8s.pod.name") }

	t.Run("a pod that starts", func(t *testing.T) {
		var all []time.Duration
		for i := range 20 {
			uid := by.run(t, "n1", name(i), fmt.Sprintf("10.1.0.%d", i+1))
			all = append(all, await(t, "the names of a pod", func() bool { return named(uid) }))
		}
		slices.Sort(all)
		t.Logf("names after the API server knew them: median %v, at most %v", all[10], all[19])
		if all[10] > time.Second {
			t.Errorf("names take more than a second: %v", all)
		}
		await(t, "a pod by its address", func() bool { return at("10.1.0.3") == name(2) })
	})
	t.Run("a pod of another node", func(t *testing.T) {
		uid := by.run(t, "n2", "other", "10.1.1.1")
		mine := by.run(t, "n1", "later", "10.1.1.2")
		await(t, "a later pod", func() bool { return named(mine) })
		if known(uid) || at("10.1.1.1") != "" {
			t.Error("it is known")
		}
	})
	t.Run("a Service", func(t *testing.T) {
		service := object{"metadata": object{"name": "cart"}, "spec": object{"clusterIP": "10.96.0.77", "ports": []object{{"port": 80}}}}
		headless := object{"metadata": object{"name": "headless"}, "spec": object{"clusterIP": "None", "ports": []object{{"port": 80}}}}
		by.do(t, "POST", "/api/v1/namespaces/shop/services", headless)
		by.do(t, "POST", "/api/v1/namespaces/shop/services", service)
		front := func() *event.Peer { return services.At(netip.MustParseAddr("10.96.0.77")) }
		await(t, "its name", func() bool {
			return value(front(), event.KeyPeerService) == "cart" && value(front(), event.KeyPeerSpace) == "shop"
		})
		by.do(t, "DELETE", "/api/v1/namespaces/shop/services/cart", nil)
		await(t, "its end", func() bool { return front() == nil })
		if n := services.Len(); n != 1 { // that of the API server itself
			t.Errorf("%d addresses", n)
		}
	})
	t.Run("churn", func(t *testing.T) {
		start, last := time.Now(), ""
		for i := 100; i < 200; i++ {
			last = by.run(t, "n1", name(i), fmt.Sprintf("10.1.2.%d", i))
			if i >= 105 {
				by.end(t, name(i-5))
			}
		}
		t.Logf("100 pods came and 95 went in %v", time.Since(start))
		await(t, "the last pod", func() bool { return named(last) && at("10.1.2.199") == name(199) })
		await(t, "the ends of the others", func() bool { return w.Len() == 21+5 && at("10.1.2.194") == "" })
	})
	t.Run("an outage in which a pod ends and the history expires", func(t *testing.T) {
		gone := by.run(t, "n1", "gone", "10.1.3.1")
		await(t, "its names", func() bool { return named(gone) })
		c.down()
		await(t, "a word on the outage", func() bool { return strings.Contains(log.String(), "level=WARN") })
		if !named(gone) || at("10.1.3.1") != "gone" {
			t.Error("names are forgotten in an outage")
		}
		c.forget(t, "gone")
		c.up(t)
		fresh := by.run(t, "n1", "fresh", "10.1.3.1")
		await(t, "the names of a pod after it", func() bool { return named(fresh) && at("10.1.3.1") == "fresh" })
		await(t, "the end of the one that ended meanwhile", func() bool { return !known(gone) })
		await(t, "a word that it is over", func() bool { return strings.Contains(log.String(), "answers again") })
	})
	if strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("log: %s", log)
	}
}

// TestManifests has the server hold the manifests, and those that were rendered with other values, against its schemas.
func TestManifests(t *testing.T) {
	c := startCluster(t)
	files := []string{"../../deploy/kubernetes/weft.yaml"}
	if dir := os.Getenv("RENDERED"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(more) == 0 {
			t.Fatalf("nothing is rendered in %s: %v", dir, err)
		}
		files = append(files, more...)
	}
	for _, namespace := range []string{"weft", "n"} {
		c.as(admin).do(t, "POST", "/api/v1/namespaces", object{"metadata": object{"name": namespace}})
	}
	for _, file := range files {
		for _, one := range documents(t, file) {
			kind := one["kind"].(string)
			path := paths[kind]
			if space, ok := one["metadata"].(object)["namespace"].(string); ok {
				path = strings.Replace(path, "/weft/", "/"+space+"/", 1)
			}
			status, answer := c.as(admin).ask("POST", path+"?dryRun=All&fieldValidation=Strict", one)
			if status != 201 && (kind != "Namespace" || status != 409) { // it is there already
				t.Errorf("%s: %s is not taken: %d %s", file, kind, status, answer)
			}
		}
	}
}
