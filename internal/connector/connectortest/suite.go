package connectortest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
)

// Bench is a connector at a target, with what the suite must know of the target beyond the contract,
// asked past the connector. Several benches may share a target when their people and groups differ.
type Bench struct {
	Connector connector.Connector
	Refused   connector.Connector // at the same target, with credentials that it refuses

	User  func(n int) attr.Set       // wanted attributes of the n-th of many different people
	Group func(name string) attr.Set // wanted attributes of a group
	Match string                     // path of a matching attribute of people
	Text  string                     // path of an attribute of people that holds any text, set by User
	NoID  string                     // an id that no account of the target has

	Active  func(id string) bool        // whether this one is there and enabled
	Members func(group string) []string // who is in a group, nil when there is no such group
}

// Run holds a connector to its contract. Each subtest opens a bench of its own.
func Run(t *testing.T, open func(t *testing.T) Bench) {
	for name, law := range map[string]func(*testing.T, Bench){
		"create shows what was wanted":         createShows,
		"create refuses a second account":      createTwice,
		"read by id":                           readByID,
		"read by attribute":                    readByAttribute,
		"read everything":                      readAll,
		"update changes only what differs":     updateSome,
		"update of nobody is not found":        updateNobody,
		"disable and enable":                   disableEnable,
		"removals of nobody succeed":           removeNobody,
		"group with members":                   groupMembers,
		"a bad member is refused alone":        badMember,
		"credentials are refused":              refusedCredentials,
		"what is given up says so":             givenUp,
		"test connection":                      testReads,
		"an update without edits sends little": updateNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			law(t, open(t))
		})
	}
}

// collect reads to the end.
func collect(t *testing.T, c connector.Connector, q connector.Query) ([]connector.Account, error) {
	t.Helper()
	var out []connector.Account
	for a, err := range c.Read(t.Context(), q) {
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// must writes a change that has to succeed, and checks what every outcome promises.
func (b Bench) must(t *testing.T, c connector.Change) connector.Outcome {
	t.Helper()
	out, err := b.Connector.Write(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: %v", c.Action, err)
	}
	if out.Requests < 1 || out.Exchange == nil {
		t.Errorf("%s: %d requests were counted, exchange %v", c.Action, out.Requests, out.Exchange)
	}
	if c.Action == connector.Create && (out.Account == nil || out.Account.ID == "") {
		t.Fatalf("create: no account in the outcome")
	}
	return out
}

// fails writes a change that has to fail in one way.
func (b Bench) fails(t *testing.T, c connector.Change, kind connector.Failure) *connector.Error {
	t.Helper()
	_, err := b.Connector.Write(t.Context(), c)
	return want(t, err, kind)
}

func want(t *testing.T, err error, kind connector.Failure) *connector.Error {
	t.Helper()
	var e *connector.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error of kind %s", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("got kind %s (%v), want %s", e.Kind, e, kind)
	}
	if e.Reason == "" || e.Code == "" {
		t.Errorf("an error without reason or code: %+v", e)
	}
	return e
}

func (b Bench) create(t *testing.T, n int) connector.Account {
	t.Helper()
	return *b.must(t, connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: b.User(n), Urgency: connector.CreateUpdate}).Account
}

func (b Bench) byID(t *testing.T, kind directory.Kind, id string) *connector.Account {
	t.Helper()
	all, err := collect(t, b.Connector, connector.Query{Kind: kind, ID: id, Members: true})
	if err != nil {
		t.Fatalf("read %s: %v", id, err)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return &all[0]
	}
	t.Fatalf("%d accounts have the id %s", len(all), id)
	return nil
}

// find returns the accounts that have the n-th person's matching attribute.
func (b Bench) find(t *testing.T, n int) []connector.Account {
	t.Helper()
	value, _ := b.User(n)[b.Match].(string)
	found, err := collect(t, b.Connector, connector.Query{Kind: directory.KindUser, Path: b.Match, Value: value})
	if err != nil {
		t.Fatalf("%s %q: %v", b.Match, value, err)
	}
	return found
}

func createShows(t *testing.T, b Bench) {
	a := b.create(t, 1)
	if !b.Active(a.ID) || !a.Active {
		t.Errorf("the account is not enabled (shown: %v)", a.Active)
	}
	again := b.byID(t, directory.KindUser, a.ID)
	if again == nil {
		t.Fatal("the account cannot be read by the id of the outcome")
	}
	for path, v := range b.User(1) {
		shown, known := again.Values[path]
		if known && !attr.Similar(shown, v) {
			t.Errorf("%s is %v, want %v", path, shown, v)
		}
	}
	if again.Name == "" {
		t.Error("the account has no name")
	}
}

func createTwice(t *testing.T, b Bench) {
	b.create(t, 1)
	b.fails(t, connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: b.User(1)}, connector.Conflict)
	if found := b.find(t, 1); len(found) != 1 {
		t.Errorf("%d accounts for one person", len(found))
	}
}

func readByID(t *testing.T, b Bench) {
	b.create(t, 1)
	if a := b.byID(t, directory.KindUser, b.NoID); a != nil {
		t.Errorf("an account was found that is not there: %+v", a)
	}
}

