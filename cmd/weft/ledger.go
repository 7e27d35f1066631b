package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"weft/agent"
	"weft/bpf"
	"weft/correlate"
	"weft/correlate/flow"
	"weft/correlate/proto"
	"weft/export/metrics"
	"weft/export/notice"
	"weft/export/queue"
)

// account is everything weft counts, in one place. Each request that was served on a traced socket is in exactly one of
// Spans, Lost or Open.
type account struct {
	Message  string            `json:"msg"`
	Spans    map[string]uint64 `json:"spans"`  // given out, by kind
	Lost     map[string]uint64 `json:"lost"`   // exchanges that are missing, by reason
	Other    map[string]uint64 `json:"other"`  // what is counted and no loss
	Parser   map[string]uint64 `json:"parser"` // malformed messages
	Kernel   map[string]uint64 `json:"kernel"`
	Export   queue.Counts      `json:"export"`
	Notices  queue.Counts      `json:"notices"` // that an edge broke or mended, on their way to the log and the collector
	Hidden   uint64            `json:"unsampled"`
	Routines int               `json:"goroutines"`        // of weft, now
	Rests    uint64            `json:"rests"`             // how often the watchdog has taken the probes off
	Resting  string            `json:"resting,omitempty"` // why they are off now
}

// ledger collects the counters of all rooms. snapshot is called by the data path, the rest from anywhere.
type ledger struct {
	agent    *agent.Agent
	pipeline *correlate.Pipeline
	gate     *gate
	notices  *notice.Notices // nil: nobody is told of edges
	last     atomic.Pointer[snapshot]
	ticked   atomic.Int64 // Unix time, ns, of the last snapshot
}

type snapshot struct {
	counts    correlate.Counts
	unsampled uint64
	elsewhere uint64
	export    queue.Counts
	peers     peerCounts
}

func newLedger(a *agent.Agent, p *correlate.Pipeline, g *gate) *ledger {
	l := &ledger{agent: a, pipeline: p, gate: g}
	l.snapshot()
	return l
}

func (l *ledger) snapshot() {
	l.ticked.Store(time.Now().UnixNano())
	s := &snapshot{counts: l.pipeline.Counts(), unsampled: l.gate.unsampled, elsewhere: l.gate.elsewhere(), export: l.gate.Counts()}
	if l.gate.peers != nil {
		s.peers = l.gate.peers.counts
	}
	l.last.Store(s)
}

func (l *ledger) account() (account, error) {
	s := l.last.Load()
	a := account{
		Message: "counts",
		Spans:   map[string]uint64{"server": s.counts.Server, "client": s.counts.Client},
		Lost:    map[string]uint64{}, Other: map[string]uint64{}, Parser: map[string]uint64{}, Kernel: map[string]uint64{},
		Export: s.export, Hidden: s.unsampled, Routines: runtime.NumGoroutine(),
	}
	if l.notices != nil {
		a.Notices = l.notices.Counts()
	}
	for r := flow.Reason(0); r < flow.Reasons; r++ {
		if r.IsLoss() {
			a.Lost[r.String()] = s.counts.Flow.Reasons[r]
		} else {
			a.Other[r.String()] = s.counts.Flow.Reasons[r]
		}
	}
	a.Other["paths_without_route"] = s.counts.Routes.Overflows
	a.Other["translations_asked"] = s.peers.Asked
	a.Other["translations_found"] = s.peers.Translated
	a.Other["translations_left_out"] = s.peers.LeftOut
	a.Other["spans_of_another_weft"] = s.elsewhere
	a.Other["exchanges"] = s.counts.Flow.Exchanges
	a.Other["events"] = s.counts.Flow.Events
	a.Other["connections"] = uint64(s.counts.Flow.Conns)
	for e := proto.Error(0); e < proto.Errors; e++ {
		a.Parser[string(e.Reason())] = s.counts.Flow.Errors[e]
	}
	return a, l.addKernel(&a)
}

