package metrics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	registry "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/exporters/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"weft/export/listen"
)

// server answers GET /metrics.
type server struct {
	listener *listen.Door
	http     *http.Server
}

// Bounds of the server: scrapes at a time, and the times of one.
const (
	scrapes    = 4
	scrapeTime = 10 * time.Second
)

// serve opens the address and makes the reader behind it.
func serve(ctx context.Context, address string, o listen.Options) (sdk.Reader, *server, error) {
	r := registry.NewRegistry()
	reader, err := prometheus.New(prometheus.WithRegisterer(r), prometheus.WithoutScopeInfo(),
		prometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return nil, nil, fmt.Errorf("make metrics for Prometheus: %w", err)
	}
	l, err := o.Listen(ctx, address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for Prometheus: %w: set metrics.listen to another address", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes, Timeout: scrapeTime}))
	return reader, &server{listener: l, http: &http.Server{
		Handler: l.Guard(mux), ReadTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}}, nil
}

func (s *server) start() {
	go func() { _ = s.http.Serve(s.listener) }() // it ends when it is closed
}

func (s *server) close() error {
	if err := s.http.Close(); err != nil {
		return fmt.Errorf("close the Prometheus endpoint: %w", err)
	}
	_ = s.listener.Close() // of a server that was not started
	return nil
}
