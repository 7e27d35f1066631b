package metrics

import (
	"context"

	"weft/correlate/propagation"
	"weft/export/queue"
)

// sample is a report with an edge that breaks, one that does not, and one without pairs.
func sample() propagation.Report {
	return propagation.Report{
		MinRate: 0.99,
		Totals: propagation.Totals{
			Outgoing: 118, Pairs: 110, Unlinked: 3, NoContext: 2, Unknown: 1, Excluded: map[string]uint64{"scrape": 2, "token": 0}, Evicted: 7,
		},
		Edges: []propagation.Edge{
			{Service: "checkout", Route: "POST /charge", Peer: "payments", Protocol: "http/1.1", Health: propagation.Broken,
				Rate:    propagation.Rate{N: 90, K: 60, Estimate: 0.666667, Lower: 0.56, Upper: 0.76},
				Unknown: 1, NoContext: 2, Excluded: map[string]uint64{"scrape": 2},
				Verdicts: map[string]uint64{"propagated": 60, "dropped": 40}, Notes: map[string]uint64{"baggage_lost": 5}},
			{Service: "web\xff", Route: "GET", Peer: "checkout", Protocol: "http/1.0", Health: propagation.Healthy,
				Rate: propagation.Rate{N: 10, K: 10, Estimate: 1, Lower: 0.8, Upper: 1}, Verdicts: map[string]uint64{"passed_through": 10}},
			{Service: "idle", Route: "GET /", Peer: "web", Protocol: "http/1.1", Health: propagation.NotEnough},
		},
	}
}

func account() (Account, error) {
	return Account{
		Exchanges: 20, Events: 100, Connections: 4, Unsampled: 2, Rests: 3, Resting: true, Spans: map[string]uint64{"server": 9, "client": 8},
		Lost: map[string]uint64{"unfinished": 1}, Malformed: map[string]uint64{"nul": 6}, Noted: map[string]uint64{"disagreed": 0},
		Kernel: map[string]uint64{"operations": 1000, "records_ring_full": 3, "unread_sendfile": 5, "unread_bytes_sendfile": 4096, "requests_lost_server": 9},
		Export: queue.Counts{Put: 17, Recovered: 15, Exported: 14, QueueFull: 1, Waiting: 2, Spilled: 5, SpillFull: 4, SpillExpired: 3, SpillCorrupt: 2, SpillFailed: 1}, Notices: queue.Counts{Put: 3, Exported: 2, QueueFull: 1},
	}, nil
}

func report(context.Context) (propagation.Report, error) { return sample(), nil }

// wants are series and their values: a metric, then its attributes in any order.
var wants = map[string]float64{
	"weft.propagation.requests weft.outcome=judged":                                     110,
	"weft.propagation.requests weft.outcome=unlinked":                                   3,
	"weft.propagation.requests weft.outcome=no_context":                                 2,
	"weft.propagation.requests weft.outcome=unknown":                                    1,
	"weft.propagation.requests weft.outcome=excluded weft.propagation.exclusion=scrape": 2,
	"weft.propagation.requests weft.outcome=excluded weft.propagation.exclusion=token":  0,
	"weft.propagation.pairs " + charge + " weft.propagation.verdict=dropped":            40,
	"weft.propagation.pairs " + charge + " weft.propagation.verdict=propagated":         60,
	"weft.propagation.pairs " + web + " weft.propagation.verdict=passed_through":        10,
	"weft.propagation.notes " + charge + " weft.propagation.verdict=baggage_lost":       5,
	"weft.propagation.unjudged " + charge + " weft.reason=unknown":                      1,
	"weft.propagation.unjudged " + charge + " weft.reason=no_context":                   2,
	"weft.propagation.unjudged " + charge + " weft.reason=scrape":                       2,
	"weft.propagation.rate " + charge:                                                   0.666667,
	"weft.propagation.rate.lower " + charge:                                             0.56,
	"weft.propagation.rate.upper " + charge:                                             0.76,
	"weft.propagation.rate " + web:                                                      1,
	"weft.propagation.rate.lower " + web:                                                0.8,
	"weft.propagation.rate.upper " + web:                                                1,
	"weft.propagation.rate.pairs " + charge:                                             90,
	"weft.propagation.rate.pairs " + web:                                                10,
	"weft.propagation.rate.pairs " + idle:                                               0,
	"weft.propagation.broken " + charge:                                                 1,
	"weft.propagation.broken " + web:                                                    0,
	"weft.propagation.broken " + idle:                                                   0,
	"weft.propagation.edges weft.propagation.health=broken":                             1,
	"weft.propagation.edges weft.propagation.health=healthy":                            1,
	"weft.propagation.edges weft.propagation.health=not_enough_data":                    1,
	"weft.propagation.edges.untold":                                                     0,
	"weft.propagation.evicted":                                                          7,
	"weft.propagation.limit":                                                            0.99,
	"weft.spans weft.span.kind=client":                                                  8,
	"weft.spans weft.span.kind=server":                                                  9,
	"weft.exchanges":                                                                    20,
	"weft.events":                                                                       100,
	"weft.connections":                                                                  4,
	"weft.watchdog.rests":                                                               3,
	"weft.watchdog.resting":                                                             1,
	"weft.losses weft.reason=unfinished":                                                1,
	"weft.malformed weft.reason=nul":                                                    6,
	"weft.oddities weft.reason=disagreed":                                               0,
	"weft.export.queue":                                                                 2,
	"weft.export.spans weft.outcome=exported":                                           14,
	"weft.export.spans weft.outcome=queue_full":                                         1,
	"weft.export.spans weft.outcome=rejected":                                           0,
	"weft.export.spans weft.outcome=export_failed":                                      0,
	"weft.export.spans weft.outcome=spill_full":                                         4,
	"weft.export.spans weft.outcome=spill_expired":                                      3,
	"weft.export.spans weft.outcome=spill_corrupt":                                      2,
	"weft.export.spans weft.outcome=spill_failed":                                       1,
	"weft.export.spilled":                                                               5,
	"weft.export.spans weft.outcome=shutdown":                                           0,
	"weft.export.spans weft.outcome=unsampled":                                          2,
	"weft.export.log_records weft.outcome=exported":                                     2,
	"weft.export.log_records weft.outcome=queue_full":                                   1,
	"weft.export.log_records weft.outcome=rejected":                                     0,
	"weft.export.log_records weft.outcome=export_failed":                                0,
	"weft.export.log_records weft.outcome=shutdown":                                     0,
	"weft.kernel.operations":                                                            1000,
	"weft.kernel.records.lost weft.reason=ring_full":                                    3,
	"weft.kernel.unread weft.reason=sendfile":                                           5,
	"weft.kernel.unread.size weft.reason=sendfile":                                      4096,
}

const (
	charge = "http.request.method=POST http.route=/charge network.protocol.name=http network.protocol.version=1.1 service.name=checkout weft.peer=payments"
	web    = "http.request.method=GET network.protocol.name=http network.protocol.version=1.0 service.name=web\uFFFD weft.peer=checkout"
	idle   = "http.request.method=GET http.route=/ network.protocol.name=http network.protocol.version=1.1 service.name=idle weft.peer=web"
)