// measures gives the account in the shape of the metrics.
func (l *ledger) measures() (metrics.Account, error) {
	a, err := l.account()
	if err != nil {
		return metrics.Account{}, fmt.Errorf("read counters: %w", err)
	}
	m := metrics.Account{
		Exchanges: a.Other["exchanges"], Events: a.Other["events"], Connections: a.Other["connections"], Unsampled: a.Hidden,
		Rests: a.Rests, Resting: a.Resting != "", Spans: a.Spans, Lost: a.Lost, Malformed: a.Parser, Noted: maps.Clone(a.Other), Kernel: a.Kernel, Export: a.Export, Notices: a.Notices,
	}
	for _, own := range []string{"exchanges", "events", "connections"} {
		delete(m.Noted, own)
	}
	return m, nil
}

func (l *ledger) addKernel(a *account) error {
	if l.agent == nil {
		return nil
	}
	counts, err := l.agent.Counts()
	if err != nil {
		return err
	}
	for i, n := range counts {
		a.Kernel[countName(i)] = n
	}
	a.Kernel["records_size"] = l.agent.Size()
	if a.Kernel["programs_missed"], err = l.agent.Missed(); err != nil {
		return err
	}
	rest := l.agent.Resting()
	if a.Rests = rest.Rests; rest.Off {
		a.Resting = rest.Why
	}
	a.Lost["ring_full_server"] = counts[bpf.WeftCountCOUNT_LOST_SERVER]
	a.Lost["ring_full_client"] = counts[bpf.WeftCountCOUNT_LOST_CLIENT]
	a.Lost["left_out_server"] = counts[bpf.WeftCountCOUNT_LEFT_OUT_SERVER]
	a.Lost["left_out_client"] = counts[bpf.WeftCountCOUNT_LEFT_OUT_CLIENT]
	return nil
}

var unreadNames = []string{"none", "sendfile", "splice", "io_uring", "compat", "fault", "iovec", "syscall", "truncated"}

// countName names a counter of the kernel side.
func countName(i int) string {
	if n := i - int(bpf.WeftCountCOUNT_UNREAD_BYTES); n >= 0 {
		return "unread_bytes_" + unreadNames[n]
	}
	if n := i - int(bpf.WeftCountCOUNT_UNREAD); n >= 0 {
		return "unread_" + unreadNames[n]
	}
	return kernelNames[i]
}

var kernelNames = map[int]string{
	int(bpf.WeftCountCOUNT_OPERATIONS):      "operations",
	int(bpf.WeftCountCOUNT_MUTED):           "operations_muted",
	int(bpf.WeftCountCOUNT_RECORDS):         "records",
	int(bpf.WeftCountCOUNT_RING_FULL):       "records_ring_full",
	int(bpf.WeftCountCOUNT_LOST_SERVER):     "requests_lost_server",
	int(bpf.WeftCountCOUNT_LOST_CLIENT):     "requests_lost_client",
	int(bpf.WeftCountCOUNT_HEADS_CUT):       "heads_cut",
	int(bpf.WeftCountCOUNT_SOCKETS):         "sockets",
	int(bpf.WeftCountCOUNT_SOCKETS_MUTED):   "sockets_muted",
	int(bpf.WeftCountCOUNT_SOCKETS_REFUSED): "sockets_refused",
	int(bpf.WeftCountCOUNT_OVERLAPPED):      "operations_overlapped",
	int(bpf.WeftCountCOUNT_SHED):            "records_shed",
	int(bpf.WeftCountCOUNT_LEFT_OUT_SERVER): "requests_left_out_server",
	int(bpf.WeftCountCOUNT_LEFT_OUT_CLIENT): "requests_left_out_client",
	int(bpf.WeftCountCOUNT_LEFT_OUT_ERRORS): "errors_left_out",
	int(bpf.WeftCountCOUNT_TASK_UNREAD):     "tasks_unread",
	int(bpf.WeftCountCOUNT_TLS_OPERATIONS):  "tls_operations",
	int(bpf.WeftCountCOUNT_TLS_SOCKETS):     "tls_sockets",
	int(bpf.WeftCountCOUNT_TLS_UNTIED):      "tls_operations_untied",
	int(bpf.WeftCountCOUNT_TLS_REFUSED):     "tls_refused",
	int(bpf.WeftCountCOUNT_TLS_UNREAD):      "tls_sockets_unread",
	int(bpf.WeftCountCOUNT_TLS_LATE):        "tls_sockets_late",
}

