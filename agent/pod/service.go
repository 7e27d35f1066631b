package pod

import (
	"context"
	"maps"
	"net/netip"
	"sync"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"weft/correlate/event"
)

// maxServices bounds the addresses of Services that are known, at about 300 bytes each. What is beyond has no name.
const maxServices = 1 << 14

// refusals are how many refusals in a row are told, once.
const refusals = 3

// Services knows which Service of the cluster has an address, by a watch of those that have one. Of each no more is kept than its
// name and its addresses: a cluster has far fewer Services than pods, and they seldom change.
type Services struct {
	mu sync.RWMutex
	at map[netip.Addr]front
}

// A front is a Service behind an address.
type front struct {
	uid  types.UID
	peer *event.Peer
}

// OpenServices starts a watch that ends with ctx. It fails as Open does; a right that is missing is told in the log, once.
func OpenServices(ctx context.Context, o Options) (*Services, error) {
	config, err := clientConfig(o.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := newClient(config)
	if err != nil {
		return nil, err
	}
	s := &Services{at: map[netip.Addr]front{}}
	// Headless ones have no address of their own.
	addressed := fields.OneTermNotEqualSelector("spec.clusterIP", core.ClusterIPNone)
	refused := 0 // in a row: a server that has just started may not know the roles yet
	list := overheard(cache.NewListWatchFromClient(client, "services", meta.NamespaceAll, addressed), func(err error) {
		if !apierrors.IsForbidden(err) {
			refused = 0
		} else if refused++; refused == refusals {
			o.Log.Warn("weft may not list Services: the other ends of connections are not named by them", "reason", err)
		}
	})
	silence()
	go cache.NewReflectorWithOptions(list, &core.Service{}, s, cache.ReflectorOptions{}).RunWithContext(ctx)
	return s, nil
}

// overheard tells what comes of each question to the server, nil for an answer. The library keeps some of it to itself, such as that
// connections are refused.
func overheard(l *cache.ListWatch, hear func(error)) *cache.ListWatch {
	list, watch := l.ListWithContextFunc, l.WatchFuncWithContext
	l.ListWithContextFunc = func(ctx context.Context, o meta.ListOptions) (runtime.Object, error) {
		all, err := list(ctx, o)
		hear(err)
		return all, err
	}
	l.WatchFuncWithContext = func(ctx context.Context, o meta.ListOptions) (apiwatch.Interface, error) {
		w, err := watch(ctx, o)
		hear(err)
		return w, err
	}
	return l
}

// At names the Service that has an address; nil: none that is known.
func (s *Services) At(a netip.Addr) *event.Peer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.at[a].peer
}

// Len is the number of addresses that are known.
func (s *Services) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.at)
}

// Add takes a Service that is new; with the four that follow Services is a store that cache.Reflector fills.
func (s *Services) Add(object any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(object)
	return nil
}

// Update takes one that has changed, its addresses too.
func (s *Services) Update(object any) error {
	if err := s.Delete(object); err != nil {
		return err
	}
	return s.Add(object)
}

// Delete takes one that is gone. An address that another Service has by now is left.
func (s *Services) Delete(object any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if service, ok := object.(*core.Service); ok {
		maps.DeleteFunc(s.at, func(_ netip.Addr, f front) bool { return f.uid == service.UID })
	}
	return nil
}

// Replace takes all there are.
func (s *Services) Replace(objects []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.at)
	for _, object := range objects {
		s.put(object)
	}
	return nil
}

// Resync does nothing: no more is known than what was told.
func (s *Services) Resync() error { return nil }

func (s *Services) put(object any) {
	service, ok := object.(*core.Service)
	if !ok {
		return
	}
	peer := &event.Peer{Attributes: []event.Attribute{
		{Key: event.KeyPeerService, Value: service.Name}, {Key: event.KeyPeerSpace, Value: service.Namespace},
		{Key: event.KeyPeerEvidence, Value: event.PeerAddress},
	}}
	for _, text := range service.Spec.ClusterIPs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if _, known := s.at[a.Unmap()]; known || len(s.at) < maxServices {
			s.at[a.Unmap()] = front{service.UID, peer}
		}
	}
}
