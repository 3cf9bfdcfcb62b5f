package scim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/directory"
)

const (
	mail       = `emails[type eq "work"].value`
	city       = `addresses[type eq "work"].locality`
	country    = `addresses[type eq "work"].country`
	department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
	manager    = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
)

// TestWire checks, to the letter, what goes out for a change.
func TestWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options map[string]string
		change  connector.Change
		want    []string // "METHOD path body"
	}{
		"create": {
			change: connector.Change{Action: connector.Create, Want: attr.Set{
				"userName": "ada", mail: "ada@example.org", "name.givenName": "Ada", department: "R&D", manager: "U7", "title": nil, city: "London", country: "GB",
			}},
			want: []string{`POST Users {"active":true,"addresses":[{"country":"GB","locality":"London","type":"work"}],
				"emails":[{"primary":true,"type":"work","value":"ada@example.org"}],"name":{"givenName":"Ada"},
				"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"U7"}},"userName":"ada"}`},
		},
		"update of plain attributes": {
			change: edit(attr.Edit{Path: "name.givenName", Old: "A", New: "Ada"}, attr.Edit{Path: "title", Old: "Dr", New: nil}, attr.Edit{Path: department, Old: nil, New: "R&D"}),
			want: []string{`PATCH Users/U1 {"Operations":[{"op":"replace","path":"name.givenName","value":"Ada"},{"op":"remove","path":"title"},
				{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"R&D"}],
				"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`},
		},
		"the manager goes as a whole": {
			change: edit(attr.Edit{Path: manager, Old: "U7", New: nil}),
			want:   []string{ops(`{"op":"remove","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"}`)},
		},
		"an address that is there is replaced": {
			change: edit(attr.Edit{Path: mail, Old: "a@example.org", New: "ada@example.org"}),
			want:   []string{ops(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"ada@example.org"}`)},
		},
		"an address that is not there is added whole": {
			change: edit(attr.Edit{Path: mail, Old: nil, New: "ada@example.org"}),
			want:   []string{ops(`{"op":"add","path":"emails","value":[{"primary":true,"type":"work","value":"ada@example.org"}]}`)},
		},
		"an address that is lost goes whole": {
			change: edit(attr.Edit{Path: mail, Old: "ada@example.org", New: nil}),
			want:   []string{ops(`{"op":"remove","path":"emails[type eq \"work\"]"}`)},
		},
		"parts of one address go together": {
			change: edit(attr.Edit{Path: city, Old: nil, New: "London"}, attr.Edit{Path: country, Old: nil, New: "GB"}),
			want:   []string{ops(`{"op":"add","path":"addresses","value":[{"country":"GB","locality":"London","type":"work"}]}`)},
		},
		"a part of an address that stays": {
			change: with(edit(attr.Edit{Path: city, Old: nil, New: "London"}), attr.Set{city: "London", country: "GB"}),
			want:   []string{ops(`{"op":"add","path":"addresses[type eq \"work\"].locality","value":"London"}`)},
		},
		"a part of an address is lost": {
			change: with(edit(attr.Edit{Path: city, Old: "London", New: nil}), attr.Set{city: nil, country: "GB"}),
			want:   []string{ops(`{"op":"remove","path":"addresses[type eq \"work\"].locality"}`)},
		},
		"pathless": {
			options: map[string]string{"patch_style": "pathless"},
			change:  edit(attr.Edit{Path: "name.givenName", Old: "A", New: "Ada"}, attr.Edit{Path: "title", Old: "x", New: "y"}, attr.Edit{Path: "locale", Old: "en", New: nil}),
			want:    []string{ops(`{"op":"replace","value":{"name.givenName":"Ada","title":"y"}},{"op":"remove","path":"locale"}`)},
		},
		"disable": {
			change: connector.Change{Action: connector.Disable, ID: "U1"},
			want:   []string{ops(`{"op":"replace","path":"active","value":false}`)},
		},
		"disable by delete": {
			options: map[string]string{"disable": "delete"},
			change:  connector.Change{Action: connector.Disable, ID: "U1"},
			want:    []string{`DELETE Users/U1 `},
		},
		"enable with edits": {
			change: connector.Change{Action: connector.Enable, ID: "U1", Edits: []attr.Edit{{Path: "title", Old: "x", New: "y"}}},
			want:   []string{ops(`{"op":"replace","path":"active","value":true},{"op":"replace","path":"title","value":"y"}`)},
		},
		"delete": {
			change: connector.Change{Action: connector.Delete, ID: "U1"},
			want:   []string{`DELETE Users/U1 `},
		},
		"an id that wants escaping": {
			change: connector.Change{Action: connector.Delete, ID: "a/b?c d"},
			want:   []string{`DELETE Users/a/b?c d `},
		},
		"group with members": {
			change: connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: attr.Set{"displayName": "R&D"}, Add: []string{"U1", "U2"}},
			want:   []string{`POST Groups {"displayName":"R&D","members":[{"value":"U1"},{"value":"U2"}],"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]}`},
		},
		"group's members and name in one request": {
			change: connector.Change{
				Kind: directory.KindGroup, Action: connector.Update, ID: "G1", Add: []string{"U1"}, Remove: []string{"U2", "U3"},
				Edits: []attr.Edit{{Path: "displayName", Old: "a", New: "b"}},
			},
			want: []string{groupOps(`{"op":"replace","path":"displayName","value":"b"},{"op":"remove","path":"members[value eq \"U2\"]"},
				{"op":"remove","path":"members[value eq \"U3\"]"},{"op":"add","path":"members","value":[{"value":"U1"}]}`)},
		},
		"group's members apart": {
			options: map[string]string{"mix_members": "false", "member_batch": "2", "member_removal": "value"},
			change: connector.Change{
				Kind: directory.KindGroup, Action: connector.Update, ID: "G1", Add: []string{"U1"}, Remove: []string{"U2", "U3", "U4"},
				Edits: []attr.Edit{{Path: "displayName", Old: "a", New: "b"}},
			},
			want: []string{
				groupOps(`{"op":"replace","path":"displayName","value":"b"}`),
				groupOps(`{"op":"remove","path":"members","value":[{"value":"U2"},{"value":"U3"}]}`),
				groupOps(`{"op":"remove","path":"members","value":[{"value":"U4"}]}`),
				groupOps(`{"op":"add","path":"members","value":[{"value":"U1"}]}`),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, endpoint := connectortest.Serve(t, connectortest.Behaviour{})
			target.Fail(connectortest.Fault{Times: -1, Body: `{"id":"U1"}`})
			if c.change.Kind == "" {
				c.change.Kind = directory.KindUser
			}
			if c.change.Kind == directory.KindGroup {
				target.Heal()
				target.Fail(connectortest.Fault{Times: -1, Body: `{"id":"G1"}`})
			}
			if _, err := open(t, endpoint, connectortest.Token, c.options).Write(t.Context(), c.change); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range target.Log() {
				got = append(got, r.Method+" "+r.Path+" "+flat(r.Body))
			}
			var want []string
			for _, w := range c.want {
				parts := strings.SplitN(w, " {", 2)
				if len(parts) == 2 {
					w = parts[0] + " " + flat("{"+parts[1])
				}
				want = append(want, w)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func edit(edits ...attr.Edit) connector.Change {
	return connector.Change{Action: connector.Update, ID: "U1", Edits: edits}
}

func with(c connector.Change, want attr.Set) connector.Change {
	c.Want = want
	return c
}

func ops(list string) string {
	return `PATCH Users/U1 {"Operations":[` + list + `],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`
}

func groupOps(list string) string {
	return strings.Replace(ops(list), "Users/U1", "Groups/G1", 1)
}

// flat writes JSON in one form.
func flat(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// TestCreateGoesWrong checks what becomes of a create whose answer cannot be used: whether it may have
// been carried out decides whether there will be a second account.
func TestCreateGoesWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does    connectortest.Behaviour
		fault   connectortest.Fault
		kind    connector.Failure
		code    string
		unknown bool
		there   bool // the target has the account
	}{
		"dropped after commit":       {fault: connectortest.Fault{Drop: connectortest.AfterWrite}, kind: connector.Unavailable, code: connector.CodeReset, unknown: true, there: true},
		"dropped before commit":      {fault: connectortest.Fault{Drop: connectortest.BeforeWrite}, kind: connector.Unavailable, code: connector.CodeReset, unknown: true},
		"empty answer, no location":  {does: connectortest.Behaviour{EmptyCreate: true, NoLocation: true}, kind: connector.Unavailable, code: connector.CodeNoID, unknown: true, there: true},
		"an object without an id":    {fault: connectortest.Fault{Committed: true, Status: 201, Body: `{}`}, kind: connector.Unavailable, code: connector.CodeNoID, unknown: true, there: true},
		"a page":                     {fault: connectortest.Fault{Committed: true, Status: 200, Body: `<html>Sign in</html>`}, kind: connector.Unavailable, code: connector.CodeNotJSON, unknown: true, there: true},
		"a list":                     {fault: connectortest.Fault{Committed: true, Status: 201, Body: `[1]`}, kind: connector.Unavailable, code: connector.CodeNoID, unknown: true, there: true},
		"half of the answer":         {fault: connectortest.Fault{Truncate: true}, kind: connector.Unavailable, code: connector.CodeNotJSON, unknown: true, there: true},
		"deep":                       {fault: connectortest.Fault{Committed: true, Deep: 10_000}, kind: connector.Unavailable, code: connector.CodeTooLarge, unknown: true, there: true},
		"huge":                       {fault: connectortest.Fault{Committed: true, Huge: 64 << 20}, kind: connector.Unavailable, code: connector.CodeTooLarge, unknown: true, there: true},
		"endless":                    {fault: connectortest.Fault{Committed: true, Endless: true}, kind: connector.Unavailable, code: connector.CodeTooLarge, unknown: true, there: true},
		"500 after commit":           {fault: connectortest.Fault{Committed: true, Status: 500}, kind: connector.Unavailable, code: connector.CodeServerError, unknown: true, there: true},
		"502 page":                   {fault: connectortest.Fault{Status: 502, Body: "<html>"}, kind: connector.Unavailable, code: connector.CodeServerError, unknown: true},
		"503 with a pause":           {fault: connectortest.Fault{Status: 503, Header: map[string]string{"Retry-After": "1"}}, kind: connector.Unavailable, code: connector.CodeMaintenance, unknown: true},
		"400":                        {fault: connectortest.Fault{Status: 400}, kind: connector.Rejected},
		"400 uniqueness":             {fault: connectortest.Fault{Status: 400, Body: `{"scimType":"uniqueness"}`}, kind: connector.Conflict, code: connector.CodeUniqueness},
		"401":                        {fault: connectortest.Fault{Status: 401}, kind: connector.Unauthorised},
		"403":                        {fault: connectortest.Fault{Status: 403}, kind: connector.Forbidden},
		"404 is a wrong address":     {fault: connectortest.Fault{Status: 404}, kind: connector.Unavailable, code: connector.CodeEndpoint},
		"409 without words":          {fault: connectortest.Fault{Status: 409, Body: ``}, kind: connector.Conflict},
		"redirected":                 {fault: connectortest.Fault{RedirectTo: "https://example.org/scim/v2/Users"}, kind: connector.Unavailable, code: connector.CodeRedirected},
		"a seat limit it lies about": {does: connectortest.Behaviour{CreateRefused: true, EmptyCreate: true, NoLocation: true}, kind: connector.Unavailable, code: connector.CodeNoID, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, nil)
			if c.fault.Status != 0 || c.fault.Body != "" || c.fault.Drop != 0 || c.fault.Truncate || c.fault.Deep+c.fault.Huge > 0 || c.fault.Endless || c.fault.RedirectTo != "" {
				c.fault.Method = http.MethodPost
				target.Fail(c.fault)
			}
			out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: connectortest.Person(1)})
			var e *connector.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Kind != c.kind || c.code != "" && e.Code != c.code || e.Unknown != c.unknown {
				t.Errorf("got kind %s, code %s, unknown %v (%v); want %s, %s, %v", e.Kind, e.Code, e.Unknown, e, c.kind, c.code, c.unknown)
			}
			if e.Advice == "" || e.Exchange == nil {
				t.Errorf("no advice or no exchange: %+v", e)
			}
			if out.Requests != 1 || target.Count("POST", "Users") != 1 {
				t.Errorf("%d requests counted, %d creates arrived; want one of each", out.Requests, target.Count("POST", "Users"))
			}
			if there := len(target.UserIDs()) == 1; there != c.there {
				t.Errorf("the account is there: %v, want %v", there, c.there)
			}
		})
	}
}

// TestThrottledWriteIsRepeated checks that 429, which says that nothing was done, is waited out.
func TestThrottledWriteIsRepeated(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{}, nil)
	target.Fail(connectortest.Fault{Status: 429, Header: map[string]string{"Retry-After": "1"}, Times: 1})
	out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: connectortest.Person(1)})
	if err != nil || out.Account == nil || out.Requests != 2 || len(target.UserIDs()) != 1 {
		t.Errorf("%d requests, %d accounts, %v", out.Requests, len(target.UserIDs()), err)
	}
}

