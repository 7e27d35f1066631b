package main

import (
	"context"
	"log"
	"net/http"
	"os"

	contrib "go.opentelemetry.io/contrib/propagators/b3"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// instrument gives a provider that exports to SPANS.
func instrument() *trace.TracerProvider {
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(os.Getenv("SPANS")+"/v1/traces"))
	if err != nil {
		log.Fatal(err)
	}
	return trace.NewTracerProvider(trace.WithBatcher(exporter))
}

func otel(mux *http.ServeMux) http.Handler {
	carriers := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	return instrumented(mux, carriers)
}

func b3(mux *http.ServeMux) http.Handler {
	return instrumented(mux, contrib.New(contrib.WithInjectEncoding(contrib.B3SingleHeader)))
}

func instrumented(mux *http.ServeMux, carriers propagation.TextMapPropagator) http.Handler {
	options := []otelhttp.Option{otelhttp.WithTracerProvider(instrument()), otelhttp.WithPropagators(carriers)}
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, options...)}
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		status, err := call(r.Context(), client, "/work", "")
		answer(w, status, err)
	})
	mux.HandleFunc("/fresh", func(w http.ResponseWriter, _ *http.Request) {
		status, err := call(context.Background(), client, "/work", "")
		answer(w, status, err)
	})
	return otelhttp.NewHandler(mux, "service", options...)
}