// forgetful tells how full the maps are from which the oldest falls out.
func (l *ledger) forgetful() (f forgetful, err error) {
	if l.agent != nil {
		f.Maps, err = l.agent.Forgetful()
	}
	return f, err
}

// forgetful is how full these maps are.
type forgetful struct{ Maps []agent.Forgetful }

// lines tells that for a person. What is full forgets the work of goroutines, threads or tasks that is not over, whose calls then have
// no cause, or the sizes of bodies.
func (f *forgetful) lines() string {
	var b strings.Builder
	b.WriteString("  maps that forget the oldest:")
	for _, m := range f.Maps {
		if m.Used > 0 {
			fmt.Fprintf(&b, " %s=%d of %d", m.Map, m.Used, m.Max)
		}
		if m.Forgotten > 0 {
			fmt.Fprintf(&b, " (%d forgotten)", m.Forgotten)
		}
	}
	b.WriteByte('\n')
	for _, m := range f.Maps {
		if m.Forgets() {
			fmt.Fprintf(&b, "  !!  the map %s is full: what was not used for the longest time is forgotten, and its calls have no cause\n", m.Map)
		}
	}
	return b.String()
}

func (l *ledger) print(w io.Writer) {
	a, err := l.account()
	if err != nil {
		fmt.Fprintln(w, "weft: read counters:", err)
		return
	}
	if err := json.NewEncoder(w).Encode(a); err != nil {
		fmt.Fprintln(w, "weft: write counters:", err)
	}
}

// lines gives the account for a person, zeros left out.
func (a *account) lines() string {
	var b strings.Builder
	if a.Resting != "" {
		fmt.Fprintf(&b, "  the probes are off: %s\n", a.Resting)
	}
	for _, part := range []struct {
		title  string
		counts map[string]uint64
	}{{"spans", a.Spans}, {"lost", a.Lost}, {"other", a.Other}, {"malformed", a.Parser}, {"kernel", a.Kernel}} {
		fmt.Fprintf(&b, "  %s:", part.title)
		for _, name := range sortedKeys(part.counts) {
			if n := part.counts[name]; n != 0 {
				fmt.Fprintf(&b, " %s=%d", name, n)
			}
		}
		b.WriteByte('\n')
	}
	if unread, late := a.Kernel["tls_sockets_unread"], a.Kernel["tls_sockets_late"]; unread+late > 0 {
		fmt.Fprintf(&b, "  !!  the requests of %d ends of connections under TLS are missing, and perhaps the first ones of %d: no library was read, or not yet\n",
			unread, late)
	}
	fmt.Fprintf(&b, "  export: put=%d recovered=%d exported=%d waiting=%d on_disk=%d dropped=%d unsampled=%d\n",
		a.Export.Put, a.Export.Recovered, a.Export.Exported, a.Export.Waiting, a.Export.Spilled, a.Export.Dropped(), a.Hidden)
	fmt.Fprintf(&b, "  notices: put=%d exported=%d waiting=%d dropped=%d\n",
		a.Notices.Put, a.Notices.Exported, a.Notices.Waiting, a.Notices.Dropped())
	if a.Rests > 0 {
		fmt.Fprintf(&b, "  watchdog: rests=%d\n", a.Rests)
	}
	return b.String()
}
