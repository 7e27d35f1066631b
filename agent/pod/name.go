package pod

import (
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weft/agent/container"
	"weft/correlate/event"
)

// The keys of https://opentelemetry.io/docs/specs/semconv/resource/k8s/ and of the service that follow from them.
const (
	keyService    = "service.name"
	keyNamespace  = "service.namespace"
	keyVersion    = "service.version"
	keyInstance   = "service.instance.id"
	keyCluster    = "k8s.cluster.name"
	keyNode       = "k8s.node.name"
	keySpace      = "k8s.namespace.name"
	keyPod        = "k8s.pod.name"
	keyUID        = "k8s.pod.uid"
	keyQoS        = "k8s.pod.qos_class"
	keyContainer  = "k8s.container.name"
	keyImage      = "container.image.name"
	keyEngine     = "container.runtime.name"
	keyLabel      = "k8s.pod.label."
	keyAnnotation = "k8s.pod.annotation."
)

// resourcePrefix begins the annotations that are attributes of the resource:
// https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/
const resourcePrefix = "resource.opentelemetry.io/"

// maxAttributes bounds what the annotations and labels of one pod can put into a resource.
const maxAttributes = 64

// list is attributes, of which the first one with a key counts.
type list []event.Attribute

func (l *list) add(key, value string) {
	if value != "" && !slices.ContainsFunc(*l, func(a event.Attribute) bool { return a.Key == key }) {
		*l = append(*l, event.Attribute{Key: key, Value: value})
	}
}

func (l *list) of(key string) string {
	for _, a := range *l {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// describe gives the attributes of a container in a pod, in no order. A container that the pod's status does not tell yet is
// known by name where the pod has only one.
func (o *Options) describe(p *core.Pod, place container.Place) []event.Attribute {
	var l list
	for _, key := range sorted(p.Annotations) {
		if name, ok := strings.CutPrefix(key, resourcePrefix); ok && len(l) < maxAttributes {
			l.add(name, p.Annotations[key])
		}
	}
	name, image, engine := containerOf(p, place.ID)
	owners := ownersOf(p)
	l.add(keyCluster, o.Cluster)
	l.add(keyNode, p.Spec.NodeName)
	l.add(keySpace, p.Namespace)
	l.add(keyPod, p.Name)
	l.add(keyUID, string(p.UID))
	l.add(keyQoS, string(p.Status.QOSClass))
	for _, owner := range owners {
		l.add("k8s."+owner.kind+".name", owner.name)
	}
	l.add(keyContainer, name)
	l.add(keyEngine, engine)
	repository, tag, digest := splitImage(image)
	l.add(keyImage, repository)
	o.addService(&l, p, owners)
	l.add(keyVersion, join(tag, "@", digest))
	for _, key := range sorted(p.Labels) {
		if o.Labels != nil && o.Labels(key) && len(l) < 2*maxAttributes {
			l.add(keyLabel+key, p.Labels[key])
		}
	}
	for _, key := range sorted(p.Annotations) {
		if o.Annotations != nil && o.Annotations(key) && len(l) < 3*maxAttributes {
			l.add(keyAnnotation+key, p.Annotations[key])
		}
	}
	return l
}

// addService names the service as the OpenTelemetry operator does for programs that it instruments, so that the spans of both
// fall together.
func (o *Options) addService(l *list, p *core.Pod, owners []owner) {
	if o.LabelNames {
		l.add(keyService, p.Labels["app.kubernetes.io/instance"])
		l.add(keyService, p.Labels["app.kubernetes.io/name"])
		l.add(keyVersion, p.Labels["app.kubernetes.io/version"])
	}
	if len(owners) > 0 {
		l.add(keyService, owners[0].name)
	}
	l.add(keyService, p.Name)
	l.add(keyNamespace, p.Namespace)
	if name := l.of(keyContainer); name != "" {
		l.add(keyInstance, p.Namespace+"."+p.Name+"."+name)
	}
}

// owner is a workload that a pod belongs to, by the word that its attribute has for the kind.
type owner struct{ kind, name string }

// ownersOf gives the workloads of a pod, the outermost first: it is read from names alone, so that no other objects than pods
// have to be watched. A ReplicaSet of a Deployment is called by it and the hash that is a label of the pod; a Job of a CronJob by
// it and the minute for which it was scheduled.
func ownersOf(p *core.Pod) []owner {
	controller := meta.GetControllerOfNoCopy(p)
	if controller == nil {
		return nil
	}
	switch name := controller.Name; controller.Kind {
	case "ReplicaSet":
		set := owner{"replicaset", name}
		if deployment, ok := strings.CutSuffix(name, "-"+p.Labels["pod-template-hash"]); ok && deployment != "" {
			return []owner{{"deployment", deployment}, set}
		}
		return []owner{set}
	case "StatefulSet", "DaemonSet":
		return []owner{{strings.ToLower(controller.Kind), name}}
	case "Job":
		job := owner{"job", name}
		at := strings.LastIndexByte(name, '-')
		if at > 0 && len(name)-at-1 >= scheduleDigits && strings.Trim(name[at+1:], "0123456789") == "" {
			return []owner{{"cronjob", name[:at]}, job}
		}
		return []owner{job}
	}
	return nil
}

// scheduleDigits is the length of the minutes since 1970 in the name of a CronJob's Job.
const scheduleDigits = 8

// containerOf gives the name and image of a container and the runtime of which its id tells.
func containerOf(p *core.Pod, id string) (name, image, engine string) {
	for _, statuses := range [][]core.ContainerStatus{
		p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses,
	} {
		for _, s := range statuses {
			runtime, of, ok := strings.Cut(s.ContainerID, "://")
			if ok && id != "" && of == id {
				return s.Name, imageOf(p, s.Name, s.Image), runtime
			}
		}
	}
	if len(p.Spec.Containers) == 1 && len(p.Spec.InitContainers)+len(p.Spec.EphemeralContainers) == 0 {
		return p.Spec.Containers[0].Name, p.Spec.Containers[0].Image, ""
	}
	return "", "", ""
}

// imageOf prefers the image as it was asked for: the status may have its id only.
func imageOf(p *core.Pod, name, told string) string {
	for _, containers := range [][]core.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range containers {
			if c.Name == name {
				return c.Image
			}
		}
	}
	return told
}

// splitImage parts a reference: registry:5000/shop/cart:1.2@sha256:abc.
func splitImage(image string) (repository, tag, digest string) {
	repository, digest, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository, tag = repository[:i], repository[i+1:]
	}
	return repository, tag, digest
}

func join(a, mark, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + mark + b
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