func readByAttribute(t *testing.T, b Bench) {
	var ids []string
	for n := range 3 {
		ids = append(ids, b.create(t, n).ID)
	}
	if found := b.find(t, 1); len(found) != 1 || found[0].ID != ids[1] {
		t.Errorf("%s finds %v, want %s", b.Match, found, ids[1])
	}
	value, _ := b.User(1)[b.Match].(string)
	found, err := collect(t, b.Connector, connector.Query{Kind: directory.KindUser, Path: b.Match, Value: "nobody-" + value})
	if err != nil || len(found) != 0 {
		t.Errorf("nobody's value finds %v, %v", found, err)
	}
}

func readAll(t *testing.T, b Bench) {
	const n = 25
	made := map[string]bool{}
	for i := range n {
		made[b.create(t, i).ID] = true
	}
	all, err := collect(t, b.Connector, connector.Query{Kind: directory.KindUser, Urgency: connector.ReconcileRead})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range all {
		if seen[a.ID] {
			t.Errorf("%s comes twice", a.ID)
		}
		seen[a.ID] = true
	}
	for id := range made {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
	for range b.Connector.Read(t.Context(), connector.Query{Kind: directory.KindUser}) {
		break // whoever has enough may stop
	}
}

func updateSome(t *testing.T, b Bench) {
	a := b.create(t, 1)
	want := b.User(1)
	old := want[b.Text]
	want[b.Text] = "Principal Engineer"
	b.must(t, connector.Change{
		Kind: directory.KindUser, Action: connector.Update, ID: a.ID, Want: want,
		Edits: []attr.Edit{{Path: b.Text, Old: old, New: "Principal Engineer"}},
	})
	b.shows(t, a.ID, want)
	want[b.Text] = nil
	b.must(t, connector.Change{
		Kind: directory.KindUser, Action: connector.Update, ID: a.ID, Want: want,
		Edits: []attr.Edit{{Path: b.Text, Old: "Principal Engineer", New: nil}},
	})
	b.shows(t, a.ID, want)
	if !b.Active(a.ID) {
		t.Error("an update disabled the account")
	}
}

// shows checks the account's values after a change.
func (b Bench) shows(t *testing.T, id string, want attr.Set) {
	t.Helper()
	a := b.byID(t, directory.KindUser, id)
	if a == nil {
		t.Fatal("the account is gone")
	}
	for path, v := range want {
		if shown, known := a.Values[path]; known && !attr.Similar(shown, v) {
			t.Errorf("%s is %v, want %v", path, shown, v)
		}
	}
}

func updateNobody(t *testing.T, b Bench) {
	b.fails(t, connector.Change{
		Kind: directory.KindUser, Action: connector.Update, ID: b.NoID, Want: b.User(1),
		Edits: []attr.Edit{{Path: b.Text, Old: "x", New: "y"}},
	}, connector.NotFound)
}

func updateNothing(t *testing.T, b Bench) {
	a := b.create(t, 1)
	out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: a.ID, Want: b.User(1)})
	if err != nil || out.Requests != 0 {
		t.Errorf("an update of nothing took %d requests, %v", out.Requests, err)
	}
}

func disableEnable(t *testing.T, b Bench) {
	a := b.create(t, 1)
	disable := connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: a.ID, Name: a.Name, Want: b.User(1), Urgency: connector.Removal}
	b.must(t, disable)
	if _, err := b.Connector.Write(t.Context(), disable); err != nil { // it may be repeated, where disabled accounts are not hidden
		want(t, err, connector.NotFound)
	}
	if b.Active(a.ID) {
		t.Fatal("the account is still enabled")
	}
	back := b.User(1)
	old := back[b.Text]
	back[b.Text] = "Returned"
	b.must(t, connector.Change{
		Kind: directory.KindUser, Action: connector.Enable, ID: a.ID, Want: back,
		Edits: []attr.Edit{{Path: b.Text, Old: old, New: "Returned"}},
	})
	if !b.Active(a.ID) {
		t.Fatal("the account is not enabled again")
	}
	b.shows(t, a.ID, back)
}

func removeNobody(t *testing.T, b Bench) {
	// That somebody is gone is for the engine to believe, which asks once more.
	b.fails(t, connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: b.NoID, Urgency: connector.Removal}, connector.NotFound)
	b.fails(t, connector.Change{Kind: directory.KindUser, Action: connector.Delete, ID: b.NoID, Urgency: connector.Removal}, connector.NotFound)
	b.fails(t, connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: b.NoID, Urgency: connector.Removal}, connector.NotFound)
}

