package notice

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"

	"weft/correlate/propagation"
	"weft/export/label"
	"weft/export/otlp"
	"weft/export/queue"
)

// The names of the events.
const (
	BrokenEvent  = "weft.propagation.broken"
	HealthyEvent = "weft.propagation.healthy"
)

// push sends log records. The SDK's queue drops the oldest record in silence when it is full, so no more records are given to
// it than it holds.
type push struct {
	provider *sdk.LoggerProvider
	logger   log.Logger
	limit    int64
	open     atomic.Int64 // records that the SDK has
}

// usualLimit is the default of OTEL_BLRP_MAX_QUEUE_SIZE.
const usualLimit = 2048

func newPush(ctx context.Context, version string, settle func(queue.Counts), plain *slog.Logger) (*push, error) {
	protocol, err := otlp.Logs.Protocol()
	if err != nil {
		return nil, err
	}
	const size = "OTEL_BLRP_MAX_QUEUE_SIZE"
	if err := otlp.CheckWhole(size, "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"); err != nil {
		return nil, err
	}
	self, err := otlp.Self(ctx, version)
	if err != nil {
		return nil, err
	}
	var e sdk.Exporter
	if protocol == otlp.GRPC {
		e, err = otlploggrpc.New(ctx)
	} else {
		e, err = otlploghttp.New(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("start OTLP logs: %w", err)
	}
	p := &push{limit: usualLimit}
	if n, err := strconv.Atoi(strings.TrimSpace(os.Getenv(size))); err == nil {
		p.limit = int64(n)
	}
	p.provider = sdk.NewLoggerProvider(sdk.WithResource(self),
		sdk.WithProcessor(sdk.NewBatchProcessor(&counted{Exporter: e, push: p, settle: settle, log: plain}, sdk.WithMaxQueueSize(int(p.limit)))))
	p.logger = p.provider.Logger("weft", log.WithInstrumentationVersion(version))
	return p, nil
}

// counted says what became of the records, and when the collector begins and ceases to refuse them.
type counted struct {
	sdk.Exporter
	push    *push
	settle  func(queue.Counts)
	log     *slog.Logger
	failing atomic.Bool
}

// Export sends records.
func (c *counted) Export(ctx context.Context, list []sdk.Record) error {
	err := c.Exporter.Export(ctx, list)
	c.push.open.Add(-int64(len(list)))
	if err != nil {
		c.settle(queue.Counts{ExportFailed: uint64(len(list))})
		if !c.failing.Swap(true) {
			c.log.Warn("the collector does not accept log records; OTEL_LOGS_EXPORTER=none sends it none", "error", err)
		}
		return err
	}
	c.settle(queue.Counts{Exported: uint64(len(list))})
	if len(list) > 0 && c.failing.Swap(false) {
		c.log.Info("the collector accepts log records again")
	}
	return nil
}

// emit gives a record to the SDK, and false when it holds as many as it can.
func (p *push) emit(t *propagation.Transition, text string, now time.Time) bool {
	if p.open.Load() >= p.limit {
		return false
	}
	p.open.Add(1)
	var r log.Record
	r.SetTimestamp(t.At)
	r.SetObservedTimestamp(now)
	r.SetBody(attribute.StringValue(strings.ToValidUTF8(text, "\uFFFD")))
	if t.Edge.Health == propagation.Broken {
		r.SetEventName(BrokenEvent)
		r.SetSeverity(log.SeverityWarn)
		r.SetSeverityText("WARN")
	} else {
		r.SetEventName(HealthyEvent)
		r.SetSeverity(log.SeverityInfo)
		r.SetSeverityText("INFO")
	}
	r.AddAttributes(attributes(&t.Edge)...)
	p.logger.Emit(context.Background(), r)
	return true
}

// attributes tell of the edge what a query may ask for.
func attributes(e *propagation.Edge) []attribute.KeyValue {
	out := append(label.Edge(e),
		label.Health.String(string(e.Health)),
		attribute.Float64("weft.propagation.rate", e.Rate.Estimate),
		attribute.Float64("weft.propagation.rate.lower", e.Rate.Lower),
		attribute.Float64("weft.propagation.rate.upper", e.Rate.Upper),
		attribute.Int64("weft.propagation.rate.pairs", int64(e.Rate.N)))
	f := fault(e)
	if f == nil || e.Health != propagation.Broken {
		return out
	}
	out = append(out, label.Verdict.String(f.Verdict))
	for key, value := range map[attribute.Key]string{
		label.Code: f.Code, label.Format: f.Format, "weft.propagation.client": f.Client, "weft.propagation.where": f.Where,
	} {
		if value != "" {
			out = append(out, key.String(label.Text(value)))
		}
	}
	if len(f.Examples) > 0 {
		out = append(out, attribute.StringSlice("weft.propagation.examples", f.Examples))
	}
	return out
}

// close sends what waits, until ctx ends.
func (p *push) close(ctx context.Context) error { return p.provider.Shutdown(ctx) }