// TestUpdateGoesWrong checks writes that name an account.
func TestUpdateGoesWrong(t *testing.T) {
	t.Parallel()
	title := []attr.Edit{{Path: "title", Old: "Engineer", New: "Principal"}}
	for name, c := range map[string]struct {
		does    connectortest.Behaviour
		fault   *connectortest.Fault
		kind    connector.Failure // "" for success
		unknown bool
		shown   any // title in the outcome; "none" when it shows no account
	}{
		"fine":                  {shown: "Principal"},
		"no body":               {does: connectortest.Behaviour{EmptyUpdate: true}, shown: "none"},
		"an empty object":       {does: connectortest.Behaviour{ObjectUpdate: true}, shown: "none"},
		"another account":       {fault: &connectortest.Fault{Body: `{"id":"U77","title":"Principal"}`}, shown: "none"},
		"it does not keep it":   {does: connectortest.Behaviour{Ignore: []string{"title"}}, shown: nil},
		"dropped after commit":  {fault: &connectortest.Fault{Drop: connectortest.AfterWrite}, kind: connector.Unavailable, unknown: true},
		"404 on what is there":  {fault: &connectortest.Fault{Status: 404}, kind: connector.NotFound},
		"500":                   {fault: &connectortest.Fault{Status: 500}, kind: connector.Unavailable, unknown: true},
		"a page":                {fault: &connectortest.Fault{Body: "<html>"}, kind: connector.Unavailable, unknown: true},
		"not allowed":           {fault: &connectortest.Fault{Status: 403}, kind: connector.Forbidden},
		"refused by its schema": {fault: &connectortest.Fault{Status: 400, Body: `{"scimType":"invalidValue","detail":"title is too long"}`}, kind: connector.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, nil)
			id := target.AddUser(map[string]any{"userName": "ada", "title": "Engineer"})
			if c.fault != nil {
				c.fault.Method = http.MethodPatch
				target.Fail(*c.fault)
			}
			out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: id, Want: attr.Set{"title": "Principal"}, Edits: title})
			if target.Count("PATCH", "") != 1 {
				t.Errorf("%d PATCH requests", target.Count("PATCH", ""))
			}
			if c.kind != "" {
				var e *connector.Error
				if !errors.As(err, &e) || e.Kind != c.kind || e.Unknown != c.unknown {
					t.Errorf("got %#v, want %s, unknown %v", err, c.kind, c.unknown)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.shown == "none" {
				if out.Account != nil {
					t.Errorf("the outcome shows %+v", out.Account)
				}
				return
			}
			if out.Account == nil || out.Account.Values["title"] != c.shown {
				t.Errorf("the outcome shows %+v, want title %v", out.Account, c.shown)
			}
		})
	}
}

