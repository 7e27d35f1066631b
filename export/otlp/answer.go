package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answer is what an HTTP server said to one upload, which the SDK's client does not hand on.
type answer struct {
	status int           // 0: nothing
	after  time.Duration // when it wants to be asked again; 0: it does not say
}

type answerKey struct{}

// listener notes the answer to a request that carries an *answer in its context.
type listener struct{ next http.RoundTripper }

// RoundTrip is the client's.
func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.next.RoundTrip(r)
	if a, ok := r.Context().Value(answerKey{}).(*answer); ok && err == nil {
		a.status, a.after = response.StatusCode, retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	return response, err //nolint:wrapcheck // it is the transport's
}

// retryAfter reads seconds or a date: RFC 9110 10.2.3.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// defaultTimeout is that of the specification, for one attempt.
const defaultTimeout = 10 * time.Second

// listeningClient makes an HTTP client as the SDK would from the variables of the signal, with a listener in it.
func (s Signal) listeningClient() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := s.setting("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the collector's certificate: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		secure.RootCAs.AppendCertsFromPEM(pem)
	}
	if file := s.setting("CLIENT_CERTIFICATE"); file != "" {
		pair, err := tls.LoadX509KeyPair(file, s.setting("CLIENT_KEY"))
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	transport.TLSClientConfig = secure
	timeout := defaultTimeout
	if n, err := strconv.Atoi(s.setting("TIMEOUT")); err == nil && n > 0 {
		timeout = time.Duration(n) * time.Millisecond
	}
	return &http.Client{Transport: listener{transport}, Timeout: timeout}, nil
}

// worthAgain tells whether the same message may be taken later, and how long the collector wants to be left alone:
// https://opentelemetry.io/docs/specs/otlp/#failures-1
func worthAgain(err error, a *answer) (again bool, after time.Duration) {
	if err == nil {
		return false, 0
	}
	if _, partial := rejectedSpans(err); partial {
		return false, 0
	}
	switch a.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, a.after
	case 0:
	default:
		return a.status < 300 && unreachable(err), 0 // an answer whose rest did not come
	}
	s, ok := status.FromError(err)
	if !ok || errors.Is(err, context.DeadlineExceeded) {
		return true, 0 // no answer at all
	}
	after, told := retryInfo(s)
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return true, after
	case codes.ResourceExhausted:
		return told, after
	}
	return false, 0
}

func retryInfo(s *status.Status) (after time.Duration, told bool) {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}
