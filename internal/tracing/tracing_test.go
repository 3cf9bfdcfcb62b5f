package tracing_test

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

func TestStart(t *testing.T) {
	t.Parallel()
	ctx, span := tracing.Start(t.Context(), "beneath nothing", trace.SpanKindClient)
	span.End()
	if ctx != t.Context() || span.IsRecording() {
		t.Error("a span was made that hangs beneath nothing")
	}
	kept := tracetest.NewSpanRecorder()
	above, top := sdk.NewTracerProvider(sdk.WithSpanProcessor(kept)).Tracer("t").Start(t.Context(), "above")
	_, span = tracing.Start(above, "beneath", trace.SpanKindClient, tracing.Action.String("create"))
	tracing.Fail(span, "Ada Lovelace is not known")
	span.End()
	top.End()
	spans := kept.Ended()
	if len(spans) != 2 || spans[0].Parent().SpanID() != top.SpanContext().SpanID() || spans[0].Attributes()[1].Value.AsString() != "other" {
		t.Errorf("%v", spans)
	}
	quiet := trace.ContextWithSpanContext(t.Context(), top.SpanContext()) // as of one that is not kept
	if _, span = tracing.Start(quiet, "beneath", trace.SpanKindClient); span.IsRecording() {
		t.Error("a span was made beneath one that is not kept")
	}
}

func BenchmarkStartUntraced(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, span := tracing.Start(context.Background(), "beneath nothing", trace.SpanKindClient, tracing.Action.String("create"))
		span.End()
	}
}
