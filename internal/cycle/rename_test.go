package cycle_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
)

// mail is the value of emails with one address.
func mail(address string) []any {
	return []any{map[string]any{"value": address, "type": "work", "primary": true}}
}

// exchange gives people each other's names: the first one gets the second's, and so on, the last one the first's when
// it is a circle. The directory too lets nobody have another's name, so that somebody steps aside.
func (w *world) exchange(circle bool, names ...string) {
	w.t.Helper()
	last := names[len(names)-1]
	w.set(last, "userName", last+"-new", "emails", mail(last+"-new@example.org"))
	for i := len(names) - 2; i >= 0; i-- {
		w.set(names[i], "userName", names[i+1], "emails", mail(names[i+1]+"@example.org"))
	}
	if circle {
		w.set(last+"-new", "userName", names[0], "emails", mail(names[0]+"@example.org"))
	}
}

func four(w *world) map[string]string {
	w.target.Behave(func(b *connectortest.Behaviour) { b.UniqueMail = true })
	ids := map[string]string{}
	names := []string{"ada", "bob", "cleo", "dora"}
	for _, name := range names {
		w.user(name)
	}
	w.group("All", names...)
	w.assign("All")
	w.sync()
	for _, name := range names {
		ids[name] = w.target.UserID(name)
	}
	return ids
}

// named checks what accounts are called, and that their addresses went along.
func (w *world) named(ids map[string]string, want map[string]string) {
	w.t.Helper()
	for was, now := range want {
		doc := w.target.User(ids[was])
		if doc["userName"] != now {
			w.t.Errorf("the account of %s is called %v, want %s", was, doc["userName"], now)
		}
		if text := fmt.Sprint(doc["emails"]); !strings.Contains(text, ":"+now+"@example.org") {
			w.t.Errorf("the address of %s is %s, want %s", was, text, now)
		}
	}
}

func TestRenamesInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		circle bool
		names  []string
		want   map[string]string
		writes int
	}{
		"two change places": {true, []string{"ada", "bob"}, map[string]string{"ada": "bob", "bob": "ada", "cleo": "cleo"}, 3},
		"three in a circle": {true, []string{"ada", "bob", "cleo"}, map[string]string{"ada": "bob", "bob": "cleo", "cleo": "ada"}, 4},
		"four in a circle":  {true, []string{"dora", "bob", "ada", "cleo"}, map[string]string{"dora": "bob", "bob": "ada", "ada": "cleo", "cleo": "dora"}, 5},
		"a chain":           {false, []string{"ada", "bob", "cleo", "dora"}, map[string]string{"ada": "bob", "bob": "cleo", "cleo": "dora", "dora": "dora-new"}, 4},
		"a chain backwards": {false, []string{"dora", "cleo", "bob", "ada"}, map[string]string{"dora": "cleo", "cleo": "bob", "bob": "ada", "ada": "ada-new"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(w *world) {
				ids := four(w)
				w.exchange(test.circle, test.names...)
				log := w.requests(func() { w.expect(w.sync(), map[string]int{"update": test.writes}) })
				for _, l := range log {
					if l.Status == http.StatusConflict {
						t.Errorf("refused: %s", l.Body)
					}
				}
				w.named(ids, test.want)
				w.groupMembers("All", w.nameOf(ids["ada"]), w.nameOf(ids["bob"]), w.nameOf(ids["cleo"]), w.nameOf(ids["dora"]))
				w.again()
			})
		})
	}
}

func (w *world) nameOf(id string) string { return fmt.Sprint(w.target.User(id)["userName"]) }

// TestRenamesStoppedAnywhere: whatever request is the last one, the next cycles bring everybody to their names, and
// nobody has two accounts.
func TestRenamesStoppedAnywhere(t *testing.T) {
	for after := range 5 {
		for _, drop := range []connectortest.Drop{connectortest.BeforeWrite, connectortest.AfterWrite} {
			t.Run(fmt.Sprint(after, drop), func(t *testing.T) {
				w := onSQLite(t)
				ids := four(w)
				w.exchange(true, "ada", "bob", "cleo")
				w.target.Fail(connectortest.Fault{After: after, Drop: drop, Times: -1})
				if _, err := w.trySync(); err != nil {
					t.Fatal(err)
				}
				w.target.Heal()
				for range 3 {
					if _, err := w.trySync(); err != nil {
						t.Fatal(err)
					}
				}
				w.named(ids, map[string]string{"ada": "bob", "bob": "cleo", "cleo": "ada", "dora": "dora"})
				if n := len(w.target.UserIDs()); n != 4 {
					t.Errorf("%d accounts, want 4", n)
				}
				w.again()
			})
		}
	}
}

