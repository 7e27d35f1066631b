package correlate

import (
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// TestClockIsStepped sets the clock in the middle of a recording, as an administrator or a virtual machine that was asleep does. Spans
// stay as long as they were, with the same ids and links; only where they stand in the time of day is another from then on.
func TestClockIsStepped(t *testing.T) {
	const hour = int64(3600e9)
	for _, path := range recordings(t) {
		plain := stepped(t, path, 0)
		for _, step := range []int64{hour, -hour} {
			got, moved := stepped(t, path, step), 0
			if len(got) != len(plain) {
				t.Fatalf("%s: %d spans, not %d", path, len(got), len(plain))
			}
			for i, s := range got {
				p := plain[i]
				if s.End-s.Start != p.End-p.Start || s.FirstByte-s.Start != p.FirstByte-p.Start && s.FirstByte != 0 {
					t.Errorf("%s: a span of %d ns lasts %d", path, p.End-p.Start, s.End-s.Start)
				}
				if s.TraceID != p.TraceID || s.SpanID != p.SpanID || s.ParentID != p.ParentID {
					t.Errorf("%s: another identity: %+v", path, s)
				}
				const precise = 1e6 // ns, of what the agent reads
				switch by := s.Start - p.Start; {
				case max(by-step, step-by) < precise:
					moved++
				case max(by, -by) > precise:
					t.Errorf("%s: a span moved by %d ns", path, by)
				}
			}
			// A clock that was set back is believed after a second, which is longer than what is left of a recording.
			if (moved == 0) != (step < 0) || moved == len(got) {
				t.Errorf("%s: %d of %d spans moved by %d ns", path, moved, len(got), step)
			}
		}
	}
}

// stepped replays a recording whose clock is set forward by step in its middle.
func stepped(t *testing.T, path string, step int64) (list []span.Span) {
	t.Helper()
	p, err := New(Options{Hold: 2e8, Sockets: 1000}, func() *span.Span { return new(span.Span) }, func(s *span.Span) { list = append(list, *s) })
	if err != nil {
		t.Fatal(err)
	}
	var clocks, seen int
	each(t, path, func(ev *event.Event) {
		if ev.Kind == event.KindClock {
			clocks++
		}
	})
	each(t, path, func(ev *event.Event) {
		if ev.Kind == event.KindClock {
			if seen++; seen > clocks/2 {
				ev.Wall += step
			}
		}
		p.Feed(ev)
	})
	p.Close()
	return list
}
