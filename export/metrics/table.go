package metrics

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// row is one metric as users know it.
type row struct {
	name       string
	unit       string
	does       string
	attributes string // of its series, for docs/METRICS.md
}

const ofEdge = "those of an edge"

// Counters only grow. Those of an edge begin when it is first seen, and again when it was forgotten in between.
const (
	requests = iota
	pairs
	notes
	unjudged
	evicted
	spanCount
	exchanges
	losses
	malformed
	noted
	events
	exported
	records
	kernelOperations
	kernelMuted
	kernelRecords
	kernelRecordsSize
	kernelLost
	kernelCut
	kernelSockets
	kernelSocketsMuted
	kernelSocketsRefused
	kernelTLS
	kernelTLSSockets
	kernelTLSUntied
	kernelTLSRefused
	kernelTLSUnread
	kernelUnread
	kernelUnreadSize
	kernelMissed
	kernelTasks
	kernelErrors
	rests
	counters
)

var counterRows = [counters]row{
	requests: {"weft.propagation.requests", "{request}", "All outgoing requests of the node, by what came of judging them",
		"`weft.outcome`: `judged`, `unlinked`, `no_context`, `unknown`, `excluded`; `weft.propagation.exclusion` of excluded ones"},
	pairs: {"weft.propagation.pairs", "{pair}", "Outgoing requests judged against the incoming request that caused them, by leading verdict",
		ofEdge + ", `weft.propagation.verdict`"},
	notes: {"weft.propagation.notes", "{note}", "Further verdicts on the pairs", ofEdge + ", `weft.propagation.verdict`"},
	unjudged: {"weft.propagation.unjudged", "{request}", "Outgoing requests of an edge that were not judged",
		ofEdge + ", `weft.reason`: `unknown` (a head was cut or unreadable), `no_context` (none came in), or the exclusion"},
	evicted:   {"weft.propagation.evicted", "{pair}", "Pairs of edges that were forgotten because there were too many", ""},
	spanCount: {"weft.spans", "{span}", "Spans made", "`weft.span.kind`: `server`, `client`"},
	exchanges: {"weft.exchanges", "{exchange}", "Requests seen at one end of a connection: each becomes a span or a loss, or is still open", ""},
	losses:    {"weft.losses", "{exchange}", "Requests that are missing in the output", "`weft.reason`"},
	malformed: {"weft.malformed", "{message}", "Messages that could not be parsed", "`weft.reason`"},
	noted:     {"weft.oddities", "{message}", "What is odd and no loss, such as replies to requests from before weft's start", "`weft.reason`"},
	events:    {"weft.events", "{event}", "Events taken from the kernel", ""},
	exported: {"weft.export.spans", "{span}", "Spans that the output is done with",
		"`weft.outcome`: `exported`, `unsampled`, or why they were dropped: `queue_full`, `rejected`, `export_failed`, `shutdown`, `spill_full`, `spill_expired`, `spill_corrupt`, `spill_failed`"},
	records: {"weft.export.log_records", "{record}", "Log records that an edge broke or mended, by their end",
		"`weft.outcome`, as of the spans"},
	kernelOperations:  {"weft.kernel.operations", "{operation}", "Socket operations on followed sockets", ""},
	kernelMuted:       {"weft.kernel.operations.muted", "{operation}", "Socket operations on sockets that speak no known protocol", ""},
	kernelRecords:     {"weft.kernel.records", "{record}", "Records that the kernel handed over", ""},
	kernelRecordsSize: {"weft.kernel.records.size", "By", "Bytes of the ring that these records took", ""},
	kernelLost: {"weft.kernel.records.lost", "{record}", "Records that were not handed over",
		"`weft.reason`: `ring_full`, `shed` (the request that they belong to was lost or left out)"},
	kernelCut:        {"weft.kernel.heads.cut", "{head}", "Heads longer than what is read", ""},
	kernelSockets:    {"weft.kernel.sockets", "{socket}", "Sockets seen", ""},
	kernelTLS:        {"weft.kernel.tls.operations", "{operation}", "Reads and writes of the plaintext of TLS sessions", ""},
	kernelTLSSockets: {"weft.kernel.tls.sockets", "{socket}", "Sockets that carry TLS", ""},
	kernelTLSUntied:  {"weft.kernel.tls.operations.untied", "{operation}", "Reads and writes of plaintext whose socket was not known", ""},
	kernelTLSRefused: {"weft.kernel.tls.refused", "{operation}", "Sessions, sockets and operations of TLS for which there was no room", ""},
	kernelTLSUnread: {"weft.kernel.tls.sockets.unread", "{socket}", "Sockets that carry TLS of which not all was read",
		"`weft.reason`: `all` (nothing was read; counted when they end), `beginning` (what its client has said first was not read: requests, or settings of HTTP/2)"},
	kernelSocketsMuted:   {"weft.kernel.sockets.muted", "{socket}", "Sockets that speak no known protocol", ""},
	kernelSocketsRefused: {"weft.kernel.sockets.refused", "{socket}", "Sockets for which the kernel had no memory", ""},
	kernelUnread:         {"weft.kernel.unread", "{operation}", "Socket operations whose bytes could not be read", "`weft.reason`"},
	kernelUnreadSize:     {"weft.kernel.unread.size", "By", "Bytes of the operations that could not be read", "`weft.reason`"},
	kernelMissed: {"weft.kernel.programs.missed", "{run}", "Runs of the eBPF programs that were left out",
		"`weft.reason`: `running` (the program ran already on that CPU), `overlapped` (another operation was under way there)"},
	kernelTasks:  {"weft.kernel.tasks.unread", "{operation}", "Operations of event loops whose running task could not be read", ""},
	kernelErrors: {"weft.kernel.errors.left_out", "{reply}", "Replies with a status from 500 on to requests that were lost or left out", ""},
	rests:        {"weft.watchdog.rests", "{rest}", "How often weft has taken its probes off because it cost too much", ""},
}

