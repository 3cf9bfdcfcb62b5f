package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/directory"
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

// Whoever looks what provisioning one person on demand would do is told of that person, and not of everybody whose removal is held.
func TestLookingAtOneShowsOne(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada", "grace", "joan", "mary")
	const held = "  provisioning: {scope: all, hold: {removals: 10%, min: 1}"
	o.must(o.apply(connectortest.Token, held+"}\n"))
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	o.must(o.apply(connectortest.Token, held+", filters: ['user.userName == \"ada\"']}\n"))
	run, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	if run.Summary.Held != 3 {
		t.Fatalf("%d are held, want 3", run.Summary.Held)
	}
	_, _, err = o.SetUser(t.Context(), "ada", []string{"title=Countess"})
	o.must(err)
	for _, dry := range []bool{true, false} {
		p, err := o.Provision(t.Context(), "target", directory.KindUser, "ada", dry)
		o.must(err)
		if len(p.Operations) != 1 || p.Operations[0].Source.Name != "ada" {
			t.Errorf("dry: %t: %d operations: %+v", dry, len(p.Operations), p.Operations)
		}
	}
	p, err := o.Provision(t.Context(), "target", directory.KindUser, "joan", true)
	o.must(err)
	if len(p.Operations) != 1 || p.Operations[0].Source.Name != "joan" || p.Operations[0].Status != "held" {
		t.Errorf("of somebody whose removal is held: %+v", p.Operations)
	}
}

// Whoever asks why somebody cannot get in is told that the account was deactivated at the target, and not that it is active; that is
// over when somebody has it switched on.
func TestExplainNamesAnAccountThatWasDeactivatedThere(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.users("ada")
	o.must(o.apply(connectortest.Token, "  provisioning: {status: on, scope: all}\n"))
	_, err := o.Sync(t.Context(), "target", admin.SyncOptions{})
	o.must(err)
	o.target.EditUser(o.target.UserID("ada"), func(doc map[string]any) { doc["active"] = false })
	_, err = o.Sync(t.Context(), "target", admin.SyncOptions{Reconcile: true})
	o.must(err)
	told := func(state string, rule bool) {
		t.Helper()
		x, err := o.Explain(t.Context(), "target", "ada")
		o.must(err)
		if last := x.Rules[len(x.Rules)-1]; x.Account.State != state || (last.Rule == "drift") != rule || strings.Contains(last.Detail, "muster provision target --user ada") != rule {
			t.Errorf("account %s, last rule %+v; want %s, %t", x.Account.State, last, state, rule)
		}
	}
	told("disabled", true)
	_, err = o.Provision(t.Context(), "target", directory.KindUser, "ada", false)
	o.must(err)
	told("active", false)
}
