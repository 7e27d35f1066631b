package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// examples is for each key a value that is not its default, and how the settings then show it.
var examples = map[string]struct {
	text string // as a variable or a flag
	yaml string // as the value in the file; empty: text
	want any    // the field of Config
}{
	"output":        {"json", "", "json"},
	"exe":           {"nginx,/opt/*/node", "[nginx, /opt/*/node]", []Glob{"nginx", "/opt/*/node"}},
	"command":       {`*gunicorn*,a\,b`, `["*gunicorn*", "a,b"]`, []Glob{"*gunicorn*", "a,b"}},
	"pid":           {"12,13", "[12, 13]", []uint32{12, 13}},
	"cgroup":        {"/kubepods/*", "/kubepods/*", []Glob{"/kubepods/*"}},
	"port":          {"8080", "8080", []uint16{8080}},
	"trace.include": {`exe=python3*&pid=8000,command=a\&b`, `[{exe: "python3*", pid: 8000}, {command: "a&b"}]`, []Rule{{Exe: "python3*", PID: 8000}, {Command: "a&b"}}},
	"trace.exclude": {"pid=7&cgroup=/x,namespace=a&label=app/x=b&env=A=1,pod=p&owner=o&image=i", `[pid=7&cgroup=/x, {namespace: a, label: "app/x=b", env: "A=1"}, {pod: p, owner: o, image: i}]`,
		[]Rule{{PID: 7, Cgroup: "/x"}, {Namespace: "a", Label: "app/x=b", Env: "A=1"}, {Pod: "p", Owner: "o", Image: "i"}}},
	"trace.rules": {"namespace=shop&sample=0.25&headers.request=x-a X-b&headers.response=none&redact=x-a,exe=a\\&b&query=drop",
		`[{namespace: shop, sample: 0.25, headers.request: [x-a, X-b], headers.response: [], redact: x-a}, {exe: "a&b", query: drop}]`,
		[]Treatment{{Rule: Rule{Namespace: "shop"}, Sample: "0.25", HeadersRequest: []string{"x-a", "x-b"}, HeadersResponse: []string{}, Redact: []string{"x-a"}},
			{Rule: Rule{Exe: "a&b"}, Query: "drop"}}},
	"headers.request":        {"X-Request-Id,accept", "[X-Request-Id, accept]", []string{"x-request-id", "accept"}},
	"headers.response":       {"etag", "[etag]", []string{"etag"}},
	"query":                  {"keep", "", "keep"},
	"route.patterns":         {"/users/{id},/", `["/users/{id}", /]`, []string{"/users/{id}", "/"}},
	"kubernetes.watch":       {"off", "", "off"},
	"kubernetes.config":      {"/etc/kubernetes/admin.conf", "", "/etc/kubernetes/admin.conf"},
	"kubernetes.node":        {"node-1", "", "node-1"},
	"kubernetes.cluster":     {"prod", "", "prod"},
	"kubernetes.labels":      {"team,app.*", "[team, app.*]", []Glob{"team", "app.*"}},
	"kubernetes.annotations": {"note", "note", []Glob{"note"}},
	"kubernetes.label.names": {"on", "", "on"},
	"nat.namespace":          {"/run/netns/n", "", "/run/netns/n"},
	"carriers":               {"X-Trace,x-run", "[X-Trace, x-run]", []string{"x-trace", "x-run"}},
	"min.rate":               {"0.95", "", 0.95},
	"breaks.window":          {"10m", "", 10 * time.Minute},
	"breaks.edges":           {"500", "", 500},
	"exclusions.off":         {"scrape,token", "[scrape, token]", []string{"scrape", "token"}},
	"repair":                 {"off", "", "off"},
	"hold":                   {"1.5s", "", 1500 * time.Millisecond},
	"id.key":                 {"000102030405060708090a0b0c0d0e0f", `"000102030405060708090a0b0c0d0e0f"`, Secret{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	"go.handover":            {"off", "", "off"},
	"python.tasks":           {"off", "", "off"},
	"java.threads":           {"off", "", "off"},
	"node.timers":            {"off", "", "off"},
	"rust.tasks":             {"off", "", "off"},
	"tls":                    {"off", "", "off"},
	"hook":                   {"fexit", "", "fexit"},
	"probes":                 {"single", "", "single"},
	"watchdog.cpu":           {"0.25", "", 0.25},
	"watchdog.operation":     {"20us", "20µs", 20 * time.Microsecond},
	"watchdog.window":        {"30s", "", 30 * time.Second},
	"watchdog.pause":         {"5m", "", 5 * time.Minute},
	"spill.dir":              {"/var/lib/weft/spill", "", "/var/lib/weft/spill"},
	"spill.size":             {"1MiB", "1 MiB", Size(1 << 20)},
	"spill.age":              {"2h", "", 2 * time.Hour},
	"ring.size":              {"16MiB", "16 MiB", Size(16 << 20)},
	"sockets.max":            {"2048", "", 2048},
	"record.redact":          {"X-Token", "X-Token", []string{"x-token"}},
	"metrics.listen":         {"0.0.0.0:9000", `"0.0.0.0:9000"`, "0.0.0.0:9000"},
	"health.listen":          {"9465", "", "127.0.0.1:9465"},
	"listen.certificate":     {"/etc/weft/tls.crt", "", "/etc/weft/tls.crt"},
	"listen.key":             {"/etc/weft/tls.key", "", "/etc/weft/tls.key"},
	"listen.token.file":      {"/etc/weft/token", "", "/etc/weft/token"},
	"listen.open":            {"on", "", "on"},
	"metrics.edges":          {"50", "", 50},
	"control":                {"/tmp/weft.sock", "", "/tmp/weft.sock"},
	"log.level":              {"debug", "", "debug"},
	"log.format":             {"json", "", "json"},
}

// field gives the field of c whose tag is key.
func field(t *testing.T, c Config, key string) any {
	t.Helper()
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("key") == key {
			return v.Field(i).Interface()
		}
	}
	t.Fatalf("no field of Config has the key %s", key)
	return nil
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "weft.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestEveryKeyEveryWay(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		example, ok := examples[s.key]
		if !ok {
			t.Errorf("%s has no example", s.key)
			continue
		}
		value := example.yaml
		if value == "" {
			value = example.text
		}
		file := writeFile(t, s.key+": "+value+"\n")
		ways := map[string]struct{ args, environ []string }{
			"file by flag":     {args: []string{"--config", file}},
			"file by variable": {environ: []string{"WEFT_CONFIG=" + file}},
			"variable":         {environ: []string{s.variable() + "=" + example.text}},
			"flag":             {args: []string{"--" + s.flag() + "=" + example.text}},
		}
		for way, w := range ways {
			c, _, err := Load(w.args, w.environ)
			if err != nil {
				t.Errorf("%s by %s: %v", s.key, way, err)
				continue
			}
			if got := field(t, c, s.key); !reflect.DeepEqual(got, example.want) {
				t.Errorf("%s by %s is %v, want %v", s.key, way, got, example.want)
			}
			if err := c.Validate(); err != nil {
				t.Errorf("%s by %s: %v", s.key, way, err)
			}
		}
	}
}

