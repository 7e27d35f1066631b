package sampler

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"weft/correlate/span"
)

// sdkSamples asks the SDK's sampler about the root, or the child of a remote parent, that s is.
func sdkSamples(sampler sdk.Sampler, s *span.Span) bool {
	ctx := context.Background()
	if s.HasRemote {
		var flags trace.TraceFlags
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID(s.TraceID), SpanID: trace.SpanID{1}, TraceFlags: flags.WithSampled(s.ParentSampled), Remote: true,
		}))
	}
	p := sdk.SamplingParameters{ParentContext: ctx, TraceID: trace.TraceID(s.TraceID)}
	return sampler.ShouldSample(p).Decision == sdk.RecordAndSample
}

func TestDecidesAsTheSDK(t *testing.T) {
	samplers := map[string]sdk.Sampler{
		"always_on":              sdk.AlwaysSample(),
		"always_off":             sdk.NeverSample(),
		"parentbased_always_on":  sdk.ParentBased(sdk.AlwaysSample()),
		"parentbased_always_off": sdk.ParentBased(sdk.NeverSample()),
		" ParentBased_Always_On": sdk.ParentBased(sdk.AlwaysSample()),
		"":                       sdk.ParentBased(sdk.AlwaysSample()),
	}
	for name, want := range samplers {
		compare(t, name, "", want)
	}
	for _, ratio := range []float64{0, 1e-18, 1e-9, 0.001, 0.1, 0.25, 1. / 3, 0.5, 0.9999999999999999, 1} {
		arg := strconv.FormatFloat(ratio, 'g', -1, 64)
		compare(t, "traceidratio", arg, sdk.TraceIDRatioBased(ratio))
		compare(t, "parentbased_traceidratio", arg, sdk.ParentBased(sdk.TraceIDRatioBased(ratio)))
	}
	compare(t, "traceidratio", "", sdk.TraceIDRatioBased(1))
}

func compare(t *testing.T, name, arg string, want sdk.Sampler) {
	t.Helper()
	s, err := New(name, arg)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		var sp span.Span
		binary.BigEndian.PutUint64(sp.TraceID[:8], random.Uint64())
		x := random.Uint64()
		if i%2 == 0 && s.bound != 0 { // at the bound itself
			x = (s.bound + uint64(i%5) - 2) << 1
		}
		binary.BigEndian.PutUint64(sp.TraceID[8:], x)
		sp.HasRemote, sp.ParentSampled = i%3 == 0, i%4 == 0
		if got, want := s.Sample(&sp), sdkSamples(want, &sp); got != want {
			t.Fatalf("%s %s: %v for %s (%+v), the SDK says %v", name, arg, got, sp.TraceID, sp, want)
		}
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	for _, c := range [][3]string{
		{"jaeger_remote", "", "OTEL_TRACES_SAMPLER "},
		{"parentbased_", "", "OTEL_TRACES_SAMPLER "},
		{"traceidratio", "1.5", "OTEL_TRACES_SAMPLER_ARG "},
		{"traceidratio", "-0.1", "OTEL_TRACES_SAMPLER_ARG "},
		{"parentbased_traceidratio", "NaN", "OTEL_TRACES_SAMPLER_ARG "},
		{"traceidratio", "half", "OTEL_TRACES_SAMPLER_ARG "},
	} {
		if _, err := New(c[0], c[1]); err == nil || !strings.HasPrefix(err.Error(), c[2]) {
			t.Errorf("%q: error %v", c[:2], err)
		}
	}
}

// TestNamesAreThoseOfTheSDK holds the names to what the SDK reads from the environment.
func TestNamesAreThoseOfTheSDK(t *testing.T) {
	for _, name := range []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off",
		"parentbased_traceidratio"} {
		t.Setenv("OTEL_TRACES_SAMPLER", name)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
		s, err := New(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
		if err != nil {
			t.Fatal(err)
		}
		tracer := sdk.NewTracerProvider().Tracer("")
		for range 200 {
			_, otelSpan := tracer.Start(context.Background(), "")
			sp := span.Span{TraceID: span.TraceID(otelSpan.SpanContext().TraceID())}
			if got, want := s.Sample(&sp), otelSpan.SpanContext().IsSampled(); got != want {
				t.Fatalf("%s: %v for %s, the SDK says %v", name, got, sp.TraceID, want)
			}
		}
	}
}

func TestSampleDoesNotAllocate(t *testing.T) {
	s, err := New("parentbased_traceidratio", "0.5")
	if err != nil {
		t.Fatal(err)
	}
	sp := &span.Span{TraceID: span.TraceID{8: 3}}
	if n := testing.AllocsPerRun(100, func() { s.Sample(sp) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
