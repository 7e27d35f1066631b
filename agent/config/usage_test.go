package config

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write usage.txt and docs/CONFIGURATION.md anew")

// documentation gives the comment of each key, and fails for a setting without one.
func documentation(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok || f.Tag == nil {
			return true
		}
		key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("key")
		docs[key] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		return true
	})
	for i := range settings {
		if docs[settings[i].key] == "" {
			t.Errorf("%s has no comment", settings[i].key)
		}
	}
	return docs
}

// wrap breaks text into lines of at most 100 characters behind indent.
func wrap(text, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 100 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}

func usageText(docs map[string]string) string {
	var b bytes.Buffer
	b.WriteString("Settings. A flag goes before its variable, the variable before the file, the file before the default.\n\n")
	b.WriteString("  --config FILE, WEFT_CONFIG\n      The YAML file with settings. Without it no file is read.\n")
	c := Default()
	for i := range settings {
		s := &settings[i]
		fmt.Fprintf(&b, "  --%s, %s\n", s.flag(), s.variable())
		b.WriteString(wrap(docs[s.key], "      "))
		b.WriteString(wrap(form(s)+". Default: "+cmp.Or(s.text(&c), "none")+".", "      "))
	}
	return b.String()
}

// form says what a value is.
func form(s *setting) string {
	if s.list {
		return "A list, each item " + s.allowed
	}
	return "Value: " + s.allowed
}

const pageHead = `# Configuration

<!-- Made from the comments of agent/config/config.go: go test ./agent/config -update -->

Every setting has one key and three ways to give it. The names follow from the key:

| way | name for the key ` + "`ring.size`" + ` | lists |
|---|---|---|
| command line | ` + "`--ring-size 16MiB`" + ` | repeat the flag, or join items by commas |
| environment | ` + "`WEFT_RING_SIZE=16MiB`" + ` | join items by commas |
| YAML file | ` + "`ring: {size: 16MiB}` or `ring.size: 16MiB`" + ` | a YAML list |

A flag goes before its variable, the variable before the file, the file before the default; a list that is given
replaces the one of a weaker way. ` + "`--config FILE`" + ` or ` + "`WEFT_CONFIG`" + ` names the file; without them no file is read. A comma
that belongs to an item is written ` + "`\\,`" + ` in a variable or flag. An empty variable counts as not set. An unknown key,
an unknown variable that begins with ` + "`WEFT_`" + `, an unknown flag or a value that is not allowed stops weft at its start
with a message that names the place, the value and what is allowed.

In Kubernetes, set ` + "`enableServiceLinks: false`" + ` on a pod of weft if a Service of its namespace is called weft: the
variables that such links add begin with ` + "`WEFT_`" + ` too.

`

