package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/test/tracer"
)

// translated is where weft asks for the addresses behind those that are translated: the router, as the node is for pods.
var translated = []string{"--nat-namespace", "/var/run/netns/" + router}

// TestPeersThroughTranslation holds that each end names the other although neither sees the other's address: the first container asks
// the second by the address of a Service, and the second sees the router alone.
func TestPeersThroughTranslation(t *testing.T) {
	containers := chain(t)
	w := startWeft(t, tracer.Options{Args: translated, Prefix: with(t, "")})
	served := send(t, "http://"+address(1)+":8080", 5, "t-peer")
	complete(w, served)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	other := map[string]*container{"shop client": containers[1], "cart server": containers[0], "cart client": containers[2], "stock server": containers[1]}
	names := map[string]string{"shop client": "cart", "cart server": "shop", "cart client": "stock", "stock server": "cart"}
	told := 0
	for _, s := range w.Spans() {
		end := s.Service() + map[int]string{tracer.Server: " server", tracer.Client: " client"}[s.Kind]
		if other[end] == nil {
			continue
		}
		told++
		if s.Attr.Text("peer.service") != names[end] || s.Attr.Text("weft.peer.container.id") != other[end].id || s.Attr.Text("weft.peer.evidence") != "wire" {
			t.Errorf("%s: %v", end, s.Attr)
		}
	}
	if len(served) != 5 || told != 4*len(served) {
		t.Errorf("%d requests were answered, %d ends told", len(served), told)
	}
}

// TestTranslationIsAsked leaves out one end of the translated connection, as if it were on another node: what is behind the
// address is then known from the kernel's table alone.
func TestTranslationIsAsked(t *testing.T) {
	containers := chain(t)
	for _, c := range []struct {
		hidden  *container
		service string
		kind    int
		real    string
	}{
		{containers[1], "shop", tracer.Client, address(2)},
		{containers[0], "cart", tracer.Server, address(1)},
	} {
		w := startWeft(t, tracer.Options{Args: append(translated, "--trace-exclude", "cgroup="+c.hidden.cgroup()), Prefix: with(t, "")})
		served := send(t, "http://"+address(1)+":8080", 5, fmt.Sprint("t-nat", c.kind))
		ends := func(spans []*tracer.Span) (list []*tracer.Span) {
			for _, s := range spans {
				if s.Service() == c.service && s.Kind == c.kind {
					list = append(list, s)
				}
			}
			return list
		}
		w.Await(20*time.Second, func(spans []*tracer.Span) bool { return len(ends(spans)) >= len(served) })
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		list := ends(w.Spans())
		wrong := slices.ContainsFunc(list, func(s *tracer.Span) bool {
			return s.Attr.Text("weft.peer.address") != c.real || s.Attr.Int("weft.peer.port") == 0 || s.Attr.Text("weft.peer.evidence") != "translation" ||
				s.Attr.Text("network.peer.address") == c.real || s.Attr.Text("peer.service") != ""
		})
		if len(served) != 5 || len(list) != 5 || wrong {
			t.Errorf("%d requests were answered; of %s:", len(served), c.service)
			for _, s := range list {
				t.Log(s, s.Attr)
			}
		}
		if found := w.Counts.Other["translations_found"]; found == 0 {
			t.Errorf("not counted: %v", w.Counts.Other)
		}
	}
}
