package otlp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"

	"weft/correlate/span"
	"weft/export/spill"
)

// Options of an Exporter. A zero field takes the standard variable that it names, else its default. Headers, TLS,
// compression and the time of one attempt have only their variables, OTEL_EXPORTER_OTLP_* and
// OTEL_EXPORTER_OTLP_TRACES_*: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
type Options struct {
	// Protocol is grpc or http/protobuf; OTEL_EXPORTER_OTLP_PROTOCOL, http/protobuf.
	Protocol string
	// Endpoint is the collector's URL, to which /v1/traces is added for HTTP; OTEL_EXPORTER_OTLP_ENDPOINT,
	// http://localhost:4318, or https://localhost:4317 for gRPC.
	Endpoint string
	// QueueSize is how many spans may wait; OTEL_BSP_MAX_QUEUE_SIZE, 65536.
	QueueSize int
	// BatchSize is how many spans a message holds; OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 1024.
	BatchSize int
	// Interval is how long a span waits at most for its batch to fill; OTEL_BSP_SCHEDULE_DELAY, 1 s.
	Interval time.Duration
	// Timeout is how long a message is tried to be sent; OTEL_BSP_EXPORT_TIMEOUT, 30 s.
	Timeout time.Duration
	// Release gets every span back, from Put; nil leaves spans to the garbage collector.
	Release func(*span.Span)
	// Logger is told when the collector begins and ceases to fail; nil: nobody is.
	Logger *slog.Logger
	// Spill is where messages wait on disk while the collector does not take them; nil: nowhere.
	Spill *spill.Options
	// Version of weft, for the instrumentation scope.
	Version string
}

// complete fills the zero fields.
func (o *Options) complete() error {
	if o.Protocol == "" {
		o.Protocol = Traces.setting("PROTOCOL")
	}
	if o.Protocol == "" {
		o.Protocol = HTTP
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Release == nil {
		o.Release = func(*span.Span) {}
	}
	o.Interval = positive(o.Interval)
	o.Timeout = positive(o.Timeout)
	err := errors.Join(
		fill(&o.QueueSize, "OTEL_BSP_MAX_QUEUE_SIZE", 65536, 1),
		fill(&o.BatchSize, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1024, 1),
		fill(&o.Interval, "OTEL_BSP_SCHEDULE_DELAY", time.Second, time.Millisecond),
		fill(&o.Timeout, "OTEL_BSP_EXPORT_TIMEOUT", 30*time.Second, time.Millisecond),
	)
	o.BatchSize = min(o.BatchSize, o.QueueSize)
	return err
}

func positive(d time.Duration) time.Duration { return max(d, 0) }

// fill sets *field, if zero, to the whole number that the variable gives in units, else to fallback.
func fill[T int | time.Duration](field *T, variable string, fallback, unit T) error {
	value := strings.TrimSpace(os.Getenv(variable))
	switch {
	case *field > 0:
	case value == "":
		*field = fallback
	default:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n <= 0 {
			return fmt.Errorf("%s is %q: use a whole number above 0", variable, value)
		}
		*field = T(n) * unit
	}
	return nil
}

// newClient makes the SDK's client, after a check of all that the client itself would silently replace by a default.
func newClient(o *Options) (otlptrace.Client, error) {
	if err := Traces.check(); err != nil {
		return nil, err
	}
	endpoint, from := o.Endpoint, "OTLP endpoint"
	if endpoint == "" {
		endpoint, from = Traces.variable("ENDPOINT")
	}
	switch {
	case o.Protocol == GRPC && o.Spill != nil:
		return newGRPC(o.Endpoint, endpoint, from, otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
	case o.Protocol == GRPC:
		return newGRPC(o.Endpoint, endpoint, from)
	case o.Protocol == HTTP && o.Spill != nil:
		heard, err := Traces.listeningClient()
		if err != nil {
			return nil, err
		}
		return newHTTP(o.Endpoint, endpoint, from, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), otlptracehttp.WithHTTPClient(heard))
	case o.Protocol == HTTP:
		return newHTTP(o.Endpoint, endpoint, from)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: use grpc or http/protobuf", o.Protocol)
}

func newGRPC(override, endpoint, from string, options ...otlptracegrpc.Option) (otlptrace.Client, error) {
	u, err := url.Parse(endpoint)
	if endpoint != "" && err != nil {
		return nil, fmt.Errorf("%s is not a URL: use http://host:4317, or https:// for TLS", from)
	}
	switch {
	case override == "":
		return otlptracegrpc.NewClient(options...), nil
	case u.Scheme == "http" || u.Scheme == "https":
		return otlptracegrpc.NewClient(append(options, otlptracegrpc.WithEndpointURL(override))...), nil
	}
	return otlptracegrpc.NewClient(append(options, otlptracegrpc.WithEndpoint(override))...), nil
}

func newHTTP(override, endpoint, from string, options ...otlptracehttp.Option) (otlptrace.Client, error) {
	options = append(options, otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf))
	if endpoint == "" {
		return otlptracehttp.NewClient(options...), nil
	}
	u, err := parseURL(endpoint, from)
	if err != nil {
		return nil, err
	}
	if override == "" {
		return otlptracehttp.NewClient(options...), nil
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u.Path = path.Join("/", u.Path, "v1/traces")
	}
	return otlptracehttp.NewClient(append(options, otlptracehttp.WithEndpointURL(u.String()))...), nil
}
