package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/correlate/propagation"
	"weft/test/collector"
)

// series gives what came as the wants are written.
func series(c *collector.Collector) map[string]float64 {
	got := map[string]float64{}
	for name := range c.Names() {
		for _, p := range c.Points(name) {
			got[strings.TrimSpace(name+" "+strings.Join(texts(p.Attributes), " "))] = p.Value
		}
	}
	return got
}

func texts(attributes map[string]any) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		list = append(list, fmt.Sprintf("%s=%v", key, attributes[key]))
	}
	return list
}

// sorted writes a want with its attributes in the order of their keys.
func sorted(want string) string {
	parts := strings.Split(want, " ")
	slices.Sort(parts[1:])
	return strings.Join(parts, " ")
}

func TestPush(t *testing.T) {
	for _, protocol := range collector.Protocols {
		t.Run(protocol, func(t *testing.T) {
			c, err := collector.Start(protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
			m, err := New(t.Context(), Options{Report: report, Account: account, Push: true, Version: "1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(20 * time.Second); len(c.Names()) == 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the interval is not obeyed")
				}
			}
			if err := m.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := series(c)
			for want, value := range wants {
				if n, ok := got[sorted(want)]; !ok || n != value {
					t.Errorf("%s is %v, want %v", sorted(want), n, value)
				}
				delete(got, sorted(want))
			}
			for name, value := range got {
				t.Errorf("%s is %v, want none", name, value)
			}
			if r := c.MetricResource(); r["service.name"] != "weft" || r["service.version"] != "1.2.3" || r["host.name"] == nil {
				t.Errorf("resource %v", r)
			}
		})
	}
}

// TestShape holds each metric to its row: unit, description, and whether it only grows.
func TestShape(t *testing.T) {
	c, err := collector.Start("http/protobuf")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", c.URL+"/v1/metrics")
	m, err := New(t.Context(), Options{Report: report, Account: account, Push: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(rows []row, counter bool) {
		for _, r := range rows {
			for _, p := range c.Points(r.name) {
				if p.Unit != r.unit || p.Does != r.does || p.Counter != counter {
					t.Errorf("%s: %+v", r.name, p)
				}
			}
			if !strings.HasPrefix(r.name, "weft.") || r.unit == "" || r.does == "" {
				t.Errorf("row %+v", r)
			}
		}
	}
	check(counterRows[:], true)
	check(gaugeRows[:], false)
	check(shareRows[:], false)
}

func scrape(t *testing.T, m *Meter) string {
	t.Helper()
	reply, err := http.Get("http://" + m.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK || !strings.HasPrefix(reply.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %v, %s", reply.StatusCode, err, text)
	}
	return string(text)
}

func TestPrometheus(t *testing.T) {
	m, err := New(t.Context(), Options{Report: report, Account: account, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	text := scrape(t, m)
	const edge = `http_request_method="POST",http_route="/charge",network_protocol_name="http",network_protocol_version="1.1",service_name="checkout",weft_peer="payments"`
	for _, want := range []string{
		"# TYPE weft_propagation_pairs_total counter\n",
		`weft_propagation_pairs_total{` + edge + `,weft_propagation_verdict="dropped"} 40`,
		`weft_propagation_rate_ratio{` + edge + `} 0.666667`,
		`weft_propagation_rate_lower_ratio{` + edge + `} 0.56`,
		`weft_propagation_broken{` + edge + `} 1`,
		"# HELP weft_propagation_rate_upper_ratio Upper bound of the true rate, at 95 %",
		`weft_losses_total{weft_reason="unfinished"} 1`,
		`weft_kernel_unread_size_bytes_total{weft_reason="sendfile"} 4096`,
		`weft_connections 4`,
		`service_name="weft"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for path, method := range map[string]string{"/": http.MethodGet, "/metrics": http.MethodPost} {
		r, err := http.NewRequest(method, "http://"+m.Address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode < 400 {
			t.Errorf("%s %s gives %d", method, path, reply.StatusCode)
		}
	}
	if _, err := New(t.Context(), Options{Report: report, Account: account, Listen: m.Address()}); err == nil || !strings.Contains(err.Error(), "metrics.listen") {
		t.Errorf("a port that is taken gives %v", err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get("http://" + m.Address() + "/metrics"); err == nil {
		t.Error("it answers after its end")
	}
}

// TestOwnersThatFail holds that what one owner can't tell does not hide what the other can.
func TestOwnersThatFail(t *testing.T) {
	broken := errors.New("does not answer")
	for _, o := range []Options{
		{Report: func(context.Context) (propagation.Report, error) { return propagation.Report{}, broken }, Account: account},
		{Report: report, Account: func() (Account, error) { return Account{}, broken }},
	} {
		o.Listen = "127.0.0.1:0"
		m, err := New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		text := scrape(t, m)
		if strings.Contains(text, "weft_connections 4") == strings.Contains(text, "weft_propagation_limit_ratio 0.99") {
			t.Errorf("got\n%s", text)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReportIsAskedForSeldom holds that scrapes do not keep the data path busy.
func TestReportIsAskedForSeldom(t *testing.T) {
	asked := 0
	m, err := New(t.Context(), Options{Account: account, Listen: "127.0.0.1:0", Report: func(context.Context) (propagation.Report, error) {
		asked++
		return sample(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	start := time.Now()
	for range 10 {
		scrape(t, m)
	}
	if most := 1 + int(time.Since(start)/fresh); asked > most {
		t.Errorf("asked %d times, at most %d are right", asked, most)
	}
}

// TestSeriesAreBounded holds which edges are told when there are too many: broken ones, then those that were told before.
func TestSeriesAreBounded(t *testing.T) {
	edge := func(i int, h propagation.Health) propagation.Edge {
		return propagation.Edge{Service: fmt.Sprint("s", i), Route: "GET /", Peer: "p", Protocol: "http/1.1", Health: h}
	}
	m := &Meter{options: Options{Edges: 3}}
	told := func(all ...propagation.Edge) (names []string) {
		for _, e := range m.choose(all) {
			names = append(names, e.Service)
		}
		return names
	}
	const healthy, broke = propagation.Healthy, propagation.Broken
	for _, c := range []struct {
		edges []propagation.Edge
		want  []string
	}{
		{[]propagation.Edge{edge(1, healthy), edge(2, healthy)}, []string{"s1", "s2"}},
		{[]propagation.Edge{edge(5, healthy), edge(4, healthy), edge(1, healthy), edge(2, healthy)}, []string{"s1", "s2", "s5"}},
		{[]propagation.Edge{edge(9, broke), edge(1, healthy), edge(2, healthy), edge(5, healthy)}, []string{"s9", "s1", "s2"}},
		{[]propagation.Edge{edge(1, healthy), edge(1, healthy), edge(9, healthy)}, []string{"s1", "s9"}},
	} {
		if got := told(c.edges...); !slices.Equal(got, c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_METRIC_EXPORT_INTERVAL": "1m", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "zip",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "nowhere",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := New(t.Context(), Options{Report: report, Account: account, Push: true}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s gives %v", name, value, err)
			}
		})
	}
}

// TestCollectorAway holds that a collector that is away does not keep weft from ending.
func TestCollectorAway(t *testing.T) {
	for _, protocol := range collector.Protocols {
		c, err := collector.Start(protocol)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
		m, err := New(t.Context(), Options{Report: report, Account: account, Push: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- m.Close(ctx) }()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: nothing is said of the metrics that were not sent", protocol)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it does not end", protocol)
		}
	}
}
