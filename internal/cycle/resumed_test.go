package cycle_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
)

// A group whose creation had no answer, which was then found, and whose pass was ended before it went on, is
// Muster's own: it was taken for one that had been there before, and stayed when it left the scope.
func TestEndedAfterALostCreateWasFound(t *testing.T) {
	for range 20 {
		if endedAfterALostCreate(t) {
			return
		}
	}
	t.Error("no pass was ended in time")
}

// endedAfterALostCreate reports false when the pass was over before its end was noticed.
func endedAfterALostCreate(t *testing.T) bool {
	w := onSQLite(t)
	ctx, cancel := context.WithCancel(t.Context())
	var armed, made, ended atomic.Bool
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		group := strings.Contains(r.URL.Path, "/Groups")
		next.ServeHTTP(rw, r)
		switch {
		case !armed.Load():
		case group && r.Method == http.MethodPost:
			made.Store(true)
		case group && made.Load() && !ended.Swap(true):
			cancel()
		}
	})
	w.people("p", 2)
	w.group("All", "p000", "p001")
	w.assign("All")
	w.sync()
	w.group("Team", "p000", "p001")
	w.assign("Team")
	armed.Store(true)
	w.target.Fail(connectortest.Fault{Method: "POST", Path: "Groups", Drop: connectortest.AfterWrite, Times: 1})
	stored, err := w.store.Application(t.Context(), "target")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Run(ctx, stored, cycle.Options{}); err == nil || !ended.Load() {
		return false
	}
	w.sync()
	w.groupMembers("Team", "p000", "p001")
	w.app.Assignments = w.app.Assignments[:len(w.app.Assignments)-1]
	w.save()
	w.sync()
	if n := len(w.target.GroupIDs()); n != 1 {
		t.Errorf("%d groups, not All alone", n)
	}
	w.again()
	return true
}
