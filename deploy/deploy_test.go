// Package deploy holds what puts weft on nodes; its tests hold the manifests to what weft is.
package deploy

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigs "sigs.k8s.io/yaml"

	"weft/agent"
	"weft/agent/config"
)

// rendered are the manifests in the tree, and with RENDERED those that a test target has made of the chart with other values.
func rendered(t *testing.T) []string {
	t.Helper()
	files := []string{"kubernetes/weft.yaml"}
	if dir := os.Getenv("RENDERED"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(more) == 0 {
			t.Fatalf("nothing is rendered in %s: %v", dir, err)
		}
		files = append(files, more...)
	}
	return files
}

// objects reads a file as an API server would that takes no unknown field.
func objects(t *testing.T, file string) (list []any) {
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
		if err != nil {
			t.Fatal(err)
		}
		var kind struct{ Kind string }
		if err := sigs.Unmarshal(text, &kind); err != nil || kind.Kind == "" {
			if len(bytes.TrimSpace(text)) == 0 {
				continue
			}
			t.Fatalf("%s: %v in\n%s", file, err, text)
		}
		object := map[string]any{
			"Namespace": &core.Namespace{}, "ServiceAccount": &core.ServiceAccount{}, "ConfigMap": &core.ConfigMap{}, "DaemonSet": &apps.DaemonSet{},
			"ClusterRole": &rbac.ClusterRole{}, "ClusterRoleBinding": &rbac.ClusterRoleBinding{},
		}[kind.Kind]
		if object == nil {
			t.Fatalf("%s: an object of the kind %s", file, kind.Kind)
		}
		if err := sigs.UnmarshalStrict(text, object); err != nil {
			t.Errorf("%s: %s: %v", file, kind.Kind, err)
		}
		list = append(list, object)
	}
}

// find gives the one object of a type; nil: there is none.
func find[T any](list []any) *T {
	for _, o := range list {
		if found, ok := o.(*T); ok {
			return found
		}
	}
	return nil
}

func TestTheNodeIsProtected(t *testing.T) {
	for _, file := range rendered(t) {
		set := find[apps.DaemonSet](objects(t, file))
		pod := set.Spec.Template.Spec
		c := pod.Containers[0]
		s := c.SecurityContext
		if !pod.HostPID || pod.HostNetwork || pod.HostIPC || *s.Privileged || !*s.ReadOnlyRootFilesystem || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v %+v", file, pod, s)
		}
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				t.Errorf("%s: a port of the host: %+v", file, p)
			}
		}
		if !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("%s: not all capabilities are dropped: %v", file, s.Capabilities.Drop)
		}
		admin := slices.Contains(s.Capabilities.Add, "SYS_ADMIN")
		if *s.AllowPrivilegeEscalation != admin { // the API server refuses false beside CAP_SYS_ADMIN
			t.Errorf("%s: privileges may grow: %v, with %v", file, *s.AllowPrivilegeEscalation, s.Capabilities.Add)
		}
		for _, known := range agent.Capabilities {
			name := core.Capability(strings.TrimPrefix(known.Name, "CAP_"))
			if has := slices.Contains(s.Capabilities.Add, name); !has && (known.Essential || file == "kubernetes/weft.yaml") {
				t.Errorf("%s: %s is missing", file, name)
			}
		}
		if len(s.Capabilities.Add) > len(agent.Capabilities) {
			t.Errorf("%s: more than weft uses: %v", file, s.Capabilities.Add)
		}
		if c.LivenessProbe.HTTPGet.Path != "/livez" || c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.StartupProbe == nil ||
			c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() || len(pod.Tolerations) == 0 || pod.PriorityClassName == "" {
			t.Errorf("%s: probes, resources, tolerations or priority are missing", file)
		}
	}
}

// TestSettings holds that weft understands what the manifests tell it.
func TestSettings(t *testing.T) {
	for _, file := range rendered(t) {
		list := objects(t, file)
		c := find[apps.DaemonSet](list).Spec.Template.Spec.Containers[0]
		var environ []string
		for _, e := range c.Env {
			value := e.Value
			if e.ValueFrom != nil {
				value = strings.Repeat("0", 32) // of a secret or of the API
			}
			environ = append(environ, e.Name+"="+value)
		}
		local := filepath.Join(t.TempDir(), "weft.yaml")
		if err := os.WriteFile(local, []byte(find[core.ConfigMap](list).Data["weft.yaml"]), 0o600); err != nil {
			t.Fatal(err)
		}
		args := slices.Clone(c.Args)
		args[slices.Index(args, "/etc/weft/weft.yaml")] = local
		settings, rest, err := config.Load(args, environ)
		if err != nil || !slices.Equal(rest, []string{"run"}) || settings.Output != config.OutputOTLP || settings.HealthListen != "0.0.0.0:9465" || settings.KubernetesNode == "" {
			t.Errorf("%s: %v, %v, %+v", file, err, rest, settings)
		}
	}
}

// TestUpgradeOverlaps holds that the next weft is started before the last one ends where they can find each other, and only there: two
// that do not would tell everything twice.
func TestUpgradeOverlaps(t *testing.T) {
	for _, file := range rendered(t) {
		set := find[apps.DaemonSet](objects(t, file))
		update, pod := set.Spec.UpdateStrategy.RollingUpdate, set.Spec.Template.Spec
		shared := slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == "spill" && v.HostPath != nil })
		if surges := update.MaxSurge != nil && update.MaxSurge.String() != "0"; surges != shared || surges && update.MaxUnavailable.String() != "0" {
			t.Errorf("%s: %+v, with the folder of the node %v", file, update, shared)
		}
	}
}

func TestRightsAreLeast(t *testing.T) {
	for _, file := range rendered(t) {
		list := objects(t, file)
		role, set := find[rbac.ClusterRole](list), find[apps.DaemonSet](list)
		if mounted := *set.Spec.Template.Spec.AutomountServiceAccountToken; mounted != (role != nil) {
			t.Errorf("%s: a token is mounted: %v", file, mounted)
		}
		if role == nil {
			continue
		}
		if len(role.Rules) != 1 || !slices.Equal(role.Rules[0].Resources, []string{"pods", "services"}) || !slices.Equal(role.Rules[0].Verbs, []string{"list", "watch"}) {
			t.Errorf("%s: %+v", file, role.Rules)
		}
		bound := find[rbac.ClusterRoleBinding](list)
		if bound.Subjects[0].Name != set.Spec.Template.Spec.ServiceAccountName || bound.RoleRef.Name != role.Name {
			t.Errorf("%s: %+v", file, bound)
		}
	}
}
