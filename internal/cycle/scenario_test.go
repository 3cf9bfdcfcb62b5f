package cycle_test

import (
	"net/http"
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// small is a company of three in one linked group, provisioned.
func small(w *world) {
	w.user("ada", "title", "Engineer")
	w.user("bob", "manager", "ada")
	w.user("cleo")
	w.group("Engineering", "ada", "bob", "cleo")
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 4})
}

func TestOneChangeIsOneRequest(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.set("ada", "title", "Head of Engineering")
		log := w.requests(func() { w.expect(w.sync(), map[string]int{"update": 1}) })
		if len(log) != 1 || log[0].Method != http.MethodPatch {
			t.Errorf("%d requests, the first %s %s; want one PATCH", len(log), log[0].Method, log[0].Path)
		}
		if got := w.account("ada")["title"]; got != "Head of Engineering" {
			t.Errorf("title is %v", got)
		}
		w.again()

		w.set("ada", "title", "")
		w.expect(w.sync(), map[string]int{"update": 1})
		if got, there := w.account("ada")["title"]; there && got != nil && got != "" {
			t.Errorf("the title that the directory lost is still %v", got)
		}
		w.again()
	})
}

func TestLeaversAndReturners(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		ada := w.target.UserID("ada")
		w.leave("Engineering", "ada")
		w.expect(w.sync(), map[string]int{"disable": 1, "update": 1})
		w.active("ada", false)
		w.groupMembers("Engineering", "bob", "cleo")
		w.again()

		w.join("Engineering", "ada")
		r := w.sync()
		w.expect(r, map[string]int{"enable": 1, "update": 1})
		w.active("ada", true)
		w.groupMembers("Engineering", "ada", "bob", "cleo")
		if again := w.target.UserID("ada"); again != ada {
			t.Errorf("came back as account %s, was %s", again, ada)
		}
		w.again()

		w.set("bob", "active", false)
		w.expect(w.sync(), map[string]int{"disable": 1})
		w.active("bob", false)
		w.again()
		w.set("bob", "active", true, "title", "back")
		w.expect(w.sync(), map[string]int{"enable": 1, "update": 1}) // his membership is set again
		if w.account("bob")["title"] != "back" {
			t.Error("what changed while bob was away did not arrive")
		}
		w.again()
	})
}

func TestDeletedFromTheDirectory(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		u, _ := w.store.UserByName(t.Context(), "cleo")
		if err := w.store.DeleteUser(t.Context(), by, u.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.store.PurgeUser(t.Context(), by, u.ID); err != nil {
			t.Fatal(err)
		}
		w.expect(w.sync(), map[string]int{"disable": 1, "update": 1})
		w.active("cleo", false)
		w.groupMembers("Engineering", "ada", "bob")
		w.again()
	})
}

func TestDeleteReachesTheTargetAfterAnEarlierUnassign(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnDelete = "delete"
	w.app.Provisioning.Users.Actions = []string{"create", "update", "disable", "delete"}
	small(w)
	w.leave("Engineering", "ada")
	w.expect(w.sync(), map[string]int{"disable": 1, "update": 1})
	u, _ := w.store.UserByName(t.Context(), "ada")
	if err := w.store.DeleteUser(t.Context(), by, u.ID); err != nil {
		t.Fatal(err)
	}
	w.expect(w.sync(), map[string]int{"delete": 1, "update": 1, "skip": 1})
	if w.target.UserID("ada") != "" {
		t.Error("the account is still there")
	}
	w.again()
}

func TestAdoption(t *testing.T) {
	onEach(t, func(w *world) {
		strange := w.target.AddUser(map[string]any{"userName": "stranger", "title": "Not ours", "active": true})
		ada := w.target.AddUser(map[string]any{"userName": "ADA", "active": true, "title": "Old"})
		bob := w.target.AddUser(map[string]any{"userName": "robert", "active": false, "emails": []any{map[string]any{"value": "bob@example.org", "type": "work", "primary": true}}})
		w.target.AddGroup("Engineering", strange)
		w.user("ada", "title", "Engineer")
		w.user("bob")
		w.user("cleo")
		w.group("Engineering", "ada", "bob", "cleo")
		w.assign("Engineering")
		w.expect(w.sync(), map[string]int{"create": 1, "update": 2, "enable": 1})
		if len(w.target.UserIDs()) != 4 {
			t.Errorf("%d accounts, want 4: nobody twice", len(w.target.UserIDs()))
		}
		if got := w.target.User(ada)["title"]; got != "Engineer" {
			t.Errorf("ada's title: %v", got)
		}
		if doc := w.target.User(bob); doc["active"] != true || doc["userName"] != "bob" {
			t.Errorf("bob was not adopted and switched on: %v", doc)
		}
		w.groupMembers("Engineering", "stranger", "ada", "bob", "cleo")
		w.again()

		// Of an adopted group only what Muster added is removed; the stranger is never touched.
		w.app.Assignments = nil
		w.save()
		w.expect(w.sync(), map[string]int{"disable": 3, "update": 1})
		w.groupMembers("Engineering", "stranger")
		if doc := w.target.User(strange); doc["title"] != "Not ours" || doc["active"] != true {
			t.Errorf("the stranger was touched: %v", doc)
		}
		w.again()
	})
}

