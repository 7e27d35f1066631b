package terminal

import (
	"container/list"
	"strconv"
	"time"

	"weft/correlate/span"
)

// The bounds of what is held and shown.
const (
	maxTraces  = 4096  // traces held
	maxHeld    = 32768 // spans held
	maxRows    = 200   // spans shown of a trace
	maxShapes  = 256   // shapes told apart in a second
	sameShown  = 3     // trees of one shape shown in a second
	treesShown = 20    // trees shown in a second
	window     = int64(time.Second)
)

// forest holds spans until their traces are quiet, then draws them. Its clock is what its caller says.
type forest struct {
	drawing
	quiet   int64 // ns without a new span after which a trace is drawn
	release func(*span.Span)

	traces  map[span.TraceID]*list.Element // of *trace
	order   *list.List                     // by the time of the latest span
	held    int
	settled uint64 // spans drawn, or folded, since the last take

	opened  bool  // the legend is printed
	began   int64 // of the window
	shown   int   // trees in the window
	folded  map[uint64]*fold
	beyond  int // traces of more shapes than are told apart
	ordered []*fold
}

// trace is what is held of one trace.
type trace struct {
	id          span.TraceID
	spans       []*span.Span
	hidden      int
	first, last int64 // when its spans came
}

// fold counts the traces of one shape in a window.
type fold struct {
	shown, more int
	label       string
	slowest     int64 // ns, of those that were not shown
}

func newForest(color bool, quiet time.Duration, release func(*span.Span)) *forest {
	return &forest{
		drawing: drawing{style: style{color: color}, zone: time.Local}, quiet: int64(quiet), release: release,
		traces: map[span.TraceID]*list.Element{}, order: list.New(), folded: map[uint64]*fold{},
	}
}

// put takes s over. now is in ns and never goes back.
func (f *forest) put(s *span.Span, now int64) {
	e := f.traces[s.TraceID]
	if e == nil {
		e = f.order.PushBack(&trace{id: s.TraceID, first: now})
		f.traces[s.TraceID] = e
	}
	f.order.MoveToBack(e)
	t := e.Value.(*trace)
	t.last = now
	if len(t.spans) == maxRows {
		t.hidden++
		f.settled++
		f.release(s)
	} else {
		t.spans = append(t.spans, s)
		f.held++
	}
	if now-t.first > 10*f.quiet {
		f.finish(e, now)
	}
	for f.held > maxHeld || len(f.traces) > maxTraces {
		f.finish(f.order.Front(), now)
	}
}

// tick draws the traces that have become quiet, and at the end of a window what was folded in it.
func (f *forest) tick(now int64) {
	for e := f.order.Front(); e != nil && now-e.Value.(*trace).last >= f.quiet; e = f.order.Front() {
		f.finish(e, now)
	}
	if now-f.began >= window {
		f.unfold()
		f.began = now
	}
}

// end draws all that is held.
func (f *forest) end(now int64) {
	for e := f.order.Front(); e != nil; e = f.order.Front() {
		f.finish(e, now)
	}
	f.unfold()
}

// take gives the text drawn since the last take, valid until the next put or tick, and the number of spans in it.
func (f *forest) take() (text []byte, spans uint64) {
	text, spans = f.out, f.settled
	f.out, f.settled = f.out[:0], 0
	return text, spans
}

// finish draws or folds the trace and forgets it.
func (f *forest) finish(e *list.Element, now int64) {
	t := e.Value.(*trace)
	f.order.Remove(e)
	delete(f.traces, t.id)
	if now-f.began >= window {
		f.unfold()
		f.began = now
	}
	rows := arrange(t.spans)
	if f.admit(rows) {
		if !f.opened {
			f.opened = true
			f.out = f.style.append(f.out, dim, []byte(legend))
		}
		f.draw(rows, t.hidden)
	}
	for _, s := range t.spans {
		f.release(s)
	}
	f.held -= len(t.spans)
	f.settled += uint64(len(t.spans))
}

// admit tells whether the trace may be drawn; if not it is counted with its like.
func (f *forest) admit(rows []row) bool {
	key := shape(rows)
	d := f.folded[key]
	if d == nil && len(f.folded) >= maxShapes {
		f.beyond++
		return false
	}
	root := rows[0].span
	if d == nil {
		d = &fold{label: label(root)}
		f.folded[key] = d
		f.ordered = append(f.ordered, d)
	}
	if d.shown < sameShown && f.shown < treesShown {
		d.shown++
		f.shown++
		return true
	}
	d.more++
	d.slowest = max(d.slowest, root.End-root.Start)
	return false
}

// label names a shape by its root.
func label(root *span.Span) string {
	text := appendPrintable(nil, service(root), maxService)
	text = append(text, ' ')
	text = appendPrintable(text, root.Name(), maxOperation)
	text = append(text, ' ')
	return string(appendStatus(text, root))
}

// unfold tells what was not drawn in the window that ends.
func (f *forest) unfold() {
	for _, d := range f.ordered {
		if d.more == 0 {
			continue
		}
		text := strconv.AppendInt([]byte("… "), int64(d.more), 10)
		text = append(text, " more like this: "...)
		text = append(text, d.label...)
		text = append(text, ", slowest "...)
		text = appendDuration(text, d.slowest)
		f.out = f.style.append(f.out, dim, text)
		f.out = append(f.out, '\n')
	}
	if f.beyond > 0 {
		text := strconv.AppendInt([]byte("… "), int64(f.beyond), 10)
		f.out = f.style.append(f.out, dim, append(text, " other traces"...))
		f.out = append(f.out, '\n')
	}
	clear(f.folded)
	f.ordered, f.shown, f.beyond = f.ordered[:0], 0, 0
}
