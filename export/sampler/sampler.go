// Package sampler owns the decision which traces are exported.
//
// It decides as the samplers of the OpenTelemetry SDKs do, so that weft and an instrumented program keep the same
// traces: https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling
package sampler

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"weft/correlate/span"
)

// always is above every number that a trace id is compared by, so that it keeps all traces.
const always = 1 << 63

// Sampler keeps or drops whole traces. Its zero value drops all.
type Sampler struct {
	bound       uint64 // traces whose number is below are kept
	parentBased bool
}

// New makes the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG describe. An empty name is
// parentbased_always_on, an empty argument of a ratio is 1. The error names the variable and what it may hold.
func New(name, arg string) (Sampler, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	root, parentBased := strings.CutPrefix(name, "parentbased_")
	s := Sampler{parentBased: parentBased}
	switch {
	case name == "":
		return Sampler{bound: always, parentBased: true}, nil
	case root == "always_on":
		s.bound = always
		return s, nil
	case root == "always_off":
		return s, nil
	case root == "traceidratio":
		var err error
		s.bound, err = ratioBound(strings.TrimSpace(arg))
		return s, err
	}
	return s, fmt.Errorf("OTEL_TRACES_SAMPLER is %q: use always_on, always_off, traceidratio, parentbased_always_on, "+
		"parentbased_always_off or parentbased_traceidratio", name)
}

// WithRatio makes a sampler that keeps another share of the traces that it decides on itself.
func (s Sampler) WithRatio(arg string) (Sampler, error) {
	var err error
	s.bound, err = ratioBound(arg)
	return s, err
}

// ratioBound gives the number below which TraceIDRatioBased of the Go SDK keeps a trace.
func ratioBound(arg string) (uint64, error) {
	if arg == "" {
		return always, nil
	}
	ratio, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: use a number from 0 to 1, the part of the traces to keep", arg)
	}
	return uint64(ratio * always), nil
}

// Sample tells whether the trace of s is kept; the answer is the same for every span of a trace. A trace that
// began outside weft's sight follows the flag that it carried, when the sampler is parent-based.
func (s Sampler) Sample(sp *span.Span) bool {
	if s.parentBased && sp.HasRemote {
		return sp.ParentSampled
	}
	return binary.BigEndian.Uint64(sp.TraceID[8:])>>1 < s.bound
}
