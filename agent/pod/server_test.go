package pod

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// server is the part of an API server that a watch of pods speaks to: lists and watches over HTTP, with the field selector on the
// node, versions that expire, and streamed lists. It refuses every other question.
type server struct {
	mu       sync.Mutex
	changed  *sync.Cond
	pods     map[types.UID]*core.Pod
	history  []change
	version  int
	oldest   int // versions before it have expired
	away     bool
	sent     int // pods in answers
	refused  []string
	http     *httptest.Server
	stopping bool
}

type change struct {
	version int
	kind    string
	pod     *core.Pod
}

func serve(t testing.TB) *server {
	t.Helper()
	s := &server{pods: map[types.UID]*core.Pod{}, version: 1}
	s.changed = sync.NewCond(&s.mu)
	s.http = httptest.NewTLSServer(s) // over plain text the client sends no token
	t.Cleanup(func() {
		s.mu.Lock()
		s.stopping = true
		s.changed.Broadcast()
		s.mu.Unlock()
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// kubeconfig writes a file that names the server.
func (s *server) kubeconfig(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"s","user":"u"}}],
"clusters":[{"name":"s","cluster":{"server":%q,"certificate-authority-data":%q}}],"users":[{"name":"u","user":{"token":"secret"}}]}`, s.http.URL,
		base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *server) put(p *core.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "ADDED"
	if s.pods[p.UID] != nil {
		kind = "MODIFIED"
	}
	s.version++
	p = p.DeepCopy()
	p.TypeMeta = meta.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	p.ResourceVersion = strconv.Itoa(s.version)
	s.pods[p.UID] = p
	s.history = append(s.history, change{s.version, kind, p})
	s.changed.Broadcast()
}

func (s *server) remove(p *core.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	gone := s.pods[p.UID].DeepCopy()
	gone.ResourceVersion = strconv.Itoa(s.version)
	delete(s.pods, p.UID)
	s.history = append(s.history, change{s.version, "DELETED", gone})
	s.changed.Broadcast()
}

// outage ends all connections, and refuses every request until it is over.
func (s *server) outage(away bool) {
	s.mu.Lock()
	s.away = away
	s.changed.Broadcast()
	s.mu.Unlock()
	s.http.CloseClientConnections()
}

// expire forgets what happened so far, and ends watches as a server does that has compacted its store.
func (s *server) expire() {
	s.mu.Lock()
	s.version++
	s.history, s.oldest = nil, s.version
	s.changed.Broadcast()
	s.mu.Unlock()
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node, onNode := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "spec.nodeName=")
	switch {
	case s.away:
		http.Error(w, "away", http.StatusServiceUnavailable)
	case r.Method != http.MethodGet || r.URL.Path != "/api/v1/pods" || !onNode || r.Header.Get("Authorization") != "Bearer secret":
		s.refused = append(s.refused, r.Method+" "+r.URL.String())
		http.Error(w, "no", http.StatusForbidden)
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r, node)
	default:
		s.list(w, node)
	}
}

func (s *server) list(w http.ResponseWriter, node string) {
	l := core.PodList{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: meta.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	for _, p := range s.pods {
		if p.Spec.NodeName == node {
			l.Items = append(l.Items, *p)
		}
	}
	s.sent += len(l.Items)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l)
}

// watch streams changes until the client goes, an outage or an expiry. It is called with the lock.
func (s *server) watch(w http.ResponseWriter, r *http.Request, node string) {
	w.Header().Set("Content-Type", "application/json")
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	send := func(kind string, object any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object})
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, p := range s.pods {
			if p.Spec.NodeName == node {
				s.sent++
				send("ADDED", p)
			}
		}
		since = s.version
		send("BOOKMARK", &core.Pod{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta.ObjectMeta{
			ResourceVersion: strconv.Itoa(s.version), Annotations: map[string]string{meta.InitialEventsAnnotationKey: "true"},
		}})
	}
	for !s.away && !s.stopping && r.Context().Err() == nil {
		if since < s.oldest {
			send("ERROR", meta.Status{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: meta.StatusReasonExpired, Code: 410})
			return
		}
		for _, c := range s.history {
			if c.version > since && c.pod.Spec.NodeName == node {
				s.sent++
				send(c.kind, c.pod)
			}
		}
		since = s.version
		w.(http.Flusher).Flush()
		s.changed.Wait()
	}
}
