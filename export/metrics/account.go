package metrics

import (
	"strings"

	"go.opentelemetry.io/otel/metric"

	"weft/export/label"
	"weft/export/queue"
)

// Account is what weft counts of itself since its start.
type Account struct {
	Exchanges   uint64 // seen at one end of a connection
	Events      uint64 // of the kernel
	Connections uint64 // followed now
	Unsampled   uint64 // spans that the sampler left out
	Rests       uint64 // how often the watchdog has taken the probes off
	Resting     bool   // they are off now

	Spans     map[string]uint64 // by kind
	Lost      map[string]uint64 // exchanges, by reason
	Malformed map[string]uint64 // messages, by reason
	Noted     map[string]uint64 // what is no loss, by reason
	Kernel    map[string]uint64 // by the names of weft doctor: see IsKernel

	Export  queue.Counts // of spans
	Notices queue.Counts // of log records
}

// kernelCount is where a counter of the kernel side is told.
type kernelCount struct {
	counter int
	reason  string
}

var kernelCounts = map[string]kernelCount{
	"operations":            {kernelOperations, ""},
	"operations_muted":      {kernelMuted, ""},
	"records":               {kernelRecords, ""},
	"records_size":          {kernelRecordsSize, ""},
	"records_ring_full":     {kernelLost, "ring_full"},
	"records_shed":          {kernelLost, "shed"},
	"heads_cut":             {kernelCut, ""},
	"sockets":               {kernelSockets, ""},
	"sockets_muted":         {kernelSocketsMuted, ""},
	"sockets_refused":       {kernelSocketsRefused, ""},
	"programs_missed":       {kernelMissed, "running"},
	"operations_overlapped": {kernelMissed, "overlapped"},
	"tasks_unread":          {kernelTasks, ""},
	"tls_operations":        {kernelTLS, ""},
	"tls_sockets":           {kernelTLSSockets, ""},
	"tls_operations_untied": {kernelTLSUntied, ""},
	"tls_refused":           {kernelTLSRefused, ""},
	"tls_sockets_unread":    {kernelTLSUnread, "all"},
	"tls_sockets_late":      {kernelTLSUnread, "beginning"},
	"errors_left_out":       {kernelErrors, ""},
	// These are told among the losses.
	"requests_lost_server":     {counters, ""},
	"requests_lost_client":     {counters, ""},
	"requests_left_out_server": {counters, ""},
	"requests_left_out_client": {counters, ""},
	// Operations that could be read.
	"unread_none":       {counters, ""},
	"unread_bytes_none": {counters, ""},
}

// kernelCountOf says where a counter of the kernel side is told; its counter is counters if it is told elsewhere.
func kernelCountOf(name string) (kernelCount, bool) {
	if k, ok := kernelCounts[name]; ok {
		return k, true
	}
	if reason, ok := strings.CutPrefix(name, "unread_bytes_"); ok {
		return kernelCount{kernelUnreadSize, reason}, true
	}
	if reason, ok := strings.CutPrefix(name, "unread_"); ok {
		return kernelCount{kernelUnread, reason}, true
	}
	return kernelCount{}, false
}

// IsKernel tells whether a counter of the kernel side, by its name in weft doctor, is told.
func IsKernel(name string) bool {
	_, ok := kernelCountOf(name)
	return ok
}

func (m *Meter) observeAccount(o metric.Observer, a *Account) {
	count := func(counter int, n uint64) { o.ObserveInt64(m.counters[counter], int64(n)) }
	count(exchanges, a.Exchanges)
	count(events, a.Events)
	count(rests, a.Rests)
	off := int64(0)
	if a.Resting {
		off = 1
	}
	o.ObserveInt64(m.gauges[resting], off)
	o.ObserveInt64(m.gauges[connections], int64(a.Connections))
	o.ObserveInt64(m.gauges[waiting], int64(a.Export.Waiting))
	o.ObserveInt64(m.gauges[spilled], int64(a.Export.Spilled))
	for kind, n := range a.Spans {
		o.ObserveInt64(m.counters[spanCount], int64(n), metric.WithAttributes(label.Kind.String(kind)))
	}
	m.observeReasons(o, losses, a.Lost)
	m.observeReasons(o, malformed, a.Malformed)
	m.observeReasons(o, noted, a.Noted)
	m.observeOutcomes(o, exported, a.Export)
	o.ObserveInt64(m.counters[exported], int64(a.Unsampled), metric.WithAttributes(label.Outcome.String("unsampled")))
	m.observeOutcomes(o, records, a.Notices)
	for name, n := range a.Kernel {
		k, ok := kernelCountOf(name)
		switch {
		case !ok || k.counter == counters:
		case k.reason == "":
			count(k.counter, n)
		default:
			o.ObserveInt64(m.counters[k.counter], int64(n), metric.WithAttributes(label.Reason.String(k.reason)))
		}
	}
}

func (m *Meter) observeReasons(o metric.Observer, counter int, byReason map[string]uint64) {
	for reason, n := range byReason {
		o.ObserveInt64(m.counters[counter], int64(n), metric.WithAttributes(label.Reason.String(reason)))
	}
}

func (m *Meter) observeOutcomes(o metric.Observer, counter int, c queue.Counts) {
	ends := []struct {
		outcome string
		n       uint64
	}{
		{"exported", c.Exported}, {"queue_full", c.QueueFull}, {"rejected", c.Rejected},
		{"export_failed", c.ExportFailed}, {"shutdown", c.Shutdown},
		{"spill_full", c.SpillFull}, {"spill_expired", c.SpillExpired}, {"spill_corrupt", c.SpillCorrupt}, {"spill_failed", c.SpillFailed},
	}
	if counter != exported {
		ends = ends[:5] // only spans wait on disk
	}
	for _, end := range ends {
		o.ObserveInt64(m.counters[counter], int64(end.n), metric.WithAttributes(label.Outcome.String(end.outcome)))
	}
}
