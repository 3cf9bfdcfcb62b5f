package cycle_test

import (
	"fmt"
	"iter"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/tracing"
)

// multitude is a source of so many people.
type multitude int

func (n multitude) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for i := range int(n) {
			name := fmt.Sprintf("person%d", i)
			r := source.Record{Line: i + 1, Kind: directory.KindUser, Name: name, Attributes: map[string]any{"userName": name, "name.familyName": "Test", "emails": name + "@example.org"}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// A trace of a first load can be opened: the first thousand operations hang beneath the cycle, all others have a trace each
// that leads to it.
func TestTraceOfALargeCycle(t *testing.T) {
	w := onSQLite(t)
	const people = 1010
	w.app.Provisioning.Scope = "all"
	kept := tracetest.NewSpanRecorder()
	w.engine.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(kept)).Tracer(tracing.Name)
	if _, err := w.store.Import(t.Context(), multitude(people), store.ImportOptions{Source: "test"}); err != nil {
		t.Fatal(err)
	}
	w.save()
	w.sync()
	var cycle sdk.ReadOnlySpan
	beneath, apart, sent := 0, 0, map[string]bool{}
	for _, s := range kept.Ended() {
		if s.Name() == "cycle" {
			cycle = s
		}
	}
	for _, s := range kept.Ended() {
		switch {
		case s.Name() == "POST Users":
			sent[s.Parent().SpanID().String()] = true
		case s.Name() != "create user":
		case s.Parent().SpanID() == cycle.SpanContext().SpanID():
			beneath++
		case !s.Parent().IsValid() && s.SpanContext().TraceID() != cycle.SpanContext().TraceID() && len(s.Links()) == 1 && s.Links()[0].SpanContext.Equal(cycle.SpanContext()):
			apart++
		default:
			t.Errorf("an operation hangs beneath %v, with the links %v", s.Parent(), s.Links())
		}
	}
	if beneath != 1000 || apart != people-1000 || len(sent) != people {
		t.Errorf("%d operations beneath the cycle and %d apart, with requests beneath %d", beneath, apart, len(sent))
	}
	said := attribute.NewSet(cycle.Attributes()...)
	if n, _ := said.Value(tracing.Counts + "create"); n.AsInt64() != people {
		t.Errorf("the cycle says %v", cycle.Attributes())
	}
}
