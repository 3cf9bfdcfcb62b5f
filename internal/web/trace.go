package web

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

// methods are those that spans name; whoever asks may write another.
var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

func methodOf(r *http.Request) string {
	if methods[r.Method] {
		return r.Method
	}
	return "_OTHER" // as OpenTelemetry's conventions have it
}

// traced begins the span of a request, beneath the one of whoever asks (W3C Trace Context). What no person waits for
// is left out.
func (s *Server) traced(r *http.Request, n *note) (context.Context, trace.Span) {
	if r.URL.Path == "/metrics" || strings.Contains(r.URL.Path, "/assets/") {
		return r.Context(), trace.SpanFromContext(r.Context())
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := methodOf(r)
	return s.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(method), tracing.Request.String(n.id),
	))
}

// traceOf is the id of the trace that a request belongs to, "" where it is not kept.
func traceOf(ctx context.Context) string {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return ""
	}
	return span.SpanContext().TraceID().String()
}

// endTrace ends the span of a request. As in the log, the route stands for the path, which names people.
func endTrace(span trace.Span, r *http.Request, w *watched) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if _, route, found := strings.Cut(r.Pattern, " "); found {
		span.SetName(methodOf(r) + " " + route)
		span.SetAttributes(semconv.HTTPRoute(route))
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(w.status))
	if w.status >= http.StatusInternalServerError {
		tracing.Fail(span, "internal")
	}
}
