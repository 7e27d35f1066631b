package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"weft/correlate/propagation"
)

// Colors of a terminal, by health.
var colors = map[propagation.Health]string{propagation.Broken: "\x1b[31m", propagation.Healthy: "\x1b[32m", propagation.NotEnough: "\x1b[33m"}

const uncolored = "\x1b[0m"

// words say a health to a person.
var words = map[propagation.Health]string{propagation.Broken: "BROKEN", propagation.Healthy: "healthy", propagation.NotEnough: "not enough data"}

// page is a text that is written piece by piece; the first error stays.
type page struct {
	w   io.Writer
	err error
}

func (p *page) say(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, a...)
	}
}

// table writes the report for a person: faults first, each in one line of plain words, then the services, then what was not
// judged. hint says where the proof of a fault is, with its id; empty: nowhere.
func table(w io.Writer, r propagation.Report, color bool, hint string) error {
	p := &page{w: w}
	p.say("Propagation of trace contexts, %s to %s UTC, limit %s\n\n", r.From.Format("2006-01-02 15:04:05"), r.To.Format("15:04:05"), percent(r.MinRate))
	p.faults(r, color, hint)
	p.notes(r)
	p.edges(r, color)
	p.outside(r)
	return p.err
}

func (p *page) faults(r propagation.Report, color bool, hint string) {
	n := 0
	for i := range r.Edges {
		for _, f := range faults(&r.Edges[i]) {
			n++
			line := plain(f.Sentence)
			if color {
				line = colors[r.Edges[i].Health] + line + uncolored
			}
			p.say("  %s\n", line)
			if hint != "" && len(f.Examples) > 0 {
				p.say(hint, f.Examples[0])
			}
		}
	}
	if n == 0 {
		p.say("  No fault was seen.\n")
	}
	p.say("\n")
}

func (p *page) notes(r propagation.Report) {
	n := 0
	for i := range r.Edges {
		for _, f := range r.Edges[i].Findings {
			if f.Severity != "fault" {
				if n++; n == 1 {
					p.say("Noticed, and no fault\n")
				}
				p.say("  %s\n", plain(f.Sentence))
			}
		}
	}
	if n > 0 {
		p.say("\n")
	}
}

func (p *page) edges(r propagation.Report, color bool) {
	if len(r.Edges) == 0 {
		return
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "HEALTH\tSERVICE\tROUTE\tPEER\tGOES ON\tRATE\t95 % BOUNDS\tUNKNOWN\tEXCLUDED\tNO CONTEXT")
	for i := range r.Edges {
		e := &r.Edges[i]
		unknown, excluded := judgedOut(e)
		all := e.Rate.N + unknown + excluded + e.NoContext
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d of %d\t%s\t%s to %s\t%s\t%s\t%s\n", words[e.Health], plain(e.Service), plain(e.Route), plain(e.Peer),
			e.Rate.K, e.Rate.N, rateOf(e.Rate), percent(e.Rate.Lower), percent(e.Rate.Upper), share(unknown, all), share(excluded, all), share(e.NoContext, all))
	}
	// What tabwriter writes to memory can't fail.
	_ = t.Flush()
	text := b.String()
	if color {
		for health, word := range words {
			text = strings.ReplaceAll(text, "\n"+word+" ", "\n"+colors[health]+word+uncolored+" ")
		}
	}
	p.say("%s\n", text)
	for i := range r.Edges {
		for _, s := range r.Edges[i].Strata {
			e := &r.Edges[i]
			p.say("  %s on %s toward %s differs by %s: %s with %q, %s else (p %.2g)\n", plain(e.Service), plain(e.Route), plain(e.Peer),
				s.Name, rateOf(s.Rate), s.Value, rateOf(s.Rest), s.P)
		}
	}
}

func rateOf(r propagation.Rate) string {
	if r.N == 0 {
		return "-"
	}
	return percent(r.Estimate)
}

// outside tells what no rate is made of.
func (p *page) outside(r propagation.Report) {
	t := &r.Totals
	p.say("\nOf %d outgoing requests since the start %d were judged; not judged: %d of unknown cause, %d whose incoming request had no context, %d unknown.\n",
		t.Outgoing, t.Pairs, t.Unlinked, t.NoContext, t.Unknown)
	for _, x := range r.Exclusions {
		switch {
		case !x.Enabled:
			p.say("  exclusion %s is switched off\n", x.Name)
		case x.Count > 0:
			p.say("  %d excluded by %s: %s\n", x.Count, x.Name, x.Why)
		}
	}
	for _, s := range r.Services {
		if s.OwnSpans {
			p.say("  %s exports spans of its own: %s\n", plain(s.Service), plain(s.OwnProof))
		}
	}
	if t.Evicted > 0 {
		p.say("  %d pairs were of edges that were forgotten because there are too many: raise breaks.edges\n", t.Evicted)
	}
}

// markdown writes the report as a page.
func markdown(w io.Writer, r propagation.Report) error {
	p := &page{w: w}
	p.say("# Propagation of trace contexts\n\n%s to %s UTC; the limit is %s.\n\n", r.From.Format("2006-01-02 15:04:05"), r.To.Format("2006-01-02 15:04:05"), percent(r.MinRate))
	n := 0
	for i := range r.Edges {
		for _, f := range faults(&r.Edges[i]) {
			n++
			p.say("- **%s** %s\n", f.Code, escape(f.Sentence))
		}
	}
	if n == 0 {
		p.say("No fault was seen.\n")
	}
	p.say("\n| health | service | route | peer | goes on | rate | 95 %% bounds | unknown | excluded |\n|---|---|---|---|---|---|---|---|---|\n")
	for i := range r.Edges {
		e := &r.Edges[i]
		unknown, excluded := judgedOut(e)
		p.say("| %s | %s | %s | %s | %d of %d | %s | %s to %s | %d | %d |\n", words[e.Health], escape(e.Service), escape(e.Route), escape(e.Peer),
			e.Rate.K, e.Rate.N, rateOf(e.Rate), percent(e.Rate.Lower), percent(e.Rate.Upper), unknown, excluded)
	}
	return p.err
}

// escape keeps texts from the traffic from being markup.
func escape(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]").Replace(plain(text))
}
