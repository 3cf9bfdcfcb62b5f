package cycle_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
)

// A target that denies to know whoever is to be removed, once, is not believed: the account would stay on, and
// nobody would ever look for it again.
func TestRemovalAnsweredByALie(t *testing.T) {
	for _, policy := range []string{"disable", "delete"} {
		t.Run(policy, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Scope, w.app.Provisioning.OnDelete = "all", policy
			w.app.Provisioning.OnDisable, w.app.Provisioning.OnUnassign = policy, policy
			w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
			w.app.Provisioning.Groups.Actions = []string{"create", "update", "delete"}
			var lies atomic.Int64
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method != http.MethodGet && r.Method != http.MethodPost && lies.Add(-1) >= 0 {
					http.Error(rw, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"no such resource"}`, http.StatusNotFound)
					return
				}
				next.ServeHTTP(rw, r)
			})
			w.people("p", 3)
			team := w.group("Team", "p000")
			w.save()
			w.sync()
			lies.Store(1)
			w.off("p001")
			if r, err := w.trySync(); err != nil || r.Failed != 1 {
				t.Fatalf("the lie was believed: %+v, %v", r, err)
			}
			w.sync()
			if policy == "disable" {
				w.active("p001", false)
			} else if n := len(w.target.UserIDs()); n != 2 {
				t.Errorf("%d accounts, not 2", n)
			}
			lies.Store(1)
			if err := w.store.DeleteGroup(t.Context(), by, team.ID); err != nil {
				t.Fatal(err)
			}
			if r, err := w.trySync(); err != nil || r.Failed != 1 {
				t.Fatalf("the lie about a group was believed: %+v, %v", r, err)
			}
			w.sync()
			if groups := w.target.GroupIDs(); len(groups) != 0 {
				t.Errorf("the groups %v are still there", groups)
			}
			w.again()
		})
	}
}

// A deletion that the target acknowledges and does not carry out is no success, unless the answer is the one that says it is
// done (204): the account or group would stay, linked to nobody.
func TestDeletionAcknowledgedAndNotDone(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope, w.app.Provisioning.OnDisable, w.app.Provisioning.OnDelete = "all", "delete", "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	w.people("p", 3)
	team := w.group("Team", "p000")
	w.assign("Team")
	w.sync()
	w.target.Fail(connectortest.Fault{Method: http.MethodDelete, Status: 200, Body: "{}", Times: -1})
	w.off("p001")
	if err := w.store.DeleteGroup(t.Context(), by, team.ID); err != nil {
		t.Fatal(err)
	}
	r := w.sync()
	w.expect(r, map[string]int{"failed": 2, "skip": 1}) // p000 was looked at
	if why := w.problems(r.Cycle.ID); !strings.Contains(why, "still there") {
		t.Error(why)
	}
	w.target.Heal()
	// Answered so and done: one look more, and a success.
	w.target.Fail(connectortest.Fault{Method: http.MethodDelete, Status: 200, Body: "{}", Committed: true, Times: -1})
	w.expect(w.sync(), map[string]int{"delete": 2})
	if n := len(w.target.UserIDs()) + len(w.target.GroupIDs()); n != 2 {
		t.Errorf("%d accounts and groups are there, want 2", n)
	}
	w.again()
}

// Slack deletes nobody: a deletion switches the account off, which the answer shows and which is a success. One whose account
// is on all the same is none, and its account stays linked.
func TestDeletionThatIsADeactivation(t *testing.T) {
	w := onSQLite(t)
	var paths []string
	lie := false
	w.onSlack(func(r *http.Request) {
		if r.Method == http.MethodPatch || r.Method == http.MethodDelete {
			paths = append(paths, r.Method)
			if lie {
				r.Body = io.NopCloser(strings.NewReader(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":true}]}`))
			}
		}
	})
	w.app.Provisioning.OnDisable = "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	w.people("p", 3)
	w.save()
	w.sync()
	w.off("p001")
	w.expect(w.sync(), map[string]int{"delete": 1})
	w.again()
	if strings.Join(paths, " ") != "PATCH" {
		t.Errorf("sent: %v", paths)
	}
	lie = true
	w.off("p002")
	r := w.sync()
	w.expect(r, map[string]int{"failed": 1})
	if why := w.problems(r.Cycle.ID); !strings.Contains(why, "acknowledged the deletion") {
		t.Error(why)
	}
	lie = false
	w.expect(w.sync(), map[string]int{"delete": 1})
}

// A group that was made without an answer, found, and refuses what was to follow, is Muster's all the same: it goes when
// nobody is to have it any more.
func TestMadeWithoutAnAnswerAndRefused(t *testing.T) {
	w := onSQLite(t)
	w.user("ada")
	w.group("Team", "ada")
	w.app.Provisioning.Groups.Actions = []string{"create", "update", "delete"}
	w.assign("Team")
	w.target.Fail(connectortest.Fault{Method: http.MethodPost, Path: "Groups", Committed: true, Status: 200, Body: "<html>busy</html>", Times: 1})
	w.target.Fail(connectortest.Fault{Method: http.MethodPatch, Path: "Groups", Status: 403, Times: -1})
	w.expect(w.sync(), map[string]int{"create": 1, "failed": 1})
	w.target.Heal()
	if w.target.GroupID("Team") == "" {
		t.Fatal("the group was not made")
	}
	w.app.Assignments = nil
	w.save()
	w.sync()
	if w.target.GroupID("Team") != "" {
		t.Error("the group stayed")
	}
	w.active("ada", false)
	w.again()
}

// Whoever is gone in truth is found to be so by one more question, and nothing fails.
func TestRemovalOfSomebodyWhoIsGone(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope = "all"
	w.people("p", 3)
	w.save()
	w.sync()
	for _, id := range w.target.UserIDs() {
		if w.nameOf(id) == "p001" {
			w.target.RemoveUser(id)
		}
	}
	w.off("p001")
	var report map[string]int
	sent := w.requests(func() { report = w.sync().Summary })
	w.counts(report, map[string]int{"disable": 1})
	var how []string
	for _, l := range sent {
		how = append(how, l.Method)
	}
	if got := strings.Join(how, " "); got != "PATCH GET" {
		t.Errorf("%s was sent", got)
	}
	w.again()
}

// A target that answers the search for an account with 404, once, is not believed: it keeps no address apart from another, and
// somebody who is there by another name would get a second account.
func TestSearchAnsweredByALie(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope = "all"
	w.save()
	w.sync() // a target that has nobody is read as a whole
	there := w.target.AddUser(map[string]any{"userName": "other-ada", "active": true, "emails": mailsOf("ada@example.org")})
	w.user("ada", "emails", mailsOf("ada@example.org"))
	w.target.Fail(connectortest.Fault{Method: http.MethodGet, Status: 404, Times: 3})
	for range 4 {
		_, _ = w.trySync()
	}
	w.target.Heal()
	w.sync()
	if ids := w.target.UserIDs(); len(ids) != 1 || ids[0] != there {
		t.Errorf("the accounts are %v, not %s alone", ids, there)
	}
	w.again()
}
