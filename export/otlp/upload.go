package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The pauses between attempts to reach a collector that is away.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
)

// upload sends one message. The SDK's client tries again when the collector answers that it should; when there is
// no collector to answer, upload tries again, up to Options.Timeout, or once only after Close.
func (e *Exporter) upload(message []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(e.context, e.options.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if e.context.Err() != nil {
			return e.context.Err()
		}
		err := e.client.UploadTraces(ctx, message)
		if !unreachable(err) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-e.outbox.closed:
			timer.Stop()
			return err
		}
	}
}

// unreachable tells whether the message met no server, or one that went away without an answer, in which case the
// protocol asks for another attempt: https://opentelemetry.io/docs/specs/otlp/#all-other-responses
func unreachable(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Unavailable
}

// rejectedSpans gives how many spans a partial success leaves out. The client's type for it is not exported; its
// text is, and TestPartialSuccess holds it: "OTLP partial success: MESSAGE (N spans rejected)".
func rejectedSpans(err error) (n uint64, partial bool) {
	if err == nil || !strings.Contains(err.Error(), "OTLP partial success: ") {
		return 0, false
	}
	text := err.Error()
	_, scanErr := fmt.Sscanf(text[strings.LastIndexByte(text, '(')+1:], "%d spans rejected)", &n)
	return n, scanErr == nil
}
