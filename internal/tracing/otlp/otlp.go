// Package otlp sends spans to whoever collects them, by OpenTelemetry's protocol over HTTP, as the standard variables
// of the environment say. Without them there is nothing: no spans, no goroutine, no connection.
//
// Start at [Open].
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

// Options are what [Open] needs.
type Options struct {
	Env     func(name string) string
	Version string       // Muster's
	Log     *slog.Logger // what keeps spans from being sent
}

// Traces are the spans of a process on their way out.
type Traces struct{ provider *sdk.TracerProvider }

// Open begins to send spans where the environment asks for it. Traces are for whoever looks after Muster, and
// nothing waits for them: what is wrong with their settings is an error that is told, and no reason not to work.
func Open(ctx context.Context, o Options) (*Traces, error) {
	s, err := read(o.Env)
	if s == nil || err != nil {
		return &Traces{}, err
	}
	named, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("muster"), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(uuid.NewString())),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return &Traces{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// What the library finds wrong with its own variables, such as OTEL_TRACES_SAMPLER.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("OpenTelemetry", "error", err) }))
	out := otlptrace.NewUnstarted(newSender(s, o.Version))
	if err := out.Start(ctx); err != nil {
		return &Traces{}, err
	}
	return &Traces{sdk.NewTracerProvider(sdk.WithResource(named), sdk.WithBatcher(&told{Exporter: out, log: o.Log}))}, nil
}

// Tracer makes the spans; where nobody collects them, none.
func (t *Traces) Tracer() trace.Tracer {
	if t.provider == nil {
		return tracing.Silent()
	}
	return t.provider.Tracer(tracing.Name)
}

// Close sends what is left, as long as the context lasts.
func (t *Traces) Close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// told says in the log that spans are lost, and that they are not any more; not at each batch.
type told struct {
	*otlptrace.Exporter
	log *slog.Logger

	mu   sync.Mutex
	lost int
	said time.Time
}

// sayEvery is how often it is said that spans are being lost.
const sayEvery = 10 * time.Minute

// ExportSpans implements sdk.SpanExporter.
func (e *told) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.Exporter.ExportSpans(ctx, spans)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.lost > 0:
		e.log.Info("traces are sent again", "lost", e.lost)
		e.lost, e.said = 0, time.Time{}
	case err != nil:
		if e.lost += len(spans); time.Since(e.said) >= sayEvery {
			e.said = time.Now()
			e.log.Warn("traces are not sent", "lost", e.lost, "error", err)
		}
	}
	return nil // it has been told
}