func groupMembers(t *testing.T, b Bench) {
	var people []string
	for n := range 4 {
		people = append(people, b.create(t, n).ID)
	}
	check := func(group string, want ...string) {
		t.Helper()
		if have := slices.Sorted(slices.Values(b.Members(group))); !slices.Equal(have, slices.Sorted(slices.Values(want))) {
			t.Errorf("members are %v, want %v", have, want)
		}
		a := b.byID(t, directory.KindGroup, group)
		if a == nil {
			t.Fatal("the group cannot be read")
		}
		if a.MembersKnown && !slices.Equal(slices.Sorted(slices.Values(a.Members)), slices.Sorted(slices.Values(want))) {
			t.Errorf("the members shown are %v, want %v", a.Members, want)
		}
	}
	out := b.must(t, connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: b.Group("Engineering"), Add: people[:2], Urgency: connector.Groups})
	if !slices.Equal(out.Added, people[:2]) || len(out.Refused) != 0 {
		t.Errorf("added %v, refused %v; want %v", out.Added, out.Refused, people[:2])
	}
	group := out.Account.ID
	check(group, people[0], people[1])
	out = b.must(t, connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Want: b.Group("Engineering"), Add: people[2:], Remove: people[:1]})
	if !slices.Equal(out.Added, people[2:]) || !slices.Equal(out.Removed, people[:1]) {
		t.Errorf("added %v, removed %v", out.Added, out.Removed)
	}
	check(group, people[1], people[2], people[3])
	b.must(t, connector.Change{
		Kind: directory.KindGroup, Action: connector.Update, ID: group, Want: b.Group("Research"),
		Edits: attr.Diff(b.Group("Engineering"), b.Group("Research")),
	})
	check(group, people[1], people[2], people[3])
	b.must(t, connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Want: b.Group("Research"), Remove: people[1:]})
	check(group)
	b.must(t, connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: group, Urgency: connector.Removal})
	if a := b.byID(t, directory.KindGroup, group); a != nil {
		t.Error("the group is still there")
	}
	for _, id := range people {
		if !b.Active(id) {
			t.Errorf("%s went with the group", id)
		}
	}
}

func badMember(t *testing.T, b Bench) {
	var people []string
	for n := range 5 {
		people = append(people, b.create(t, n).ID)
	}
	group := b.must(t, connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: b.Group("Mixed")}).Account.ID
	add := slices.Insert(slices.Clone(people), 2, b.NoID)
	out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Want: b.Group("Mixed"), Add: add})
	if err != nil {
		t.Fatal(err)
	}
	if have := slices.Sorted(slices.Values(b.Members(group))); !slices.Equal(slices.DeleteFunc(have, func(id string) bool { return id == b.NoID }), slices.Sorted(slices.Values(people))) {
		t.Errorf("members are %v, want %v", have, people)
	}
	// A target that takes members it doesn't know refuses none.
	if len(out.Refused) > 1 || len(out.Refused) == 1 && (out.Refused[0].ID != b.NoID || out.Refused[0].Err == nil) {
		t.Errorf("refused %v, want %s alone", out.Refused, b.NoID)
	}
	if len(out.Added)+len(out.Refused) != len(add) {
		t.Errorf("added %v and refused %v of %v", out.Added, out.Refused, add)
	}
}

func refusedCredentials(t *testing.T, b Bench) {
	_, err := b.Refused.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: b.User(1)})
	if e := want(t, err, connector.Unauthorised); e.Unknown {
		t.Error("a request that was refused for its credentials is said to be perhaps carried out")
	}
	_, err = collect(t, b.Refused, connector.Query{Kind: directory.KindUser})
	want(t, err, connector.Unauthorised)
	if d := b.Refused.Test(t.Context()); d.OK || d.Code != connector.DiagnosisToken || d.Message == "" || d.Next == "" {
		t.Errorf("Test says %+v", d)
	}
}

func givenUp(t *testing.T, b Bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Connector.Write(ctx, connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: b.User(1)})
	if e := want(t, err, connector.Canceled); e.Unknown {
		t.Error("a request that was never sent is said to be perhaps carried out")
	}
	for _, err := range b.Connector.Read(ctx, connector.Query{Kind: directory.KindUser}) {
		want(t, err, connector.Canceled)
	}
	if found := b.find(t, 1); len(found) != 0 {
		t.Errorf("%d accounts were created", len(found))
	}
}

func testReads(t *testing.T, b Bench) {
	d := b.Connector.Test(t.Context())
	if !d.OK || d.Code != connector.DiagnosisOK || d.Message == "" {
		t.Errorf("Test says %+v", d)
	}
}

// Person returns wanted attributes of the n-th of many people, as the template scim2 maps them.
func Person(n int) attr.Set {
	i := strconv.Itoa(n)
	return attr.Set{
		"userName":                           "person" + i + "@example.org",
		`emails[type eq "work"].value`:       "person" + i + "@example.org",
		"externalId":                         "ext-" + i,
		"name.givenName":                     "Ada" + i,
		"name.familyName":                    "Lovelace",
		"displayName":                        "Ada Lovelace " + i,
		"title":                              "Engineer",
		`phoneNumbers[type eq "work"].value`: "+1 555 010-" + strconv.Itoa(1000+n),
		`addresses[type eq "work"].locality`: "London",
		`addresses[type eq "work"].country`:  "GB",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "R&D",
	}
}

// GroupNamed returns wanted attributes of a group.
func GroupNamed(name string) attr.Set { return attr.Set{"displayName": name} }

// Paths returns the paths of a set: what an application that wants it maps.
func Paths(s attr.Set) []string {
	out := make([]string, 0, len(s))
	for p := range s {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
