package cycle_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/mapping"
)

// slackDoes sends one request to the emulated Slack past Muster.
func (w *world) slackDoes(method, path string, body any) map[string]any {
	w.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.app.Connection.Endpoint+path, bytes.NewReader(sent))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer xoxp-world")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var doc map[string]any
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode > 299 {
		w.t.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, doc, err)
	}
	return doc
}

// Slack names the account that stands in the way of a new one. That of a person's own address is adopted; that of
// the person's second address is somebody else's, and nobody touches it.
func TestAccountThatStandsInTheWay(t *testing.T) {
	w := onSQLite(t)
	w.onSlack(func(*http.Request) {})
	const home = `emails[type eq "home"].value`
	w.app.Mappings.Users = append(w.app.Mappings.Users, mapping.Mapping{Target: home, Source: home})
	w.save()
	stranger := w.slackDoes("POST", "Users", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "stranger", "title": "Nobody's business",
		"name": map[string]any{"givenName": "S", "familyName": "T"}, "emails": []any{map[string]any{"value": "shared@example.org", "primary": true}},
	})
	// The address that ada has now is the second one of an account that was there before.
	known := w.slackDoes("POST", "Users", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "countess", "active": false,
		"name":   map[string]any{"givenName": "A", "familyName": "L"},
		"emails": []any{map[string]any{"value": "countess@example.org", "primary": true}, map[string]any{"value": "ada@example.org"}},
	})
	address := func(of, kind string, primary bool) map[string]any {
		return map[string]any{"value": of + "@example.org", "type": kind, "primary": primary}
	}
	w.user("ada")
	w.user("bob", "emails", []any{address("bob", "work", true), address("shared", "home", false)})
	r := w.sync()
	w.expect(r, map[string]int{"enable": 1, "failed": 1})
	after := w.slackDoes("GET", "Users/"+stranger["id"].(string), nil)
	if after["userName"] != "stranger" || after["title"] != "Nobody's business" {
		t.Errorf("the stranger was touched: %v", after)
	}
	if ada := w.slackDoes("GET", "Users/"+known["id"].(string), nil); ada["userName"] != "ada" || ada["active"] != true {
		t.Errorf("ada's own account was not adopted: %v", ada)
	}
	for _, o := range w.operations(r.Cycle.ID) {
		if o.Source.Name == "bob" && (o.Error == nil || o.Error.Code != "email_taken") {
			t.Errorf("bob: %+v", o.Error)
		}
	}
}

// A workspace that is listed once shows second addresses as a search does: the plan says that an account is taken over, not that
// one is made.
func TestListShowsSecondAddress(t *testing.T) {
	w := onSQLite(t)
	w.onSlack(func(*http.Request) {})
	w.save()
	w.slackDoes("POST", "Users", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "countess",
		"name":   map[string]any{"givenName": "A", "familyName": "L"},
		"emails": []any{map[string]any{"value": "countess@example.org", "primary": true}, map[string]any{"value": "ada@example.org"}},
	})
	for _, name := range []string{"ada", "bob", "cyd", "dan"} {
		w.user(name)
	}
	app, err := w.store.Application(t.Context(), "target")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.engine.Plan(t.Context(), app, cycle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.counts(plan.Summary, map[string]int{"create": 3, "update": 1})
	w.expect(w.sync(), map[string]int{"create": 3, "update": 1})
}

// Whoever comes back under a name that another account has is let in all the same, under the old one; the name stays due, and
// is told of.
func TestReturnUnderATakenName(t *testing.T) {
	for _, how := range []string{"returns", "switched off there"} {
		t.Run(how, func(t *testing.T) {
			w := onSQLite(t)
			w.app.Provisioning.Drift.Accounts = "repair"
			small(w)
			id := w.target.UserID("ada")
			w.target.AddUser(map[string]any{"userName": "countess", "active": true, "emails": []any{map[string]any{"value": "c@elsewhere.example", "type": "work", "primary": true}}})
			if how == "returns" {
				w.off("ada")
				w.sync()
				w.set("ada", "active", true, "userName", "countess", "title", "Countess")
				w.sync()
			} else {
				w.target.EditUser(id, func(doc map[string]any) { doc["active"] = false })
				w.set("ada", "userName", "countess", "title", "Countess")
				w.sync(reconciling)
			}
			if doc := w.target.User(id); doc["active"] != true || doc["userName"] != "ada" {
				t.Errorf("she is locked out: %v", doc)
			}
			if p := w.stands(); p.Escrow != 1 {
				t.Errorf("escrow: %d, want her name in it", p.Escrow)
			}
			// The name is free: the rest follows.
			w.target.RemoveUser(w.target.UserID("countess"))
			w.sync()
			if doc := w.target.User(id); doc["userName"] != "countess" || doc["title"] != "Countess" || doc["active"] != true {
				t.Errorf("what was due did not follow: %v", doc)
			}
			if p := w.stands(); p.Escrow != 0 {
				t.Errorf("escrow: %d", p.Escrow)
			}
			w.again()
		})
	}
}