// TestNewcomerTakesAName that somebody gives up in the same cycle: neither adopted, nor refused.
func TestNewcomerTakesAName(t *testing.T) {
	onEach(t, func(w *world) {
		ids := four(w)
		w.set("ada", "userName", "ada.king", "emails", mail("ada.king@example.org"))
		w.user("ada")
		w.join("All", "ada")
		w.expect(w.sync(), map[string]int{"create": 1, "update": 2})
		w.named(ids, map[string]string{"ada": "ada.king"})
		if id := w.target.UserID("ada"); id == "" || id == ids["ada"] {
			t.Errorf("the new ada has account %q", id)
		}
		w.again()
	})
}

// TestExchangeIsPlannedAndUndone: the plan shows the name in between, runs as it is, and can be taken back.
func TestExchangeIsPlannedAndUndone(t *testing.T) {
	w := onSQLite(t)
	ids := four(w)
	w.exchange(true, "ada", "bob")
	app, err := w.store.Application(t.Context(), "target")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.engine.Plan(t.Context(), app, cycle.Options{ByHand: true})
	if err != nil {
		t.Fatal(err)
	}
	w.counts(plan.Summary, map[string]int{"update": 3})
	done := w.sync(func(o *cycle.Options) { o.PlanID = plan.ID })
	w.expect(done, map[string]int{"update": 3})
	w.named(ids, map[string]string{"ada": "bob", "bob": "ada"})
	w.expect(w.undo(done.Cycle.ID), map[string]int{"update": 3})
	w.named(ids, map[string]string{"ada": "ada", "bob": "bob"})
	w.again()
}

// TestUndoneNameChangesHands: an account that has its old name back by an undo is known by it, whatever else of it changed since.
func TestUndoneNameChangesHands(t *testing.T) {
	w := onSQLite(t)
	ids := four(w)
	w.set("ada", "userName", "ada-wrong", "emails", mail("ada-wrong@example.org"))
	w.undo(w.sync().Cycle.ID, "ada-wrong")
	w.named(ids, map[string]string{"ada": "ada"})
	w.set("ada-wrong", "title", "Engineer")
	w.expect(w.sync(), map[string]int{"update": 1})
	w.named(ids, map[string]string{"ada": "ada"})
	if want := w.explained("ada-wrong").Link.Wanted["userName"]; want != "ada" {
		t.Errorf("the account is remembered as %v", want)
	}
	w.again()
	w.set("bob", "userName", "ada", "emails", mail("ada@example.org"))
	w.set("ada-wrong", "userName", "bob", "emails", mail("bob@example.org"))
	w.expect(w.sync(), map[string]int{"update": 3})
	w.named(ids, map[string]string{"ada": "bob", "bob": "ada"})
	w.again()
}