// Gauges are numbers of the moment.
const (
	judgedPairs = iota
	broken
	edges
	edgesUntold
	waiting
	spilled
	connections
	resting
	gauges
)

var gaugeRows = [gauges]row{
	judgedPairs: {"weft.propagation.rate.pairs", "{pair}", "Pairs in the window that the rate is of", ofEdge},
	broken:      {"weft.propagation.broken", "{edge}", "1 when the rate is surely below the limit, else 0", ofEdge},
	edges: {"weft.propagation.edges", "{edge}", "Edges that are remembered: a service on a route toward a peer",
		"`weft.propagation.health`: `healthy`, `broken`, `not_enough_data`"},
	edgesUntold: {"weft.propagation.edges.untold", "{edge}", "Edges without series of their own because there are too many", ""},
	waiting:     {"weft.export.queue", "{span}", "Spans that wait for the output", ""},
	spilled:     {"weft.export.spilled", "{span}", "Spans that wait on disk for the output", ""},
	connections: {"weft.connections", "{connection}", "Connections that are followed", ""},
	resting:     {"weft.watchdog.resting", "1", "1 while the probes are off because weft cost too much, else 0", ""},
}

// Shares are gauges from 0 to 1.
const (
	rate = iota
	rateLower
	rateUpper
	limit
	shares
)

var shareRows = [shares]row{
	rate:      {"weft.propagation.rate", "1", "Share of the pairs in the window whose trace goes on. An edge without pairs has none", ofEdge},
	rateLower: {"weft.propagation.rate.lower", "1", "Lower bound of the true rate, at 95 %", ofEdge},
	rateUpper: {"weft.propagation.rate.upper", "1", "Upper bound of the true rate, at 95 %", ofEdge},
	limit:     {"weft.propagation.limit", "1", "The limit between healthy and broken: min.rate", ""},
}

// register makes the instruments and the one callback that fills them all.
func (m *Meter) register() error {
	meter := m.provider.Meter("weft", metric.WithInstrumentationVersion(m.options.Version))
	var all []metric.Observable
	for i, r := range counterRows {
		c, err := meter.Int64ObservableCounter(r.name, metric.WithUnit(r.unit), metric.WithDescription(r.does))
		if err != nil {
			return fmt.Errorf("make the metric %s: %w", r.name, err)
		}
		m.counters[i] = c
		all = append(all, c)
	}
	for i, r := range gaugeRows {
		g, err := meter.Int64ObservableGauge(r.name, metric.WithUnit(r.unit), metric.WithDescription(r.does))
		if err != nil {
			return fmt.Errorf("make the metric %s: %w", r.name, err)
		}
		m.gauges[i] = g
		all = append(all, g)
	}
	for i, r := range shareRows {
		g, err := meter.Float64ObservableGauge(r.name, metric.WithUnit(r.unit), metric.WithDescription(r.does))
		if err != nil {
			return fmt.Errorf("make the metric %s: %w", r.name, err)
		}
		m.shares[i] = g
		all = append(all, g)
	}
	if _, err := meter.RegisterCallback(m.observe, all...); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	return nil
}