// TestNoTarget checks that a change of an entry that is gone is made anew from what is there.
func TestNoTarget(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{}, nil)
	id := target.AddUser(map[string]any{"userName": "ada"}) // somebody removed the address there
	out, err := b.Connector.Write(t.Context(), connector.Change{
		Kind: directory.KindUser, Action: connector.Update, ID: id, Want: attr.Set{mail: "new@example.org", city: nil},
		Edits: []attr.Edit{{Path: city, Old: "London", New: nil}, {Path: mail, Old: "old@example.org", New: "new@example.org"}},
	})
	if err != nil || out.Account == nil || out.Account.Values[mail] != "new@example.org" || out.Requests != 3 {
		t.Errorf("%+v after %d requests, %v", out.Account, out.Requests, err)
	}
}

// TestManyMembers counts the requests for many members.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does     connectortest.Behaviour
		members  int
		bad      []int // places of members that do not exist
		requests int
		refused  int
		fails    bool
	}{
		"one request":          {members: 80, requests: 1},
		"batches":              {members: 250, requests: 3, does: connectortest.Behaviour{MaxMembers: 100}},
		"one bad":              {members: 100, bad: []int{42}, requests: 15, refused: 1},
		"smaller than we knew": {members: 100, does: connectortest.Behaviour{MaxMembers: 30}, requests: 7},
		"refuses everyone":     {members: 64, bad: manyInts(64), requests: 42, refused: 20, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, nil)
			var ids []string
			for i := range c.members {
				if slices.Contains(c.bad, i) {
					ids = append(ids, fmt.Sprint("missing", i))
				} else {
					ids = append(ids, target.AddUser(map[string]any{"userName": fmt.Sprint("u", i)}))
				}
			}
			group := target.AddGroup("Everyone")
			out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Add: ids})
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if out.Requests != c.requests || len(out.Refused) != c.refused {
				t.Errorf("%d requests, %d refused; want %d, %d", out.Requests, len(out.Refused), c.requests, c.refused)
			}
			if have := target.Members(group); !c.fails && len(have) != c.members-len(c.bad) || len(have) != len(out.Added) {
				t.Errorf("%d members, %d said to be added", len(have), len(out.Added))
			}
		})
	}
}

