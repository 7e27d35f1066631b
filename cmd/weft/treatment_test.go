package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/process"
	"weft/correlate"
	"weft/correlate/event"
	"weft/correlate/span"
)

// treated replays recorded traffic of curl, gunicorn and node under settings, and gives the spans as they leave the gate, before
// and after the middle. halfway is done in the middle, as a reload would be.
func treated(t *testing.T, settings string, halfway func(*rooms, *correlate.Pipeline)) (before, after []*span.Span) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weft.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load([]string{"--config", file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.IDKey = make([]byte, 16)
	h, err := newHouse(&c, true)
	if err != nil {
		t.Fatal(err)
	}
	list := &before
	out := &collected{put: func(s *span.Span) { *list = append(*list, s) }}
	g := &gate{sink: out, rooms: newRooms(h)}
	services := map[uint32]string{}
	g.rooms.match = func(pid uint32, r config.Rule) bool { return r.Match(&config.Subject{PID: pid, Exe: services[pid]}) }
	p, err := correlate.New(pipelineOptions(&c).Disclosing(h.widest), func() *span.Span { return new(span.Span) }, g.Put)
	if err != nil {
		t.Fatal(err)
	}
	events := recorded(t)
	for i := range events {
		if events[i].Process != nil {
			services[events[i].PID] = events[i].Process.Service
		}
		if i == len(events)/2 && halfway != nil {
			halfway(g.rooms, p)
			list = &after
		}
		p.Feed(&events[i])
	}
	p.Close()
	return before, after
}

// collected is a sink that keeps spans.
type collected struct {
	discard
	put func(*span.Span)
}

func (c *collected) Put(s *span.Span) { c.put(s) }

// recorded gives the events of a recording, each with bytes of its own.
func recorded(t *testing.T) (list []event.Event) {
	t.Helper()
	file, err := os.Open("../../correlate/testdata/gunicorn-node.weft")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := event.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var ev event.Event
	for r.Next(&ev) == nil {
		one := ev
		one.Message.Payload = slices.Clone(ev.Message.Payload)
		list = append(list, one)
	}
	return list
}

// summary tells whether a service has SERVER spans of calls, and which queries and headers they have.
func summary(spans []*span.Span, service string) string {
	n, texts := 0, []string{}
	for _, s := range spans {
		if s.Kind != span.Server || s.Resource.Service != service || s.Path != "/call/" {
			continue
		}
		n++
		text := "query " + s.Query
		for _, h := range s.Headers {
			text += " " + strings.TrimPrefix(h.Key, "http.") + "=" + h.Value
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return fmt.Sprint(n > 0, " ", strings.Join(texts, "; "))
}

func TestTreatments(t *testing.T) {
	const all = "headers: {request: [accept], response: []}\nquery: redact\n"
	plain, _ := treated(t, all, nil)
	for _, c := range []struct{ name, rules, flask string }{
		{"no rule", "", ""},
		{"one service alone", `[{exe: flask_app, headers.request: [host], query: drop}]`, "true query  request.header.host=127.0.0.1:18421"},
		{"no header at all", `[{exe: flask_app, headers.request: []}]`, "true query url=REDACTED"},
		{"redaction", `[{exe: flask_app, redact: accept}]`, "true query url=REDACTED request.header.accept=REDACTED"},
		{"the first one counts", `[{exe: flask_app, sample: 0}, {exe: "*", sample: 1}]`, "false "},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := ""
			if c.rules != "" {
				rules = "trace.rules: " + c.rules + "\n"
			}
			spans, _ := treated(t, all+rules, nil)
			for _, service := range []string{"flask_app", "node_app"} {
				want := summary(plain, service)
				if service == "flask_app" && c.flask != "" {
					want = c.flask
				}
				if got := summary(spans, service); got != want {
					t.Errorf("%s\ngot  %s\nwant %s", service, got, want)
				}
			}
		})
	}
}

// TestTreatmentsChange changes the settings while requests are under way: more and less is told from then on.
func TestTreatmentsChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weft.yaml")
	if err := os.WriteFile(file, []byte("headers.request: [host]\ntrace.rules: [{exe: node_app, query: keep, headers.request: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	before, after := treated(t, "headers.request: [accept]\ntrace.rules: [{exe: flask_app, query: drop}]\n", func(r *rooms, p *correlate.Pipeline) {
		old, _, err := config.Load(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		reload := &reloader{
			args: []string{"--config", file}, current: &old, log: slog.New(slog.NewTextHandler(&log, nil)), rechoose: func(agent.Choice) {},
			choose: func(*config.Config) agent.Choice { return agent.Choice{} }, rehouse: func(h *house) { r.pending.Store(h) },
		}
		reload.reload(nil)
		r.refresh(p)
	})
	if text := log.String(); strings.Contains(text, "restart") {
		t.Errorf("log %s", text)
	}
	for _, c := range []struct {
		spans         []*span.Span
		service, want string
	}{
		{before, "flask_app", "true query  request.header.accept=*/*"},
		{before, "node_app", "true query url=REDACTED request.header.accept=*/*"},
		{after, "flask_app", "true query url=REDACTED request.header.host=127.0.0.1:18421"},
		// weft record blanks what it does not tell; what is left is told as it is.
		{after, "node_app", "true query url=******************************************"},
	} {
		// What began before the change may be told after it, with what was read of it then.
		got := summary(c.spans, c.service)
		if !strings.HasPrefix(got, c.want) && !strings.HasSuffix(got, strings.TrimPrefix(c.want, "true ")) {
			t.Errorf("%s: got %s, want %s", c.service, got, c.want)
		}
	}
}

// TestEndedProcessesAreTreated holds that the last spans of a process are told as those before, although it is gone.
func TestEndedProcessesAreTreated(t *testing.T) {
	const pid = 1 << 30 // there is none
	w := newWitness(process.New(process.Options{}))
	w.put(pid, facts{exe: "/opt/short"})
	w.Exit(pid)
	for i := range uint32(goneMax - 1) {
		w.put(pid+1+i, facts{exe: "/opt/other"})
		w.Exit(pid + 1 + i)
	}
	if f := w.facts(pid); f.exe != "/opt/short" {
		t.Errorf("%+v", f)
	}
	for i := range uint32(3 * goneMax) {
		w.put(pid+1+i, facts{})
		w.Exit(pid + 1 + i)
	}
	if n := len(w.gone[0]) + len(w.gone[1]); n > 2*goneMax || w.facts(pid).exe != "" {
		t.Errorf("%d are remembered", n)
	}
}
