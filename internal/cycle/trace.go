package cycle

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/tracing"
)

// beneath is how many operations hang beneath the span of their cycle. A first load would make a trace that nobody
// can open: what comes after has a trace of its own for each operation, with a link to the cycle.
const beneath = 1000

// traced begins the span of a pass, beneath the request that asked for it if there is one.
func (r *run) traced(ctx context.Context, name string) (context.Context, trace.Span) {
	tracer := r.engine.Tracer
	if tracer == nil {
		tracer = tracing.Silent()
	}
	return tracer.Start(ctx, name, trace.WithAttributes(
		tracing.Application.String(r.app.Name), tracing.Cycle.String(r.cycle.ID), tracing.CycleType.String(r.cycle.Type),
	))
}

// endTrace ends the span of a pass with what it did.
func (r *run) endTrace(span trace.Span, err error) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	c := r.cycle
	span.SetAttributes(tracing.State.String(c.State), tracing.Requests.Int64(c.Requests), tracing.Failed.Int(c.Failed))
	for action, n := range c.Summary {
		span.SetAttributes(attribute.Int(tracing.Counts+action, n))
	}
	switch {
	case r.stopped != nil:
		tracing.Fail(span, r.stopped.Code)
	case err != nil:
		tracing.Fail(span, "interrupted")
	}
}

// tracedOperation begins the span of an operation.
func (r *run) tracedOperation(ctx context.Context, w *work) (context.Context, trace.Span) {
	cycle := trace.SpanFromContext(ctx)
	if !cycle.IsRecording() {
		return ctx, cycle
	}
	with := []trace.SpanStartOption{trace.WithAttributes(
		tracing.Application.String(r.app.Name), tracing.Operation.String(w.ID), tracing.Object.String(string(w.Kind)), tracing.Action.String(string(w.Action)),
	)}
	if r.traces.Add(1) > beneath {
		with = append(with, trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx)))
	}
	return cycle.TracerProvider().Tracer(tracing.Name).Start(ctx, string(w.Action)+" "+string(w.Kind), with...)
}

// endOperation ends the span of an operation with what is recorded of it.
func endOperation(span trace.Span, f finished) {
	if !span.IsRecording() {
		return
	}
	defer span.End()
	status, problem := f.result.Op.Status, f.result.Op.Error
	if f.unsent {
		status, problem = "unsent", nil
	}
	span.SetAttributes(tracing.Status.String(status))
	if problem != nil && status == "failure" {
		tracing.Fail(span, problem.Code)
	}
}
