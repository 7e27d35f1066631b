package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"weft/export/otlp"
)

// newPush makes the reader that sends to a collector.
func newPush(ctx context.Context, log *slog.Logger) (sdk.Reader, error) {
	protocol, err := otlp.Metrics.Protocol()
	if err != nil {
		return nil, err
	}
	if err := otlp.CheckWhole("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT"); err != nil {
		return nil, err
	}
	var e sdk.Exporter
	if protocol == otlp.GRPC {
		e, err = otlpmetricgrpc.New(ctx)
	} else {
		e, err = otlpmetrichttp.New(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("start OTLP metrics: %w", err)
	}
	return sdk.NewPeriodicReader(&watched{Exporter: e, log: log}), nil
}

// watched says once when the collector begins to refuse metrics, and once when it has ceased to.
type watched struct {
	sdk.Exporter
	log     *slog.Logger
	failing atomic.Bool
}

// Export sends one collection.
func (w *watched) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	err := w.Exporter.Export(ctx, data)
	switch {
	case err == nil && w.failing.Swap(false):
		w.log.Info("the collector accepts metrics again")
	case err != nil && !w.failing.Swap(true):
		w.log.Warn("the collector does not accept metrics; OTEL_METRICS_EXPORTER=none sends it none", "error", err)
	}
	return err
}
