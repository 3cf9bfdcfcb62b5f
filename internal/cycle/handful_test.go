package cycle_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// inOrder is the order in which a target is written to.
type inOrder struct {
	sync.Mutex
	all []string
}

func (w *inOrder) note(line string) int {
	w.Lock()
	defer w.Unlock()
	w.all = append(w.all, line)
	return len(w.all)
}

// before counts the writes after the first ones until one is met.
func (w *inOrder) before(t *testing.T, first int, is string) int {
	t.Helper()
	w.Lock()
	defer w.Unlock()
	for i, line := range w.all[min(first, len(w.all)):] {
		if line == is {
			return i
		}
	}
	t.Errorf("%q was not sent", is)
	return -1
}

// What somebody changes by hand does not wait for what an import brought: neither when both are seen at once
// nor when the import is under way.
func TestByHandBeforeAnImport(t *testing.T) {
	for name, at := range map[string]int{"seen together": 0, "under way": 50} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Scope = "all"
			w.concurrency = 1
			for _, name := range []string{"grace", "ada", "eve"} {
				w.user(name)
			}
			w.group("Old", "grace", "ada")
			w.group("New", "ada")
			w.save()
			w.sync()
			accounts := map[string]string{}
			for _, id := range w.target.UserIDs() {
				accounts["/Users/"+id] = w.nameOf(id)
			}
			hand := func() {
				w.set("grace", "title", "Admiral")
				w.user("newcomer", "manager", "ada")
				w.join("New", "grace")
				w.leave("Old", "grace")
			}
			var sent inOrder
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodGet {
					next.ServeHTTP(rw, r)
					return
				}
				path := strings.TrimPrefix(r.URL.Path, "/scim/v2")
				if name := accounts[path]; name != "" {
					path = name
				}
				n := sent.note(r.Method + " " + path)
				if n == at {
					hand()
				}
				next.ServeHTTP(rw, r)
				if n >= at {
					select { // a target that takes some time, so that what comes meanwhile is seen before the end
					case <-time.After(10 * time.Millisecond):
					case <-r.Context().Done():
					}
				}
			})
			w.save()
			w.people("j", 400)
			if at == 0 {
				hand()
			}
			report := w.sync()
			// Under way it may see first that grace has joined, and then that she has left.
			w.expect(report, map[string]int{"create": 401, "update": 3, "skip": report.Summary["skip"]})
			if n := sent.before(t, at, "PATCH grace"); n > 60 {
				t.Errorf("a title waited for %d writes", n)
			}
			w.groupMembers("New", "ada", "grace")
			w.groupMembers("Old", "ada")
			urgency := map[string]provision.Urgency{}
			for _, o := range w.operations(report.Cycle.ID) {
				urgency[fmt.Sprint(o.Kind, " ", o.Source.Name)] = o.Urgency
			}
			for who, want := range map[string]provision.Urgency{
				"user grace": provision.Handful, "user newcomer": provision.Handful, "group New": provision.Handful, "group Old": provision.Handful,
				"user j399": provision.CreateUpdate,
			} {
				if urgency[who] != want && (at == 0 || urgency[who] != provision.Removal) {
					t.Errorf("%s has the urgency %d, not %d", who, urgency[who], want)
				}
			}
			w.again()
		})
	}
}

// A group that gets many members by hand goes ahead of an import when all of them have accounts, and waits for those who
// are still to get one.
func TestManyMembersBeforeAnImport(t *testing.T) {
	for name, newcomer := range map[string]bool{"all have accounts": false, "one is to get one": true} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Scope = "all"
			w.concurrency = 1
			names := w.people("p", 40)
			w.group("Big")
			w.assign("Big")
			w.sync()
			big := "PATCH /scim/v2/Groups/" + w.target.GroupID("Big")
			var sent inOrder
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method != http.MethodGet {
					sent.note(r.Method + " " + r.URL.Path)
				}
				next.ServeHTTP(rw, r)
			})
			w.save()
			joining := names
			if newcomer {
				joining = append(w.people("q", 1), names...)
			}
			w.people("j", 200)
			w.join("Big", joining...)
			w.sync()
			if n := sent.before(t, 0, big); (n < 20) == newcomer {
				t.Errorf("the group came after %d writes", n)
			}
			if n := len(w.target.Members(w.target.GroupID("Big"))); n != len(joining) {
				t.Errorf("%d members, want %d", n, len(joining))
			}
			w.again()
		})
	}
}

// Somebody who leaves while an update of theirs has been taken from the queue, and not been sent, does not wait
// for what was taken before it.
func TestLeaverWithAnUpdateInTheQueue(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Scope = "all"
	w.concurrency = 1
	names := w.people("p", 250)
	w.save()
	w.sync()
	leaver := names[249]
	ids := w.target.UserIDs()
	id := "/scim/v2/Users/" + ids[slices.IndexFunc(ids, func(id string) bool { return w.nameOf(id) == leaver })]
	var sent inOrder
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet {
			next.ServeHTTP(rw, r)
			return
		}
		if sent.note(r.URL.Path) == 20 {
			w.set(leaver, "active", false)
		}
		next.ServeHTTP(rw, r)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	w.app.Mappings.Users = append(w.app.Mappings.Users[:0:0], w.app.Mappings.Users...)
	for i := range w.app.Mappings.Users {
		if m := &w.app.Mappings.Users[i]; m.Target == "title" {
			m.Source, m.Constant = "", "Crew"
		}
	}
	w.save()
	w.sync()
	if n := sent.before(t, 20, id); n > 60 {
		t.Errorf("the leaver's account was touched after %d others", n)
	}
	w.active(leaver, false)
	w.again()
}
