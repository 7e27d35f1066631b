// Package pod owns what Kubernetes says of the pods of this node: a watch on the API server that is limited to it, so that its
// memory and its traffic do not grow with the cluster.
package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"weft/agent/container"
	"weft/correlate/event"
)

// ErrOutside means that this process is in no pod, and no file was named that says where an API server is.
var ErrOutside = rest.ErrNotInCluster

// Options say which pods are watched, and what is told of them.
type Options struct {
	Kubeconfig  string            // file that says where the API server is; empty: what a pod finds in its environment
	Node        string            // the name of this node, as the API has it
	Cluster     string            // k8s.cluster.name; empty: not told
	LabelNames  bool              // app.kubernetes.io/instance, /name and /version name the service
	Labels      func(string) bool // labels that become attributes; nil: none
	Annotations func(string) bool // annotations that do
	Log         *slog.Logger
	failed      func(error) // instead of Log, of a server that does not answer
}

// hashAnnotation has the uid that the kubelet gives to a static pod; the API has another one.
const hashAnnotation = "kubernetes.io/config.hash"

// A Watch knows the pods of this node. What it knew stays while the API server is away.
type Watch struct {
	options  Options
	informer cache.SharedIndexInformer
	mu       sync.RWMutex
	pods     map[string]*core.Pod // by uid, a static pod also by its hash
	// addresses are those of pods on the network of the cluster.
	addresses map[netip.Addr]resident
	version   atomic.Uint64
	failing   atomic.Bool
	done      chan struct{}
}

// Open starts a watch that ends with ctx. An API server that is away is no error: pods are named as soon as it answers.
func Open(ctx context.Context, o Options) (*Watch, error) {
	config, err := clientConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := newClient(config)
	if err != nil {
		return nil, err
	}
	w := &Watch{options: o, pods: map[string]*core.Pod{}, addresses: map[netip.Addr]resident{}, done: make(chan struct{})}
	mine := fields.OneTermEqualSelector("spec.nodeName", o.Node)
	pods := overheard(cache.NewListWatchFromClient(client, "pods", meta.NamespaceAll, mine), w.hear)
	w.informer = cache.NewSharedIndexInformerWithOptions(pods, &core.Pod{}, cache.SharedIndexInformerOptions{})
	_, handleErr := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(p any) { w.put(p) },
		UpdateFunc: func(_, p any) { w.put(p) },
		DeleteFunc: w.drop,
	})
	err = errors.Join(handleErr, w.informer.SetTransform(w.strip),
		w.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { w.fail(err) }))
	if err != nil {
		return nil, fmt.Errorf("set up the watch of pods: %w", err)
	}
	silence()
	go func() {
		defer close(w.done)
		w.informer.RunWithContext(ctx)
	}()
	return w, nil
}

// silence ends what the library says of every attempt; weft tells that the names are not fresh, once. It comes before all questions.
var silence = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

func clientConfig(file string) (*rest.Config, error) {
	if file == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("find the API server: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return config, nil
}

// newClient makes a client that knows the core group alone: the whole set of them is twice the size of weft.
func newClient(config *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := core.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("set up the client of the API server: %w", err)
	}
	meta.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.GroupVersion, config.APIPath = &core.SchemeGroupVersion, "/api"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	config.UserAgent = "weft"
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the client of the API server: %w", err)
	}
	return client, nil
}

// Done is closed when the watch has ended.
func (w *Watch) Done() <-chan struct{} { return w.done }

// Synced tells whether all pods of the node are known.
func (w *Watch) Synced() bool { return w.informer.HasSynced() }

// Len is the number of pods that are known.
func (w *Watch) Len() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.pods)
}

// Version changes whenever a pod does.
func (w *Watch) Version() uint64 { return w.version.Load() }

// Attributes gives what is known of a place; nil for one in no pod that is known.
func (w *Watch) Attributes(place container.Place) []event.Attribute {
	w.mu.RLock()
	p := w.pods[place.Pod]
	w.mu.RUnlock()
	if p == nil {
		return nil
	}
	return w.options.describe(p, place)
}

// Facts are what rules ask for of a pod and one of its containers.
type Facts struct {
	Namespace, Pod, Image string
	Owners                []string
	Labels                []string // KEY=VALUE
}

// Facts gives those of a place; empty for one in no pod that is known.
func (w *Watch) Facts(place container.Place) (f Facts) {
	w.mu.RLock()
	p := w.pods[place.Pod]
	w.mu.RUnlock()
	if p == nil {
		return f
	}
	f.Namespace, f.Pod = p.Namespace, p.Name
	_, image, _ := containerOf(p, place.ID)
	f.Image, _, _ = splitImage(image)
	for _, o := range ownersOf(p) {
		f.Owners = append(f.Owners, o.name)
	}
	for _, key := range sorted(p.Labels) {
		f.Labels = append(f.Labels, key+"="+p.Labels[key])
	}
	return f
}

func (w *Watch) put(object any) {
	p, ok := object.(*core.Pod)
	if !ok {
		return
	}
	w.mu.Lock()
	w.settle(w.pods[string(p.UID)], p)
	w.pods[string(p.UID)] = p
	if hash := p.Annotations[hashAnnotation]; hash != "" {
		w.pods[hash] = p
	}
	w.mu.Unlock()
	w.version.Add(1)
}

// hear takes what came of a question to the server.
func (w *Watch) hear(err error) {
	if err != nil {
		w.fail(err)
	} else if w.failing.Swap(false) {
		w.options.Log.Info("the API server answers again: the names of pods are fresh")
	}
}

func (w *Watch) drop(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	p, ok := object.(*core.Pod)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(p, nil)
	for _, key := range []string{string(p.UID), p.Annotations[hashAnnotation]} {
		if w.pods[key] == p || w.pods[key] != nil && w.pods[key].UID == p.UID {
			delete(w.pods, key)
		}
	}
}

// fail tells of an API server that does not answer. That a watch ends and is taken up again is usual.
func (w *Watch) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	if w.options.failed != nil {
		w.options.failed(err)
		return
	}
	if !w.failing.Swap(true) {
		w.options.Log.Warn("the API server does not tell the pods of this node: their names may be old or missing, tracing goes on", "reason", err)
	}
}

// strip leaves of a pod what is told of it: the rest is most of its size.
func (w *Watch) strip(object any) (any, error) {
	p, ok := object.(*core.Pod)
	if !ok {
		return object, nil
	}
	out := &core.Pod{ObjectMeta: meta.ObjectMeta{
		Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion,
		Labels: p.Labels, Annotations: w.wanted(p.Annotations), OwnerReferences: p.OwnerReferences,
	}}
	out.Spec.NodeName, out.Status.QOSClass = p.Spec.NodeName, p.Status.QOSClass
	out.Spec.HostNetwork, out.Status.Phase, out.Status.PodIPs = p.Spec.HostNetwork, p.Status.Phase, p.Status.PodIPs
	out.Spec.Containers, out.Spec.InitContainers = images(p.Spec.Containers), images(p.Spec.InitContainers)
	out.Status.ContainerStatuses = names(p.Status.ContainerStatuses)
	out.Status.InitContainerStatuses = names(p.Status.InitContainerStatuses)
	out.Status.EphemeralContainerStatuses = names(p.Status.EphemeralContainerStatuses)
	return out, nil
}