const pageTail = `## A file

    query: drop
    ring: {size: 16MiB}
    headers:
      request: [x-request-id]
    route.patterns: ["/users/{id}", "/files/{name}"]
    trace:
      include:
      - exe: python3*
        command: "*gunicorn*"
      - cgroup: /kubepods/*
      exclude:
      - port: 9090

The rule that begins with ` + "`exe`" + ` has two conditions. In a variable or a flag it is ` + "`exe=python3*&command=*gunicorn*`" + `; an
` + "`&`" + ` that belongs to a pattern is written ` + "`\\&`" + `.

## Variables of OpenTelemetry

The exporters and the sampler have no keys of weft's own. They obey the variables of the OpenTelemetry specification:

| variable | meaning |
|---|---|
| ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`" + ` | where the collector is; setting one makes ` + "`output: auto`" + ` mean ` + "`otlp`" + ` |
| ` + "`OTEL_EXPORTER_OTLP_PROTOCOL`" + ` | ` + "`grpc` or `http/protobuf`" + `, which is the default |
| ` + "`OTEL_EXPORTER_OTLP_HEADERS`" + ` | headers for the collector, such as a token |
| ` + "`OTEL_EXPORTER_OTLP_TIMEOUT`" + ` | milliseconds for one batch |
| ` + "`OTEL_EXPORTER_OTLP_COMPRESSION`" + ` | ` + "`gzip` or `none`" + ` |
| ` + "`OTEL_EXPORTER_OTLP_INSECURE`" + ` | ` + "`true`" + `: no TLS towards an endpoint that names no scheme (gRPC) |
| ` + "`OTEL_EXPORTER_OTLP_CERTIFICATE`, `_CLIENT_CERTIFICATE`, `_CLIENT_KEY`" + ` | files for TLS |
| ` + "`OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`" + ` | spans that wait at most, spans in one batch |
| ` + "`OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BSP_EXPORT_TIMEOUT`" + ` | milliseconds between batches, and for one export with its retries |
| ` + "`OTEL_METRICS_EXPORTER`" + ` | ` + "`otlp`, `prometheus`, both joined by a comma, or `none`" + `; not set: ` + "`otlp`" + ` if an endpoint for all signals or for metrics is set |
| ` + "`OTEL_LOGS_EXPORTER`" + ` | ` + "`otlp` or `none`" + `; not set: as for the metrics |
| ` + "`OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_METRIC_EXPORT_TIMEOUT`" + ` | milliseconds between two pushes of the metrics, 60000 if not set, and for one |
| ` + "`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`" + ` | ` + "`cumulative`, `delta` or `lowmemory`" + ` |
| ` + "`OTEL_EXPORTER_PROMETHEUS_HOST`, `OTEL_EXPORTER_PROMETHEUS_PORT`" + ` | where ` + "`prometheus`" + ` listens if metrics.listen does not say: localhost, 9464 |
| ` + "`OTEL_BLRP_MAX_QUEUE_SIZE`, `OTEL_BLRP_SCHEDULE_DELAY`" + `... | log records that wait at most, milliseconds between batches |
| ` + "`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`" + ` | how weft names itself on its metrics and log records; not set: ` + "`weft`" + ` |
| ` + "`OTEL_TRACES_SAMPLER`" + ` | ` + "`always_on`, `always_off`, `traceidratio`" + `, or one of these behind ` + "`parentbased_`" + `; the default is ` + "`parentbased_always_on`" + ` |
| ` + "`OTEL_TRACES_SAMPLER_ARG`" + ` | for the two with a ratio: the part of the traces that is kept, from 0 to 1 |

Each variable that begins with ` + "`OTEL_EXPORTER_OTLP_`" + ` also exists with ` + "`TRACES_`, `METRICS_` and `LOGS_`" + ` behind ` + "`OTLP_`" + `, which then goes before
the general one for that signal.
`

func page(docs map[string]string) string {
	var b bytes.Buffer
	b.WriteString(pageHead + "## Settings\n\n")
	c := Default()
	for i := range settings {
		s := &settings[i]
		fmt.Fprintf(&b, "### %s\n\n%s\n", s.key, wrap(docs[s.key], ""))
		fmt.Fprintf(&b, "`--%s`, `%s`. %s. Default: %s.\n\n", s.flag(), s.variable(),
			strings.ReplaceAll(form(s), "*", `\*`), cmp.Or(s.text(&c), "none"))
	}
	b.WriteString(pageTail)
	return b.String()
}

func TestDocumentationIsCurrent(t *testing.T) {
	docs := documentation(t)
	for name, want := range map[string]string{"usage.txt": usageText(docs), "../../docs/CONFIGURATION.md": page(docs)} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("%s does not follow the comments of Config; run go test ./agent/config -update (%v)", name, err)
		}
	}
}

func TestUsage(t *testing.T) {
	var b bytes.Buffer
	Usage(&b)
	if !strings.Contains(b.String(), "--ring-size, WEFT_RING_SIZE") {
		t.Errorf("got %s", b.String())
	}
}

// TestExampleFile holds the file of the page to what it says.
func TestExampleFile(t *testing.T) {
	_, rest, _ := strings.Cut(pageTail, "## A file\n\n")
	file, _, _ := strings.Cut(rest, "\nThe rule")
	c, _, err := Load([]string{"--config", writeFile(t, strings.ReplaceAll(file, "\n    ", "\n")[4:])}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.TraceInclude) != 2 || c.TraceInclude[0].String() != "exe=python3*&command=*gunicorn*" || c.TraceExclude[0].Port != 9090 {
		t.Errorf("got %v and %v", c.TraceInclude, c.TraceExclude)
	}
}