func manyInts(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestMembersAreNotLost checks the two ways of removing members that targets get wrong.
func TestMembersAreNotLost(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{ValueEmpties: true}, nil)
	u1, u2 := target.AddUser(map[string]any{"userName": "a"}), target.AddUser(map[string]any{"userName": "b"})
	group := target.AddGroup("G", u1, u2)
	if _, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Remove: []string{u1}}); err != nil {
		t.Fatal(err)
	}
	if have := target.Members(group); !slices.Equal(have, []string{u2}) {
		t.Errorf("members are %v, want %s", have, u2)
	}

	b, target = bench(t, connectortest.Behaviour{LoseRemoval: true}, nil)
	u1 = target.AddUser(map[string]any{"userName": "a"})
	group = target.AddGroup("G", u1)
	out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Remove: []string{u1}})
	if err != nil || out.Account == nil || !out.Account.MembersKnown || !slices.Contains(out.Account.Members, u1) {
		t.Errorf("the outcome hides that the removal was lost: %+v, %v", out.Account, err)
	}
}

// TestRemovalAnsweredWith404: it is no member who is not one, as the group shows, or whose account is gone. Else the 404 may be made up in
// between, and whoever is to be out of the group would stay in it.
func TestRemovalAnsweredWith404(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		for who, removed := range map[string]bool{"a member": false, "no member": !hidden, "gone": true} {
			t.Run(fmt.Sprintf("%s, hidden %t", who, hidden), func(t *testing.T) {
				b, target := bench(t, connectortest.Behaviour{HideMembers: hidden}, nil)
				id := target.AddUser(map[string]any{"userName": "a"})
				group := target.AddGroup("G", target.AddUser(map[string]any{"userName": "b"}))
				switch who {
				case "a member":
					target.SetMembers(group, append(target.Members(group), id)...)
				case "gone":
					target.RemoveUser(id)
				}
				target.Fail(connectortest.Fault{Method: http.MethodPatch, Status: 404, Times: -1})
				out, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: group, Remove: []string{id}})
				if err != nil || len(out.Refused)+len(out.Removed) != 1 || removed != slices.Equal(out.Removed, []string{id}) {
					t.Errorf("removed %v, refused %v, %v", out.Removed, out.Refused, err)
				}
			})
		}
	}
}

