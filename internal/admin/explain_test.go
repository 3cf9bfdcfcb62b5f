package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
)

// Whoever asks why somebody's data does not arrive is told of whatever keeps it, and is never told that nothing is due.
func TestExplainNamesWhatKeepsData(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada", "grace")
	const on = "status: on, users: {actions: [create, disable]}, on_unassign: disable, grace: 48h"
	o.must(o.apply(connectortest.Token, "  assignments: [{user: ada}]\n  provisioning: {"+on+"}"))
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	_, _, err = o.SetUser(t.Context(), "ada", []string{"title=Countess"})
	o.must(err)
	rules := func(user string) map[string]string {
		t.Helper()
		x, err := o.Explain(t.Context(), "target", user)
		o.must(err)
		out := map[string]string{}
		for _, r := range x.Rules {
			if !r.Result {
				out[r.Rule] = r.Detail
			}
		}
		return out
	}
	want := func(user, rule, says string) {
		t.Helper()
		if got := rules(user); !strings.Contains(got[rule], says) {
			t.Errorf("%s, rule %s: %q does not say %q; all that speaks against her: %v", user, rule, got[rule], says, got)
		}
	}
	want("ada", "actions", "update is due (title changed) but not among provisioning.users.actions")

	_, err = o.Pause(t.Context(), "target", time.Hour)
	o.must(err)
	want("ada", "paused", "the application is paused until ")
	_, err = o.Resume(t.Context(), "target")
	o.must(err)

	o.target.Fail(connectortest.Fault{Status: 401, Times: -1})
	_, _ = o.Sync(t.Context(), "target", admin.SyncOptions{Reconcile: true}) // it is refused
	want("ada", "quarantine", "the connection has failed since ")
	o.target.Heal()
	_, err = o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	if got := rules("ada"); got["quarantine"] != "" || got["paused"] != "" {
		t.Errorf("what is over is still told: %v", got)
	}

	o.must(o.apply(connectortest.Token, "  provisioning: {"+on+"}"))
	_, err = o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	want("ada", "grace", "the account is kept until ")
	if got := rules("grace"); len(got) != 1 {
		t.Errorf("somebody who is none of the application's business is told %v", got)
	}

	o.must(o.apply(connectortest.Token, "  assignments: [{user: grace}]\n  provisioning: {status: on, users: {actions: [update]}}"))
	want("grace", "actions", "create is due")
}
