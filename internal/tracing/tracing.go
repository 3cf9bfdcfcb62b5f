// Package tracing puts what Muster does into OpenTelemetry spans. Whoever begins something of its own (a request
// that came in, a cycle) has a tracer; everything beneath takes the one of its context, so that nothing has to be
// handed down, and costs nothing where nobody traces.
//
// A span names applications, kinds of objects, actions, codes and routes, as metrics and logs do: never a person, a
// value, a query or a secret. What is written on one comes from the tables of the program, or through [Code].
//
// Start at [Start]; package otlp sends the spans away.
package tracing

import (
	"context"
	"regexp"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Name is who makes the spans, in the terms of OpenTelemetry its instrumentation scope.
const Name = "github.com/muster-id/muster"

// The attributes that only Muster has.
const (
	Application = attribute.Key("muster.application")    // its name
	Cycle       = attribute.Key("muster.cycle.id")       // as in the provisioning log
	CycleType   = attribute.Key("muster.cycle.type")     // initial, incremental, …
	State       = attribute.Key("muster.cycle.state")    // done, stopped, planned
	Requests    = attribute.Key("muster.cycle.requests") // to the target, repeats too
	Failed      = attribute.Key("muster.cycle.failed")   // objects
	Counts      = "muster.cycle."                        // and an action: how many operations
	Operation   = attribute.Key("muster.operation.id")   // as in the provisioning log
	Object      = attribute.Key("muster.operation.type") // user, group
	Action      = attribute.Key("muster.operation.action")
	Status      = attribute.Key("muster.operation.status") // success, failure, warning
	Request     = attribute.Key("muster.request.id")       // as in the log
	Statements  = attribute.Key("muster.db.statements")    // sent for a commit
	Attempts    = attribute.Key("muster.db.attempts")      // of a commit, one where it was not in another's way
)

// Silent is the tracer where nobody traces.
func Silent() trace.Tracer { return noop.NewTracerProvider().Tracer(Name) }

// none is the span of what nobody traces. It may be ended, as any other.
var none = trace.SpanFromContext(context.Background())

// Start begins a span beneath the one that the context has, with whatever made that one. Without one, or where that
// one is not kept, nothing is made.
func Start(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, none
	}
	return above.TracerProvider().Tracer(Name).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// Fail says on a span that it failed, by the code that docs/errors.md explains or the target's own. Its text would
// name people.
func Fail(span trace.Span, code string) {
	span.SetStatus(codes.Error, "")
	span.SetAttributes(semconv.ErrorTypeKey.String(Code(code)))
}

// plainCode is what a code looks like.
var plainCode = regexp.MustCompile(`^[A-Za-z0-9_]{1,48}$`)

// Code is a code as it may stand on spans and metrics. Targets may answer with words of their own: what is no plain
// word is "other".
func Code(code string) string {
	if !plainCode.MatchString(code) {
		return "other"
	}
	return code
}