// TestPutNeverEmptiesAGroup checks that a group whose members are not shown is not replaced.
func TestPutNeverEmptiesAGroup(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{HideMembers: true}, map[string]string{"update": "put"})
	group := target.AddGroup("G", target.AddUser(map[string]any{"userName": "a"}))
	_, err := b.Connector.Write(t.Context(), connector.Change{
		Kind: directory.KindGroup, Action: connector.Update, ID: group, Edits: []attr.Edit{{Path: "displayName", Old: "G", New: "H"}},
	})
	if err == nil || len(target.Members(group)) != 1 || target.Count("PUT", "") != 0 {
		t.Errorf("%d members left, %d PUT requests, %v", len(target.Members(group)), target.Count("PUT", ""), err)
	}
}

// TestPutKeepsActive checks that replacing a person never leaves active out.
func TestPutKeepsActive(t *testing.T) {
	t.Parallel()
	for _, active := range []bool{true, false} {
		b, target := bench(t, connectortest.Behaviour{}, map[string]string{"update": "put"})
		id := target.AddUser(map[string]any{"userName": "a", "active": active, "nickName": "kept"})
		_, err := b.Connector.Write(t.Context(), connector.Change{
			Kind: directory.KindUser, Action: connector.Update, ID: id, Edits: []attr.Edit{{Path: "title", New: "x"}},
		})
		if u := target.User(id); err != nil || u["active"] != active || u["nickName"] != "kept" || u["title"] != "x" {
			t.Errorf("after the update of an account with active %v: %v, %v", active, u, err)
		}
	}
}

