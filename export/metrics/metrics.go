// Package metrics owns the numbers that weft tells all the time: how contexts propagate, and what it counts of itself. They
// are pushed by OTLP, served for Prometheus, or both, and read from their owners when they are collected.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"weft/correlate/propagation"
	"weft/export/listen"
	"weft/export/otlp"
)

// Options of a Meter.
type Options struct {
	// Report gives the state of the propagation account. It is called from any goroutine, at most once a second.
	Report func(context.Context) (propagation.Report, error)
	// Account gives weft's own counters, from any goroutine.
	Account func() (Account, error)
	// Push sends to a collector, as the variables OTEL_EXPORTER_OTLP_* and OTEL_METRIC_* say.
	Push bool
	// Listen is the host:port at which a Prometheus server may fetch /metrics; empty: nowhere.
	Listen string
	// Door says how Listen is protected beyond loopback.
	Door listen.Options
	// Edges is how many edges have series of their own; 0: DefaultEdges.
	Edges int
	// Version of weft.
	Version string
	// Logger is told when the collector begins and ceases to refuse metrics.
	Logger *slog.Logger
}

// DefaultEdges bounds the series: each edge has six, and one for each verdict and reason that occurs on it.
const DefaultEdges = 1000

// Meter tells the numbers until it is closed.
type Meter struct {
	options  Options
	provider *sdk.MeterProvider
	server   *server

	counters [counters]metric.Int64ObservableCounter
	gauges   [gauges]metric.Int64ObservableGauge
	shares   [shares]metric.Float64ObservableGauge

	mu    sync.Mutex
	told  map[string]bool // the edges that have series
	last  propagation.Report
	asked time.Time // when last was had
}

// New starts a meter. The error names the setting that is wrong; a collector that is away is none. ctx bounds only the start.
func New(ctx context.Context, o Options) (*Meter, error) {
	if o.Edges <= 0 {
		o.Edges = DefaultEdges
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Meter{options: o}
	self, err := otlp.Self(ctx, o.Version)
	if err != nil {
		return nil, err
	}
	// The number of series is bounded by Edges, and by the words that verdicts and reasons have.
	settings := []sdk.Option{sdk.WithResource(self), sdk.WithCardinalityLimit(0)}
	if o.Push {
		reader, err := newPush(ctx, o.Logger)
		if err != nil {
			return nil, err
		}
		settings = append(settings, sdk.WithReader(reader))
	}
	if o.Listen != "" {
		reader, s, err := serve(ctx, o.Listen, o.Door)
		if err != nil {
			return nil, err
		}
		m.server = s
		settings = append(settings, sdk.WithReader(reader))
	}
	m.provider = sdk.NewMeterProvider(settings...)
	if err := m.register(); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	if m.server != nil {
		m.server.start()
	}
	return m, nil
}

// Address is where Prometheus finds the metrics; empty for nowhere.
func (m *Meter) Address() string {
	if m.server == nil {
		return ""
	}
	return m.server.listener.Addr().String()
}

// Close tells the numbers a last time and ends.
func (m *Meter) Close(ctx context.Context) error {
	var err error
	if m.server != nil {
		err = m.server.close()
	}
	if bad := m.provider.Shutdown(ctx); bad != nil {
		err = errors.Join(err, fmt.Errorf("send the last metrics: %w", bad))
	}
	return err
}

// fresh is how old a report may be to be told again: several readers, or an eager one, do not keep the data path busy.
const fresh = time.Second

// patience is how long the data path may take to answer.
const patience = 5 * time.Second

// report gives the state of the propagation account; m.mu is held.
func (m *Meter) report(ctx context.Context) (propagation.Report, error) {
	if !m.asked.IsZero() && time.Since(m.asked) < fresh {
		return m.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := m.options.Report(ctx)
	if err != nil {
		return r, fmt.Errorf("read the propagation report: %w", err)
	}
	m.last, m.asked = r, time.Now()
	return r, nil
}
