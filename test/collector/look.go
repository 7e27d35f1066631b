package collector

import (
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is a span with the service and the resource that it is of.
type Span struct {
	*tracepb.Span
	Service  string
	Resource map[string]any
}

// Spans gives all spans so far.
func (c *Collector) Spans() (list []Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.traces {
		resource := Values(r.Resource.GetAttributes())
		service, _ := resource["service.name"].(string)
		for _, s := range r.ScopeSpans {
			for _, one := range s.Spans {
				list = append(list, Span{one, service, resource})
			}
		}
	}
	return list
}

// Record is a log record with the resource that it came from.
type Record struct {
	*logspb.LogRecord
	Attributes, Resource map[string]any
}

// Records gives all log records so far.
func (c *Collector) Records() (list []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.logs {
		for _, s := range r.ScopeLogs {
			for _, one := range s.LogRecords {
				list = append(list, Record{one, Values(one.Attributes), Values(r.Resource.GetAttributes())})
			}
		}
	}
	return list
}

// Point is the last value of one series.
type Point struct {
	Value      float64
	Attributes map[string]any
	Unit, Does string
	Counter    bool // monotonic and cumulative
}

// Points gives the series of a metric as they came last.
func (c *Collector) Points(name string) (list []Point) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.metrics) - 1; i >= 0; i-- {
		for _, s := range c.metrics[i].ScopeMetrics {
			for _, m := range s.Metrics {
				if m.Name == name {
					return points(m)
				}
			}
		}
	}
	return nil
}

// Names gives the names of all metrics that came.
func (c *Collector) Names() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]bool{}
	for _, r := range c.metrics {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				names[m.Name] = true
			}
		}
	}
	return names
}

// MetricResource gives the resource of the metrics that came last.
func (c *Collector) MetricResource() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.metrics) == 0 {
		return nil
	}
	return Values(c.metrics[len(c.metrics)-1].Resource.GetAttributes())
}

func points(m *metricspb.Metric) (list []Point) {
	data := m.GetGauge().GetDataPoints()
	counter := false
	if sum := m.GetSum(); sum != nil {
		data = sum.DataPoints
		counter = sum.IsMonotonic && sum.AggregationTemporality == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	}
	for _, d := range data {
		value := d.GetAsDouble()
		if n, ok := d.Value.(*metricspb.NumberDataPoint_AsInt); ok {
			value = float64(n.AsInt)
		}
		list = append(list, Point{value, Values(d.Attributes), m.Unit, m.Description, counter})
	}
	return list
}

// Values gives attributes as Go values.
func Values(list []*commonpb.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range list {
		m[kv.Key] = value(kv.Value)
	}
	return m
}

func value(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_ArrayValue:
		var list []any
		for _, e := range v.ArrayValue.Values {
			list = append(list, value(e))
		}
		return list
	}
	return nil
}