func TestEveryFieldHasASetting(t *testing.T) {
	var fields, keys []string
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		if key := config.Field(i).Tag.Get("key"); key != "" {
			fields = append(fields, key)
		}
	}
	for i := range settings {
		keys = append(keys, settings[i].key)
	}
	if !slices.Equal(fields, keys) {
		t.Errorf("fields of Config and settings differ:\n%v\n%v", fields, keys)
	}
}

func TestTextOfValueReadsBack(t *testing.T) {
	for key, example := range examples {
		s := find(key)
		c, _, err := Load([]string{"--" + s.flag(), example.text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.secret {
			if got := s.text(&c); got != hidden {
				t.Errorf("%s shows itself: %s", key, got)
			}
			continue
		}
		back, _, err := Load([]string{"--" + s.flag(), s.text(&c)}, nil)
		if err != nil || !reflect.DeepEqual(field(t, back, key), example.want) {
			t.Errorf("%s: %q gives %v, %v", key, s.text(&c), field(t, back, key), err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "log: {level: debug}\nquery: keep\nhold: 1s\nexe: [a, b]\n")
	c, _, err := Load(
		[]string{"--config", file, "--query", "drop", "--exe", "f", "--exe", "g"},
		[]string{"WEFT_QUERY=redact", "WEFT_HOLD=2s", "WEFT_EXE=e", "WEFT_LOG_LEVEL="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Query != "drop" || c.Hold != 2*time.Second || c.LogLevel != "debug" || !slices.Equal(c.Exe, []Glob{"f", "g"}) {
		t.Errorf("got %+v", c)
	}
	if c.RingSize != Default().RingSize {
		t.Errorf("ring.size is %s without having been set", c.RingSize)
	}
}

func TestOutputAuto(t *testing.T) {
	tests := []struct {
		environ []string
		want    string
	}{
		{nil, OutputTree},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT="}, OutputTree},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"}, OutputOTLP},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces"}, OutputOTLP},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "WEFT_OUTPUT=json"}, OutputJSON},
	}
	for _, test := range tests {
		if c, _, err := Load(nil, test.environ); err != nil || c.Output != test.want {
			t.Errorf("%v: %s, %v, want %s", test.environ, c.Output, err, test.want)
		}
	}
}

func TestSamplerVariables(t *testing.T) {
	c, _, err := Load(nil, []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5"})
	if err != nil || c.Sampler != "traceidratio" || c.SamplerArg != "0.5" {
		t.Errorf("got %q %q, %v", c.Sampler, c.SamplerArg, err)
	}
}

// TestSignals holds which signals go where by the variables of OpenTelemetry: nothing is sent unless somebody said where to.
func TestSignals(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for _, test := range []struct {
		environ       []string
		metrics, logs bool
		listen        string
	}{
		{},
		{environ: []string{endpoint}, metrics: true, logs: true},
		{environ: []string{"WEFT_OUTPUT=otlp"}, metrics: true, logs: true},
		{environ: []string{endpoint, "WEFT_OUTPUT=json"}, metrics: true, logs: true},
		{environ: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces"}},
		{environ: []string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:4318/v1/metrics"}, metrics: true},
		{environ: []string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://127.0.0.1:4318/v1/logs"}, logs: true},
		{environ: []string{endpoint, "OTEL_METRICS_EXPORTER=none"}, logs: true},
		{environ: []string{endpoint, "OTEL_LOGS_EXPORTER=none"}, metrics: true},
		{environ: []string{"OTEL_METRICS_EXPORTER=otlp"}, metrics: true},
		{environ: []string{endpoint, "OTEL_METRICS_EXPORTER=prometheus"}, logs: true, listen: "localhost:9464"},
		{environ: []string{"OTEL_METRICS_EXPORTER=otlp, prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT=9000"}, metrics: true, listen: "localhost:9000"},
		{environ: []string{"OTEL_METRICS_EXPORTER=prometheus", "WEFT_METRICS_LISTEN=9100"}, listen: "127.0.0.1:9100"},
		{environ: []string{"WEFT_METRICS_LISTEN=:9100"}, listen: "127.0.0.1:9100"},
		{environ: []string{"WEFT_METRICS_LISTEN=[::1]:9100"}, listen: "[::1]:9100"},
	} {
		c, _, err := Load(nil, test.environ)
		if err != nil || c.PushMetrics != test.metrics || c.PushLogs != test.logs || c.MetricsListen != test.listen {
			t.Errorf("%v: metrics %v, logs %v, listen %q, %v", test.environ, c.PushMetrics, c.PushLogs, c.MetricsListen, err)
		}
	}
	for _, wrong := range []string{
		"OTEL_METRICS_EXPORTER=console", "OTEL_LOGS_EXPORTER=prometheus", "WEFT_METRICS_LISTEN=host", "WEFT_METRICS_LISTEN=70000",
		"WEFT_METRICS_LISTEN=a:b", "WEFT_METRICS_LISTEN=:", "WEFT_METRICS_LISTEN=1.2.3.4:0",
	} {
		name, _, _ := strings.Cut(wrong, "=")
		if _, _, err := Load(nil, []string{wrong}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s gives %v", wrong, err)
		}
	}
	if _, _, err := Load(nil, []string{"OTEL_METRICS_EXPORTER=prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT=x"}); err == nil {
		t.Error("a port that is none is taken")
	}
}

func TestArguments(t *testing.T) {
	var out string
	own := func(set *flag.FlagSet) { set.StringVar(&out, "o", "", "") }
	c, rest, err := Load([]string{"first", "-o", "FILE", "--query=drop", "second", "--", "--third"}, nil, own)
	if err != nil {
		t.Fatal(err)
	}
	if out != "FILE" || c.Query != "drop" || !slices.Equal(rest, []string{"first", "second", "--third"}) {
		t.Errorf("got o=%q query=%s rest=%q", out, c.Query, rest)
	}
	if _, _, err := Load([]string{"--help"}, nil); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gives %v", err)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.RingSize, c.IDKey, c.Query = 3, Secret{1}, "some"
	want := `query: "some" is not allowed, it must be drop, redact or keep
id.key: this value is not allowed, it must be 32 hexadecimal digits
ring.size: "3" is not allowed, it must be a power of two from 64KiB to 1GiB, like 8MiB`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestRules(t *testing.T) {
	c, _, err := Load([]string{
		"--exe=nginx", "--command=*app*", "--pid=1", "--cgroup=/a", "--port=80", "--port=81", "--trace-include=exe=x&pid=2",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{{Exe: "x", PID: 2}, {Exe: "nginx"}, {Command: "*app*"}, {PID: 1}, {Cgroup: "/a"}, {Port: 80}, {Port: 81}}
	if got := c.Rules(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const key = "00112233445566778899aabbccddeeff"
	_, _, err := Load([]string{"--id-key", key + "0"}, nil)
	if err == nil || strings.Contains(err.Error(), key[:8]) {
		t.Errorf("got %v", err)
	}
}
