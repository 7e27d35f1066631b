package pod

import (
	"net/netip"

	core "k8s.io/api/core/v1"

	"weft/agent/container"
	"weft/correlate/event"
)

// A resident is the pod that has an address.
type resident struct {
	uid  string
	peer *event.Peer
}

// At names the pod of this node that has an address; nil: none is known to. Pods of other nodes are not known, for what is kept of
// pods does not grow with the cluster.
func (w *Watch) At(a netip.Addr) *event.Peer {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.addresses[a].peer
}

// settle notes the addresses of a pod, in the place of those that it had. A pod that has ended gives its addresses back while it
// is still listed, and one in the node's own network has none of its own.
func (w *Watch) settle(was, is *core.Pod) {
	if was != nil {
		for _, a := range addressesOf(was) {
			if w.addresses[a].uid == string(was.UID) {
				delete(w.addresses, a)
			}
		}
	}
	if is == nil {
		return
	}
	peer := event.NewPeer(w.options.describe(is, container.Place{}), "", event.PeerAddress)
	for _, a := range addressesOf(is) {
		w.addresses[a] = resident{string(is.UID), peer}
	}
}

func addressesOf(p *core.Pod) (list []netip.Addr) {
	if p.Spec.HostNetwork || p.Status.Phase == core.PodSucceeded || p.Status.Phase == core.PodFailed {
		return nil
	}
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			list = append(list, a.Unmap())
		}
	}
	return list
}
