package otlp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStandardVariables(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{}
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.serve(t, protocol))
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
		t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b,x-other=2")
		t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
		t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5000")
		t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7")
		t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
		t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
		e := start(t, Options{})
		if e.options.Interval != time.Hour || e.options.QueueSize != 100 {
			t.Errorf("options %+v", e.options)
		}
		for i := range 7 {
			e.Put(sample(i))
		}
		within(t, func() bool { return len(r.spans()) == 7 })
		finish(t, e)
		h := r.headers[0]
		for key, want := range map[string]string{"x-key": "a b", "x-other": "2"} {
			if got := append(h[key], h[textKey(key)]...); len(got) != 1 || got[0] != want {
				t.Errorf("%s is %q", key, got)
			}
		}
		if protocol == "http/protobuf" && (len(h["Content-Encoding"]) != 1 || h["Content-Encoding"][0] != "gzip") {
			t.Errorf("headers %v", h)
		}
	})
}

// textKey spells a key as HTTP servers see it.
func textKey(key string) string {
	parts := strings.Split(key, "-")
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "-")
}

func TestCertificateVariable(t *testing.T) {
	r := &receiver{}
	server := httptest.NewTLSServer(r)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file)
	e := start(t, Options{Endpoint: server.URL, Interval: time.Hour})
	e.Put(sample(0))
	if got := finish(t, e); got.Exported != 1 {
		t.Errorf("counts %+v", got)
	}
}

func TestEndpointPaths(t *testing.T) {
	r := &receiver{}
	base := r.serve(t, "http/protobuf")
	for _, endpoint := range []string{base, base + "/", base + "/v1/traces"} {
		e := start(t, Options{Endpoint: endpoint, Interval: time.Hour})
		e.Put(sample(0))
		if got := finish(t, e); got.Exported != 1 {
			t.Errorf("%s: counts %+v", endpoint, got)
		}
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	dir := t.TempDir()
	certificate, key := keyPair(t, dir)
	for _, c := range []struct{ name, value, says string }{
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "use grpc or http/protobuf"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "use http://host:4318"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://", "use http://host:4318"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "use gzip or none"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "use whole milliseconds"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "secret", "use key=value"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", filepath.Join(dir, "none"), "no such file"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", key, "has no certificate"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate, "set alone"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", "above 0"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", "above 0"},
		{"OTEL_BSP_SCHEDULE_DELAY", "1s", "above 0"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "x", "above 0"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			_, err := New(context.Background(), Options{})
			if err == nil || !strings.Contains(err.Error(), c.name) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v shows a header", err)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)
	e, err := New(context.Background(), Options{Protocol: "grpc", Endpoint: net.JoinHostPort("localhost", "4317")})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, e)
}

func keyPair(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: raw}, "k.pem": {Type: "PRIVATE KEY", Bytes: rawKey}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
}