func TestTwoAccountsOrTwoPeopleForOne(t *testing.T) {
	w := onSQLite(t)
	mail := []any{map[string]any{"value": "ada@example.org", "type": "work", "primary": true}}
	w.target.AddUser(map[string]any{"userName": "ada.one", "active": true, "emails": mail})
	w.target.AddUser(map[string]any{"userName": "ada.two", "active": true, "emails": mail})
	shared := []any{map[string]any{"value": "shared@example.org", "type": "work", "primary": true}}
	w.target.AddUser(map[string]any{"userName": "shared", "active": true, "emails": shared})
	w.user("ada")
	w.user("bob", "emails", shared)
	w.user("cleo", "emails", shared)
	w.group("Engineering", "ada", "bob", "cleo")
	w.assign("Engineering")
	log := w.requests(func() { w.expect(w.sync(), map[string]int{"create": 1, "failed": 3}) })
	for _, l := range log {
		if l.Method == http.MethodPost && l.Path != "Groups" || l.Method == http.MethodPatch {
			t.Errorf("something was written for people who cannot be told apart: %s %s", l.Method, l.Path)
		}
	}
	progress, err := w.store.Progress(t.Context(), w.app.ID)
	if err != nil || progress.Parked != 3 {
		t.Errorf("parked: %+v, %v; want 3", progress, err)
	}
}