// TestGroupsExchangeNames too.
func TestGroupsExchangeNames(t *testing.T) {
	w := onSQLite(t)
	w.user("ada")
	w.group("Red", "ada")
	w.group("Blue")
	w.assign("Red", "Blue")
	w.sync()
	red := w.target.GroupID("Red")
	for _, step := range [][2]string{{"Red", "In between"}, {"Blue", "Red"}, {"In between", "Blue"}} {
		g, err := w.store.GroupByName(t.Context(), step[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.store.UpdateGroup(t.Context(), by, g.ID, groupNamed(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(w.sync(), map[string]int{"update": 3, "skip": 1}) // ada is looked at, whose groups have other names
	if w.target.GroupID("Blue") != red {
		t.Error("the groups did not exchange their names")
	}
	w.groupMembers("Blue", "ada")
	w.again()
}

// TestNameOfALeaver: Muster does not rename the account of somebody who has left. Who is to get that name keeps theirs, is told
// who has it, and gets it by itself when it is free.
func TestNameOfALeaver(t *testing.T) {
	onEach(t, func(w *world) {
		ids := four(w)
		w.exchange(true, "ada", "bob")
		w.set("ada", "active", false) // who was bob
		w.expect(w.sync(), map[string]int{"disable": 1, "failed": 1})
		w.named(ids, map[string]string{"ada": "ada", "bob": "bob"})
		x := w.explained("bob") // who was ada
		if x.Escrow == nil || x.Escrow.Parked || x.Escrow.Problem.Code != "taken" {
			t.Fatalf("explained: %+v", x.Escrow)
		}
		if why := x.Escrow.Problem.Reason; !strings.Contains(why, "bob ("+ids["bob"]+"), that of ada") {
			t.Error(why)
		}
		// A name that can be had is taken instead of it.
		w.set("bob", "userName", "ada.king", "emails", mail("ada.king@example.org"))
		w.expect(w.sync(), map[string]int{"update": 1})
		w.named(ids, map[string]string{"ada": "ada.king"})
		w.set("ada.king", "userName", "bob", "emails", mail("bob@example.org"))
		w.expect(w.sync(), map[string]int{"failed": 1})
		w.target.EditUser(ids["bob"], func(doc map[string]any) { doc["userName"], doc["emails"] = "bob-left", mail("bob-left@example.org") })
		w.expect(w.sync(), map[string]int{"update": 1})
		w.named(ids, map[string]string{"ada": "bob"})
		w.again()
	})
}

// TestExchangeUnderForgottenNames: two accounts have each other's names, and Muster remembers both by others, as after reading them
// at a target that shows changes late. Who is in the other's way is looked up, so that they exchange them the next time.
func TestExchangeUnderForgottenNames(t *testing.T) {
	onEach(t, func(w *world) {
		ids := four(w)
		w.set("ada", "userName", "ada.king", "emails", mail("ada.king@example.org"))
		w.set("bob", "userName", "bob.king", "emails", mail("bob.king@example.org"))
		w.expect(w.sync(), map[string]int{"update": 2})
		for was, now := range map[string]string{"ada": "bob", "bob": "ada", "cleo": "zoe"} {
			w.target.EditUser(ids[was], func(doc map[string]any) { doc["userName"], doc["emails"] = now, mail(now+"@example.org") })
		}
		w.set("ada.king", "userName", "ada", "emails", mail("ada@example.org"))
		w.set("bob.king", "userName", "bob", "emails", mail("bob@example.org"))
		w.set("dora", "userName", "zoe", "emails", mail("zoe@example.org"))
		w.expect(w.sync(), map[string]int{"failed": 3})
		w.expect(w.sync(), map[string]int{"update": 3, "failed": 1})
		w.named(ids, map[string]string{"ada": "ada", "bob": "bob", "dora": "dora"})
		// Nothing is to be changed of cleo: what somebody called that account is for a reconcile, and only reported by default.
		w.named(ids, map[string]string{"cleo": "zoe"})
		if was := w.explained("cleo").Link.Wanted["userName"]; was != "cleo" {
			t.Errorf("cleo is remembered as %v", was)
		}
	})
}

// TestNameOfALeaverWithoutFilters: a target that cannot be filtered is not listed to find out who has a name.
func TestNameOfALeaverWithoutFilters(t *testing.T) {
	for size, code := range map[string]string{"2": "uniqueness", "100": "taken"} {
		t.Run(size, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Connection.Options = map[string]string{"filter": "none", "page_size": size}
			four(w)
			w.exchange(true, "ada", "bob")
			w.set("ada", "active", false)
			var r *cycle.Report
			lists := 0
			for _, l := range w.requests(func() { r = w.sync() }) {
				if l.Method == http.MethodGet && !strings.Contains(l.Path, "Users/") {
					lists++
				}
			}
			if lists != 1 {
				t.Errorf("%d pages of the list were read", lists)
			}
			if why := w.problems(r.Cycle.ID); !strings.Contains(why, code) {
				t.Error(why)
			}
		})
	}
}

// TestExchangeAtATargetThatShowsChangesLate: the name in between is looked for in vain when the last one has come, and what is
// remembered is the last one.
func TestExchangeAtATargetThatShowsChangesLate(t *testing.T) {
	w := onSQLite(t)
	ids := four(w)
	w.target.Behave(func(b *connectortest.Behaviour) { b.StaleReads, b.EmptyUpdate = 1, true })
	w.exchange(true, "ada", "bob")
	w.expect(w.sync(), map[string]int{"update": 3})
	w.named(ids, map[string]string{"ada": "bob", "bob": "ada"})
	w.exchange(true, "ada", "bob", "cleo")
	w.expect(w.sync(), map[string]int{"update": 4})
	w.named(ids, map[string]string{"bob": "bob", "ada": "cleo", "cleo": "ada"})
	w.again()
}
