package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"

	"weft/agent/config"
	"weft/export/metrics"
	"weft/export/notice"
)

// openNotices starts to tell of edges that break or mend.
func openNotices(ctx context.Context, c *config.Config, log *slog.Logger) (*notice.Notices, error) {
	// The SDK tells every error of every attempt; weft tells the first and counts the rest.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("telemetry of weft itself", "error", err) }))
	n, err := notice.New(ctx, notice.Options{Logger: log, Push: c.PushLogs, Version: version})
	if err != nil {
		return nil, fmt.Errorf("open the log records: %w", err)
	}
	return n, nil
}

// openMetrics starts the metrics, if somebody is to have them; nil if not.
func openMetrics(ctx context.Context, c *config.Config, log *slog.Logger, l *ledger, d *desk) (*metrics.Meter, error) {
	if !c.PushMetrics && c.MetricsListen == "" {
		return nil, nil
	}
	m, err := metrics.New(ctx, metrics.Options{
		Report: d.brief, Account: l.measures, Push: c.PushMetrics, Listen: c.MetricsListen, Door: door(c), Edges: c.MetricsEdges, Version: version, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the metrics: %w", err)
	}
	if m.Address() != "" {
		log.Info("metrics for Prometheus are at http://" + m.Address() + "/metrics")
	}
	return m, nil
}

// lastWords is how long weft's own telemetry may take at the end. Metrics are sums and records few: neither is worth a wait.
const lastWords = 3 * time.Second

// closing ends what tells of weft itself, all at once. Errors are told in the log: they are no reason to fail.
func closing(log *slog.Logger, ends []func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	var wait sync.WaitGroup
	for _, end := range ends {
		wait.Go(func() {
			if err := end(ctx); err != nil && !errors.Is(err, context.Canceled) {
				log.Warn("telemetry of weft itself", "error", err)
			}
		})
	}
	wait.Wait()
}