func TestMassRemovalIsHeld(t *testing.T) {
	onEach(t, func(w *world) {
		w.app.Provisioning.Hold.Removals = 10
		names := w.people("p", 40)
		w.group("All", names...)
		w.assign("All")
		w.expect(w.sync(), map[string]int{"create": 41})
		w.leave("All", names[:6]...)
		w.set(names[39], "title", "goes on")
		w.expect(w.sync(), map[string]int{"update": 1, "held": 7}) // six people and the removal of six members
		for _, n := range names[:6] {
			w.active(n, true)
		}
		w.again2(map[string]int{"held": 7})

		// One more joins those who wait instead of slipping through.
		w.leave("All", names[6])
		w.expect(w.sync(), map[string]int{"held": 9})
		w.active(names[6], true)

		// Somebody who is back is not held any more.
		w.join("All", names[0])
		w.expect(w.sync(), map[string]int{"held": 8, "skip": 2})

		held, err := w.store.HeldOperations(t.Context(), w.app.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range held {
			if o.Kind == directory.KindUser && o.Source.Name == names[1] {
				if err := w.store.Reject(t.Context(), w.app.ID, []*storeOperation{o}, "tester"); err != nil {
					t.Fatal(err)
				}
			}
			if o.Kind == directory.KindUser && o.Source.Name == names[2] {
				if err := w.store.Approve(t.Context(), w.app.ID, []*storeOperation{o}, "tester"); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.expect(w.sync(), map[string]int{"disable": 1, "held": 6})
		w.active(names[1], true)
		w.active(names[2], false)
		w.expect(w.sync(func(o *cycle.Options) { o.ApproveHeld = true }), map[string]int{"disable": 4, "update": 1})
		w.active(names[1], true) // rejected
		w.active(names[3], false)
		w.again()
	})
}

func TestPlanShowsAndSendsNothing(t *testing.T) {
	onEach(t, func(w *world) {
		small(w)
		w.set("ada", "title", "Chief")
		w.leave("Engineering", "cleo")
		app, _ := w.store.Application(t.Context(), "target")
		log := w.requests(func() {
			plan, err := w.engine.Plan(t.Context(), app, cycle.Options{Initiator: "tester", ByHand: true})
			if err != nil {
				t.Fatal(err)
			}
			w.counts(plan.Summary, map[string]int{"update": 2, "disable": 1})
			// The same again: a plan consumes nothing.
			again, err := w.engine.Plan(t.Context(), app, cycle.Options{Initiator: "tester", ByHand: true})
			if err != nil {
				t.Fatal(err)
			}
			w.counts(again.Summary, map[string]int{"update": 2, "disable": 1})

			w.set("bob", "title", "Later")
			if _, err := w.trySync(func(o *cycle.Options) { o.PlanID = plan.ID }); err == nil {
				t.Error("a plan that no longer holds was run")
			}
			w.set("bob", "title", "")
			w.expect(w.sync(func(o *cycle.Options) { o.PlanID = plan.ID }), map[string]int{"update": 2, "disable": 1, "skip": 1})
		})
		if log[0].Method == http.MethodGet {
			t.Error("the plan asked the target, with nobody to match")
		}
		w.again()
	})
}

func TestUnansweredCreateIsLookedUpAndNotRepeated(t *testing.T) {
	for name, fault := range map[string]connectortest.Fault{
		"dropped after":  {Method: "POST", Path: "Users", Drop: connectortest.AfterWrite, Times: 2},
		"dropped before": {Method: "POST", Path: "Users", Drop: connectortest.BeforeWrite, Times: 2},
		"empty 201":      {Method: "POST", Path: "Users", Committed: true, Status: 201, Body: "{}", Times: 2},
		"HTML":           {Method: "POST", Path: "Users", Committed: true, Status: 200, Body: "<html>busy</html>", Times: 2},
		"truncated":      {Method: "POST", Path: "Users", Truncate: true, Committed: true, Times: 2},
		"500 after":      {Method: "POST", Path: "Users", Committed: true, Status: 500, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := onSQLite(t)
			w.user("ada")
			w.user("bob")
			w.user("cleo")
			w.group("Engineering", "ada", "bob", "cleo")
			w.assign("Engineering")
			w.target.Fail(fault)
			if _, err := w.trySync(); err != nil {
				t.Fatal(err)
			}
			w.target.Heal()
			w.sync()
			w.sync()
			if n := len(w.target.UserIDs()); n != 3 {
				t.Errorf("%d accounts, want 3", n)
			}
			w.groupMembers("Engineering", "ada", "bob", "cleo")
			w.again()
		})
	}
}

func TestTargetThatLies(t *testing.T) {
	w := onSQLite(t)
	w.target.Behave(func(b *connectortest.Behaviour) { b.Ignore = []string{"title"} })
	w.user("ada", "title", "Engineer")
	w.user("bob")
	w.group("Engineering", "ada", "bob")
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 2, "failed": 1})
	w.again()

	w.target.Behave(func(b *connectortest.Behaviour) { b.Ignore = []string{"active"} })
	w.set("bob", "active", false)
	w.expect(w.sync(), map[string]int{"failed": 1})
	w.target.Behave(func(b *connectortest.Behaviour) { b.Ignore = nil })
	w.expect(w.sync(), map[string]int{"disable": 1})
	w.active("bob", false)
}

func TestQuirksCauseNoRewriting(t *testing.T) {
	w := onSQLite(t)
	w.target.Behave(func(b *connectortest.Behaviour) {
		b.LowerCaseUserName, b.ReformatPhones, b.HideMembers, b.EmptyUpdate, b.StringBooleans = true, true, true, true, true
	})
	w.user("Ada", "phoneNumbers", []any{map[string]any{"value": "+1 (555) 010-9999", "type": "work"}})
	w.group("Engineering", "Ada")
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 2})
	w.again()
	w.set("Ada", "title", "x")
	log := w.requests(func() { w.expect(w.sync(), map[string]int{"update": 1}) })
	if len(log) != 2 || log[1].Method != http.MethodGet {
		t.Errorf("%d requests, want the PATCH and a read where the answer has no body", len(log))
	}
	w.again()
}

func TestCredentialsRefused(t *testing.T) {
	w := onSQLite(t)
	small(w)
	w.set("ada", "title", "x")
	w.set("bob", "title", "x")
	w.target.Fail(connectortest.Fault{Status: 401, Times: -1})
	r, err := w.trySync()
	if err != nil || r.Stopped == nil || r.Stopped.Kind != provision.Unauthorised {
		t.Fatalf("want the pass stopped, got %+v, %v", r, err)
	}
	p, _ := w.store.Progress(t.Context(), w.app.ID)
	if p.Quarantine == nil || p.Escrow != 0 {
		t.Errorf("want quarantine and an untouched escrow: %+v", p)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"update": 2})
	if p, _ := w.store.Progress(t.Context(), w.app.ID); p.Quarantine != nil {
		t.Error("still in quarantine after a good cycle")
	}
	w.again()
}

