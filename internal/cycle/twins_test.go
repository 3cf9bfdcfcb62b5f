package cycle_test

import (
	"testing"

	"github.com/muster-id/muster/internal/connector/connectortest"
)

// TestTwoNewcomersWithOneIdentity: the accounts of two people who share the first matching attribute
// could not be told apart; neither is made, and both are named.
func TestTwoNewcomersWithOneIdentity(t *testing.T) {
	onEach(t, func(w *world) {
		for i, m := range w.app.Mappings.Users {
			switch m.Match {
			case 1:
				w.app.Mappings.Users[i].Match = 2
			case 2:
				w.app.Mappings.Users[i].Match = 1
			}
		}
		shared := []any{map[string]any{"value": "shared@example.org", "type": "work", "primary": true}}
		w.user("ada", "emails", shared)
		w.user("twin", "emails", shared)
		w.user("bob")
		w.group("Engineering", "ada", "twin", "bob")
		w.assign("Engineering")
		w.expect(w.sync(), map[string]int{"create": 2, "failed": 2})
		if n := len(w.target.UserIDs()); n != 1 {
			t.Errorf("%d accounts, want bob's alone", n)
		}
		w.set("twin", "emails", []any{map[string]any{"value": "twin@example.org", "type": "work", "primary": true}})
		// Both join the group together, or one after the other: that depends on when their accounts are known.
		if r := w.sync(); r.Summary["create"] != 2 || r.Summary["update"] < 1 || r.Summary["update"] > 2 || r.Failed != 0 {
			t.Errorf("%v, %d failed", r.Summary, r.Failed)
		}
		w.groupMembers("Engineering", "ada", "twin", "bob")
		w.again()
	})
}

// TestConflictWithAnAccountOfTheSamePass: the account that stands in a create's way may be one that
// the same pass has just made for somebody else, and that no link tells of yet. It is not adopted.
func TestConflictWithAnAccountOfTheSamePass(t *testing.T) {
	w := onSQLite(t)
	shared := []any{map[string]any{"value": "shared@example.org", "type": "work", "primary": true}}
	w.user("ada", "emails", shared)
	w.user("twin", "emails", shared)
	w.group("Engineering", "ada", "twin")
	w.assign("Engineering")
	// The target refuses one of the two creates as a conflict; looking by e-mail finds the other's account.
	w.target.Fail(connectortest.Fault{Method: "POST", Path: "Users", After: 1, Status: 409})
	r, err := w.trySync()
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed != 1 {
		t.Errorf("%d failed, want 1: %s", r.Failed, w.problems(r.Cycle.ID))
	}
	ids := w.target.UserIDs()
	if len(ids) != 1 {
		t.Fatalf("%d accounts, want 1", len(ids))
	}
	if name := w.target.User(ids[0])["userName"]; name != "ada" && name != "twin" {
		t.Errorf("the account is called %v", name)
	}
	p := w.stands()
	if p.Links != 2 { // one person and the group
		t.Errorf("%d links, want 2", p.Links)
	}
}

// TestAdoptionKeepsWhatTheDirectoryDoesNotKnow: clearing is for values that the directory had and lost.
func TestAdoptionKeepsWhatTheDirectoryDoesNotKnow(t *testing.T) {
	w := onSQLite(t)
	w.target.AddUser(map[string]any{"userName": "ada", "active": true, "title": "Kept", "timezone": "Europe/Berlin"})
	w.user("ada")
	w.group("Engineering", "ada")
	w.assign("Engineering")
	w.sync()
	if doc := w.account("ada"); doc["title"] != "Kept" || doc["timezone"] != "Europe/Berlin" {
		t.Errorf("adoption cleared what the directory says nothing about: %v", doc)
	}
	w.again()
	w.set("ada", "title", "Ours")
	w.sync()
	w.set("ada", "title", "")
	w.sync()
	if title := w.account("ada")["title"]; title != nil && title != "" {
		t.Errorf("a title that the directory had and lost is still %v", title)
	}
}

// TestEndpointThatSendsElsewhere: a redirect to another host is the endpoint's fault and ends the pass;
// nobody goes into escrow for it.
func TestEndpointThatSendsElsewhere(t *testing.T) {
	w := onSQLite(t)
	w.user("ada")
	w.group("Engineering", "ada")
	w.assign("Engineering")
	w.target.Fail(connectortest.Fault{Times: -1, RedirectTo: "http://127.0.0.2:9/scim/v2/Users"})
	r, err := w.trySync()
	if err != nil || r.Stopped == nil {
		t.Fatalf("want the pass stopped, got %+v, %v", r, err)
	}
	if p := w.stands(); p.Quarantine == nil || p.Escrow != 0 {
		t.Errorf("want quarantine and an empty escrow: %+v", p)
	}
	w.target.Heal()
	w.expect(w.sync(), map[string]int{"create": 2})
	w.again()
}
