package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Signal is a kind of telemetry, as the names of the variables have it.
type Signal string

// The signals.
const (
	Traces  Signal = "TRACES"
	Metrics Signal = "METRICS"
	Logs    Signal = "LOGS"
)

// The protocols.
const (
	GRPC = "grpc"
	HTTP = "http/protobuf"
)

// Protocol gives GRPC or HTTP, as the variables of the signal say. The error names a variable with a value that the SDK's
// exporters would silently replace by a default.
func (s Signal) Protocol() (string, error) {
	protocol, from := s.variable("PROTOCOL")
	switch protocol {
	case "":
		protocol = HTTP
	case GRPC, HTTP:
	default:
		return "", fmt.Errorf("%s is %q: use %s or %s", from, protocol, GRPC, HTTP)
	}
	err := s.check()
	if endpoint, from := s.variable("ENDPOINT"); endpoint != "" && protocol == HTTP {
		if _, bad := parseURL(endpoint, from); bad != nil {
			err = errors.Join(err, bad)
		}
	}
	return protocol, err
}

// check holds the variables to their forms.
func (s Signal) check() error {
	return errors.Join(s.checkCompression(), s.checkTimeout(), s.checkHeaders(), s.checkTLS())
}

func parseURL(endpoint, from string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s is not the URL of an HTTP server: use http://host:4318, or https:// for TLS", from)
	}
	return u, nil
}

// setting reads a variable of the exporter, the one for the signal before the general one.
func (s Signal) setting(name string) string {
	value, _ := s.variable(name)
	return value
}

func (s Signal) variable(name string) (value, from string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_" + string(s) + "_", "OTEL_EXPORTER_OTLP_"} {
		if v := strings.TrimSpace(os.Getenv(prefix + name)); v != "" {
			return v, prefix + name
		}
	}
	return "", ""
}

func (s Signal) checkCompression() error {
	value, from := s.variable("COMPRESSION")
	switch value {
	case "", "gzip", "none":
		return nil
	}
	return fmt.Errorf("%s is %q: use gzip or none", from, value)
}

func (s Signal) checkTimeout() error {
	value, from := s.variable("TIMEOUT")
	if value == "" {
		return nil
	}
	if n, err := strconv.Atoi(value); err != nil || n < 0 {
		return fmt.Errorf("%s is %q: use whole milliseconds", from, value)
	}
	return nil
}

// checkHeaders does not show what it finds: headers hold secrets.
func (s Signal) checkHeaders() error {
	value, from := s.variable("HEADERS")
	if value == "" {
		return nil
	}
	for pair := range strings.SplitSeq(value, ",") {
		key, text, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(text); err != nil || !found || strings.TrimSpace(key) == "" {
			return fmt.Errorf("%s has a part that is not a header: use key=value,key=value with percent-encoded values", from)
		}
	}
	return nil
}

func (s Signal) checkTLS() error {
	if file, from := s.variable("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: %s has no certificate in PEM form", from, file)
		}
	}
	certificate, from := s.variable("CLIENT_CERTIFICATE")
	key, keyFrom := s.variable("CLIENT_KEY")
	switch {
	case certificate == "" && key == "":
		return nil
	case certificate == "" || key == "":
		return fmt.Errorf("%s%s is set alone: a client certificate needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and "+
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", from, keyFrom)
	}
	if _, err := tls.LoadX509KeyPair(certificate, key); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}