func TestBreaker(t *testing.T) {
	w := onSQLite(t)
	names := w.people("p", 60)
	w.group("All", names...)
	w.assign("All")
	w.target.Fail(connectortest.Fault{Method: "POST", Status: 503, Times: -1})
	r, err := w.trySync()
	if err != nil || r.Stopped == nil {
		t.Fatalf("want the pass stopped, got %+v, %v", r, err)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"create": 61})
	w.again()
}

func TestOneBadObjectStopsNobody(t *testing.T) {
	w := onSQLite(t)
	w.target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Status: 400, Body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no such cost centre","status":"400"}`})
	w.user("ada")
	w.user("bob")
	w.user("cleo")
	w.group("Engineering", "ada", "bob", "cleo")
	w.assign("Engineering")
	w.expect(w.sync(), map[string]int{"create": 3, "failed": 1})
	// The one who failed is created by the next cycle, and the group gets the missing member.
	w.expect(w.sync(), map[string]int{"create": 1, "update": 1})
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}

func TestDrift(t *testing.T) {
	w := onSQLite(t)
	small(w)
	stranger := w.target.AddUser(map[string]any{"userName": "stranger", "active": true})
	w.target.EditUser(w.target.UserID("ada"), func(doc map[string]any) { doc["title"] = "Changed there" })
	w.target.EditUser(w.target.UserID("cleo"), func(doc map[string]any) { doc["active"] = false })
	w.target.SetMembers(w.target.GroupID("Engineering"), w.target.UserID("ada"))
	w.again() // no change in the directory: nothing is even read
	reconcile := func(o *cycle.Options) { o.Reconcile = true }
	r := w.sync(reconcile)
	w.expect(r, map[string]int{"update": 2, "skip": 2})
	if w.account("ada")["title"] != "Engineer" {
		t.Error("the title was not set again")
	}
	w.active("cleo", false) // reported, not switched on again
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	if doc := w.target.User(stranger); doc["active"] != true {
		t.Error("the stranger was touched")
	}
	w.leave("Engineering", "bob")
	w.sync()
	w.target.EditUser(w.target.UserID("bob"), func(doc map[string]any) { doc["active"] = true })
	w.sync(reconcile)
	w.active("bob", false) // a leaver who was switched on there is switched off again
}

func TestIncompleteListProposesNothing(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.Behave(func(b *connectortest.Behaviour) { b.TotalOff = 5 })
	before := len(w.target.UserIDs())
	w.expect(w.sync(func(o *cycle.Options) { o.Reconcile = true }), map[string]int{"skip": 4})
	if n := len(w.target.UserIDs()); n != before {
		t.Errorf("%d accounts, were %d", n, before)
	}
}

func TestGraceAndPolicies(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.OnUnassign = "keep"
	small(w)
	w.leave("Engineering", "ada")
	w.expect(w.sync(), map[string]int{"skip": 1, "update": 1})
	w.active("ada", true)
	w.again()
	w.app.Provisioning.OnUnassign = "disable"
	w.app.Provisioning.Grace = provision.Duration(48 * 3600 * 1e9)
	w.save()
	w.sync()
	w.active("ada", true)
	w.app.Provisioning.Grace = 0
	w.save()
	w.expect(w.sync(), map[string]int{"disable": 1, "skip": 3})
	w.active("ada", false)
}

func TestScopeFiltersAndRoles(t *testing.T) {
	w := onSQLite(t)
	w.user("ada", "department", "R&D")
	w.user("bob", "department", "Sales")
	w.user("cleo", "department", "R&D")
	w.group("Inner", "ada", "bob")
	w.group("Outer", "Inner")
	w.group("Visitors", "cleo")
	w.app.Assignments = []provision.Assignment{{Group: "Outer"}, {Group: "Visitors", Role: provision.RoleDefaultAccess}}
	w.app.Provisioning.Filters = []string{`user.department == "R&D"`}
	w.app.Provisioning.Groups.Enabled = false
	w.save()
	w.expect(w.sync(), map[string]int{"create": 1})
	w.active("ada", true)
	w.set("bob", "department", "R&D")
	w.expect(w.sync(), map[string]int{"create": 1})
	w.set("bob", "department", "Sales")
	w.expect(w.sync(), map[string]int{"disable": 1})
	w.app.Assignments[1].Role = "User"
	w.save()
	w.expect(w.sync(), map[string]int{"create": 1})
	w.again()
}

func TestAccountVanished(t *testing.T) {
	w := onSQLite(t)
	w.app.Provisioning.Drift.Accounts = "repair"
	small(w)
	w.target.RemoveUser(w.target.UserID("ada"))
	w.set("ada", "title", "New")
	w.sync()
	w.sync()
	w.active("ada", true)
	w.groupMembers("Engineering", "ada", "bob", "cleo")
	w.again()
}
