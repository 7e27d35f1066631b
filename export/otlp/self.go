package otlp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Self names weft as the source of its own metrics and log records; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before.
func Self(ctx context.Context, version string) (*resource.Resource, error) {
	r, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "weft"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("name weft as a source of telemetry: %w", err)
	}
	return r, nil
}

// CheckWhole holds variables, as far as they are set, to whole numbers above 0. The SDK would silently take its defaults.
func CheckWhole(names ...string) (err error) {
	for _, name := range names {
		value := strings.TrimSpace(os.Getenv(name))
		if n, bad := strconv.ParseInt(value, 10, 32); value != "" && (bad != nil || n <= 0) {
			err = errors.Join(err, fmt.Errorf("%s is %q: use a whole number above 0", name, value))
		}
	}
	return err
}
