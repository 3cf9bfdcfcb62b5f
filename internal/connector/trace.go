package connector

import (
	"context"
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

// traced begins the span of one HTTP request to a target. Its path is a template: what stands behind the
// collection names an account. Targets are told nothing of the trace: that is a matter of whoever runs Muster.
func (c *Client) traced(ctx context.Context, r Request, before int) (context.Context, trace.Span) {
	template := template(r.Path)
	ctx, span := tracing.Start(ctx, r.Method+" "+template, trace.SpanKindClient,
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLTemplate(template), semconv.ServerAddress(c.base.Hostname()))
	if before > 0 {
		span.SetAttributes(semconv.HTTPRequestResendCount(before))
	}
	return ctx, span
}

// answeredSpan ends the span of a request with what came of it.
func answeredSpan(span trace.Span, status int, failed *Error) {
	if status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if failed != nil {
		tracing.Fail(span, failed.Code)
	}
	span.End()
}

// template is a path without what it names.
func template(path string) string {
	if collection, _, more := strings.Cut(path, "/"); more {
		return collection + "/{id}"
	}
	return path
}