// TestImmutable checks that an attribute nobody may change is refused while the others are changed.
func TestImmutable(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{Immutable: true}, map[string]string{"immutable": "userName"})
	id := target.AddUser(map[string]any{"userName": "old", "title": "x"})
	out, err := b.Connector.Write(t.Context(), connector.Change{
		Kind: directory.KindUser, Action: connector.Update, ID: id,
		Edits: []attr.Edit{{Path: "title", Old: "x", New: "y"}, {Path: "userName", Old: "old", New: "new"}},
	})
	var e *connector.Error
	if !errors.As(err, &e) || e.Code != connector.CodeMutability || !strings.Contains(e.Reason, "userName") {
		t.Errorf("got %v", err)
	}
	if u := target.User(id); u["title"] != "y" || u["userName"] != "old" || out.Account == nil {
		t.Errorf("the account is %v, the outcome %+v", u, out)
	}
}

// TestWantIsLeftAlone checks that building a body changes nothing of the caller's.
func TestWantIsLeftAlone(t *testing.T) {
	t.Parallel()
	b, _ := bench(t, connectortest.Behaviour{}, nil)
	make := func() attr.Set {
		return attr.Set{"userName": "a", "emails": []any{map[string]any{"type": "home", "value": "h@example.org"}}, mail: "w@example.org"}
	}
	want := make()
	if _, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: want}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(make(), want); diff != "" {
		t.Errorf("want was changed (-before +after):\n%s", diff)
	}
}
