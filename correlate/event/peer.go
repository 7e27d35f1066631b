package event

// Peer is what is known of the other end of a connection, in the names that its attributes have on a span. It is never changed
// after it was handed over.
type Peer struct{ Attributes []Attribute }

// How a peer came to be known, as weft.peer.evidence tells it.
const (
	PeerSeen       = "wire"        // weft has seen the process at the other end
	PeerAddress    = "address"     // its address is that of a pod or of a Service
	PeerTranslated = "translation" // so is the address that the node's address translation has put in its place, or taken away
)

// The keys that only a peer has.
const (
	KeyPeerEvidence = "weft.peer.evidence"
	KeyPeerAddress  = "weft.peer.address" // behind the translation
	KeyPeerPort     = "weft.peer.port"
	KeyPeerService  = "weft.peer.k8s.service.name" // of Kubernetes
	KeyPeerSpace    = "weft.peer.k8s.namespace.name"
)

// peerKeys are the attributes of a resource that a peer has, with their names there. The conventions have a name for the service
// alone: https://opentelemetry.io/docs/specs/semconv/registry/attributes/peer/
var peerKeys = map[string]string{
	"service.name":         "peer.service",
	"k8s.namespace.name":   KeyPeerSpace,
	"k8s.pod.name":         "weft.peer.k8s.pod.name",
	"k8s.container.name":   "weft.peer.k8s.container.name",
	"k8s.deployment.name":  "weft.peer.k8s.deployment.name",
	"k8s.statefulset.name": "weft.peer.k8s.statefulset.name",
	"k8s.daemonset.name":   "weft.peer.k8s.daemonset.name",
	"k8s.cronjob.name":     "weft.peer.k8s.cronjob.name",
	"k8s.job.name":         "weft.peer.k8s.job.name",
	"container.id":         "weft.peer.container.id",
}

// NewPeer takes of the attributes of a resource what is told of a peer; nil if that is nothing. A resource with a name that
// stands for none has nothing to tell.
func NewPeer(resource []Attribute, unnamed, evidence string) *Peer {
	p := &Peer{}
	for _, a := range resource {
		if key := peerKeys[a.Key]; key != "" && a.Value != unnamed {
			p.Attributes = append(p.Attributes, Attribute{Key: key, Value: a.Value})
		}
	}
	if len(p.Attributes) == 0 {
		return nil
	}
	p.Attributes = append(p.Attributes, Attribute{Key: KeyPeerEvidence, Value: evidence})
	return p
}
