package admin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/store"
)

// TestExplain holds every kind of error to its exit status, its code, and a next step.
func TestExplain(t *testing.T) {
	t.Parallel()
	many := &cycle.ErrPlanStale{ID: "p1"}
	for i := range 15 {
		many.Changes = append(many.Changes, fmt.Sprintf("change %d", i))
	}
	for _, c := range []struct {
		name    string
		err     error
		exit    int
		code    string
		message string // a part of it
		next    string // a part of it
	}{
		{"a name that nobody has", &store.Error{Kind: store.ErrNotFound, Reason: "there is no user x", Next: "did you mean y?"}, 2, "not_found", "there is no user x", "did you mean y?"},
		{"in use", &store.Error{Kind: store.ErrInUse, Reason: "in use by muster (pid 1)", Next: "wait"}, 1, "in_use", "pid 1", "wait"},
		{"unreachable", &store.Error{Kind: store.ErrUnreachable, Reason: "cannot be reached"}, 1, "unreachable", "cannot", ""},
		{"a kind alone", store.ErrNewer, 1, "newer", "newer", ""},
		{"a configuration", config.Problems{{Position: config.Position{File: "a.yaml", Line: 3, Column: 1}, Message: "wrong"}}, 2, "configuration", "a.yaml:3:1: wrong", "nothing was changed"},
		{"a mapping", mapping.Problems{{Field: "expression", Message: "wrong"}}, 2, "mapping", "wrong", "config apply"},
		{"another node", &cycle.ErrBusy{App: "slack", Node: "node7"}, 1, "in_use", "node7", "wait"},
		{"a stale plan", many, 2, "plan_stale", "change 9; and 5 more", "muster plan"},
		{"a target", &connector.Error{Kind: connector.Unauthorised, Code: "invalid_auth", Reason: "refused", Advice: "enter another token"}, 3, "invalid_auth", "refused", "another token"},
		{"a target without a code", &connector.Error{Kind: connector.Unavailable, Reason: "down"}, 3, "unavailable", "down", ""},
		{"Ctrl-C", context.Canceled, 1, "interrupted", "interrupted", "again"},
		{"a fault of ours", errors.New("boom"), 1, "internal", "boom", "doctor"},
	} {
		for _, err := range []error{c.err, fmt.Errorf("doing it: %w", c.err)} {
			p := admin.Explain(err)
			if p.Exit != c.exit || p.Code != c.code || !strings.Contains(p.Message, c.message) || !strings.Contains(p.Next, c.next) {
				t.Errorf("%s: exit %d, code %s, message %q, next %q", c.name, p.Exit, p.Code, p.Message, p.Next)
			}
			if errors.Unwrap(p) == nil {
				t.Errorf("%s: the cause is lost", c.name)
			}
		}
	}
	if admin.Explain(nil) != nil {
		t.Error("no error became a problem")
	}
	if got := (admin.Run{Summary: admin.Summary{Held: 1}, Failed: 1}).Exit(); got != admin.ExitHeld {
		t.Errorf("held and failed: exit %d, want %d", got, admin.ExitHeld)
	}
	if got := (admin.Run{Failed: 1}).Exit(); got != admin.ExitPartly {
		t.Errorf("failed: exit %d, want %d", got, admin.ExitPartly)
	}
}
