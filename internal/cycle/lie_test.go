package cycle_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
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
