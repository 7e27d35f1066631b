package process

import (
	"bytes"
	"net/url"
	"strings"

	"weft/correlate/event"
)

// Limits on what one environment can put into a resource.
const (
	maxAttributes = 64
	maxValue      = 1024 // bytes
)

// An environment is what the environment variables of a process say of it. See
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
// https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
type environment struct {
	service    string // OTEL_SERVICE_NAME
	attributes []event.Attribute
	flask      string // FLASK_APP
}

// readEnvironment reads NUL-separated variables; the last is left out if it is not terminated.
func readEnvironment(env []byte) (e environment) {
	for {
		i := bytes.IndexByte(env, 0)
		if i < 0 {
			return e
		}
		name, value, _ := bytes.Cut(env[:i], []byte{'='})
		env = env[i+1:]
		// As getenv does, the first of two with one name counts.
		switch {
		case string(name) == "OTEL_SERVICE_NAME" && e.service == "":
			e.service = bounded(string(value))
		case string(name) == "OTEL_RESOURCE_ATTRIBUTES" && e.attributes == nil:
			e.attributes = parseAttributes(string(value))
		case string(name) == "FLASK_APP" && e.flask == "":
			e.flask = bounded(string(value))
		}
	}
}

// parseAttributes reads key=value pairs separated by commas, both percent-encoded. Where one cannot be decoded the
// whole value is discarded, as the specification asks.
func parseAttributes(s string) []event.Attribute {
	var list []event.Attribute
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		k, v, ok := strings.Cut(pair, "=")
		key, keyErr := url.PathUnescape(strings.TrimSpace(k))
		value, valueErr := url.PathUnescape(strings.TrimSpace(v))
		if !ok || key == "" || keyErr != nil || valueErr != nil {
			return nil
		}
		if len(list) < maxAttributes {
			list = append(list, event.Attribute{Key: bounded(key), Value: bounded(value)})
		}
	}
	return list
}

// bounded makes a string fit for a resource: valid UTF-8 of at most maxValue bytes.
func bounded(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	return strings.ToValidUTF8(s, "")
}
