package scim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/directory"
)

func read(t *testing.T, c connector.Connector, q connector.Query) ([]string, error) {
	t.Helper()
	var ids []string
	for a, err := range c.Read(t.Context(), q) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, a.ID)
	}
	return ids, nil
}

// TestWalk checks what a walk over everybody makes of the ways in which lists go wrong: each account comes
// once, the walk ends, and an end that proves nothing is said to be one.
func TestWalk(t *testing.T) {
	t.Parallel()
	const people = 25
	for name, c := range map[string]struct {
		does       connectortest.Behaviour
		options    map[string]string
		want       int
		incomplete bool
		most       int // requests
	}{
		"fine":                              {does: connectortest.Behaviour{PageCap: 10}, want: people, most: 3},
		"everything at once":                {does: connectortest.Behaviour{IgnoreCount: true}, want: people, most: 1},
		"announces too many":                {does: connectortest.Behaviour{TotalOff: 5}, want: people, incomplete: true, most: 2},
		"announces too few":                 {does: connectortest.Behaviour{TotalOff: -5, PageCap: 10}, options: map[string]string{"page_size": "10"}, want: people, most: 4},
		"announces the page":                {does: connectortest.Behaviour{TotalIsPage: true, PageCap: 10}, options: map[string]string{"page_size": "10"}, want: people, most: 4},
		"announces nothing":                 {does: connectortest.Behaviour{NoTotal: true, PageCap: 10}, want: people, most: 4},
		"always the first page":             {does: connectortest.Behaviour{IgnoreStartIndex: true, PageCap: 10}, want: 10, incomplete: true, most: 2},
		"the first page, announces nothing": {does: connectortest.Behaviour{IgnoreStartIndex: true, PageCap: 10, NoTotal: true}, want: 10, incomplete: true, most: 2},
		"a page again":                      {does: connectortest.Behaviour{RepeatPage: 2, PageCap: 10}, want: 10, incomplete: true, most: 2},
		"an empty page":                     {does: connectortest.Behaviour{EmptyPage: 2, PageCap: 10}, want: 10, incomplete: true, most: 2},
		"no ids":                            {does: connectortest.Behaviour{DropID: true}, want: 0, incomplete: true, most: 1},
		"cursors":                           {does: connectortest.Behaviour{Cursor: true, PageCap: 10}, options: map[string]string{"paging": "cursor"}, want: people, most: 3},
		"members in other case":             {does: connectortest.Behaviour{LowerCaseNames: true, ShuffledNames: true, PageCap: 10}, want: people, most: 3},
		"a full page that is the last":      {options: map[string]string{"page_size": "25"}, want: people, most: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, c.options)
			for i := range people {
				target.AddUser(map[string]any{"userName": fmt.Sprint("u", i)})
			}
			ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser})
			if incomplete := errors.Is(err, connector.ErrIncomplete); incomplete != c.incomplete || err != nil && !incomplete {
				t.Errorf("got %v, want incomplete %v", err, c.incomplete)
			}
			slices.Sort(ids)
			if distinct := len(slices.Compact(slices.Clone(ids))); distinct != c.want || len(ids) != distinct {
				t.Errorf("%d accounts, %d distinct; want %d", len(ids), distinct, c.want)
			}
			if n := target.Count("GET", ""); n > c.most {
				t.Errorf("%d requests, want at most %d", n, c.most)
			}
		})
	}
}

// A 404 to a search is no proof that nobody is there, unless it is known to be what the target says then.
func TestSearchAnsweredWith404(t *testing.T) {
	t.Parallel()
	for nobody, code := range map[string]string{"list": connector.CodeEndpoint, "not_found": ""} {
		b, target := bench(t, connectortest.Behaviour{}, map[string]string{"nobody": nobody})
		target.Fail(connectortest.Fault{Status: 404})
		ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser, Path: "userName", Value: "ada"})
		var e *connector.Error
		if got := errors.As(err, &e); got != (code != "") || got && (e.Kind != connector.Unavailable || e.Code != code) || len(ids) != 0 {
			t.Errorf("%s: %v, %v", nobody, ids, err)
		}
	}
}

// TestWalkAnswers checks walks over answers that are no lists, each of which ends as one error.
func TestWalkAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault connectortest.Fault
		code  string
		sent  int
	}{
		"a page":         {connectortest.Fault{Body: "<html>"}, connector.CodeNotJSON, 4},
		"{}":             {connectortest.Fault{Body: "{}"}, connector.CodeNotSCIM, 1},
		"nothing":        {connectortest.Fault{Status: 204, Body: " "}, connector.CodeNotSCIM, 1},
		"a list":         {connectortest.Fault{Body: "[]"}, connector.CodeNotSCIM, 1},
		"no resources":   {connectortest.Fault{Body: `{"totalResults":3,"Resources":"none"}`}, connector.CodeNotSCIM, 1},
		"deep":           {connectortest.Fault{Deep: 10_000}, connector.CodeTooLarge, 1},
		"endless":        {connectortest.Fault{Endless: true}, connector.CodeTooLarge, 1},
		"huge":           {connectortest.Fault{Huge: 64 << 20}, connector.CodeTooLarge, 1},
		"not there":      {connectortest.Fault{Status: 404}, connector.CodeEndpoint, 1},
		"elsewhere":      {connectortest.Fault{RedirectTo: "https://example.org/scim/v2/Users"}, connector.CodeRedirected, 1},
		"a server error": {connectortest.Fault{Status: 500}, connector.CodeServerError, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, connectortest.Behaviour{}, nil)
			c.fault.Times = -1
			target.Fail(c.fault)
			ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser})
			var e *connector.Error
			if !errors.As(err, &e) || e.Kind != connector.Unavailable || e.Code != c.code || len(ids) != 0 {
				t.Errorf("got %d accounts and %#v, want code %s", len(ids), err, c.code)
			}
			if n := target.Count("GET", ""); n != c.sent {
				t.Errorf("%d requests, want %d", n, c.sent)
			}
		})
	}
}

// TestReadIsRepeated checks that a read survives passing faults.
func TestReadIsRepeated(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]connectortest.Fault{
		"dropped":   {Drop: connectortest.BeforeWrite, Times: 2},
		"500":       {Status: 500, Times: 2},
		"a page":    {Body: "<html>", Times: 1},
		"truncated": {Truncate: true, Times: 1},
		"503":       {Status: 503, Header: map[string]string{"Retry-After": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, connectortest.Behaviour{}, nil)
			id := target.AddUser(map[string]any{"userName": "ada"})
			target.Fail(fault)
			if ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser, ID: id}); err != nil || len(ids) != 1 {
				t.Errorf("%v, %v", ids, err)
			}
		})
	}
}

// TestSearch checks that only who has the value is found, whatever the target makes of filters.
func TestSearch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does    connectortest.Behaviour
		options map[string]string
		path    string
		value   string
		want    int
		code    string
	}{
		"by userName":                        {path: "userName", value: "person3@example.org", want: 1},
		"in another case":                    {path: "userName", value: "PERSON3@example.org", want: 1},
		"by address":                         {path: mail, value: "person3@example.org", want: 1},
		"by address, types lost":             {does: connectortest.Behaviour{DropTypes: true}, path: mail, value: "person3@example.org", want: 1},
		"by address as the target calls it":  {options: map[string]string{"filter_as": mail + "=emails"}, path: mail, value: "person3@example.org", want: 1},
		"by extension":                       {path: department, value: "R&D", want: 60},
		"nobody":                             {path: "userName", value: "nobody", want: 0},
		"a quote":                            {path: "userName", value: `a" or userName pr or userName eq "b`, want: 0},
		"filter ignored, hit":                {does: connectortest.Behaviour{IgnoreFilter: true, IgnoreCount: true}, path: "userName", value: "person3@example.org", want: 1},
		"filter ignored, nobody":             {does: connectortest.Behaviour{IgnoreFilter: true, IgnoreCount: true}, path: "userName", value: "nobody", want: 0},
		"filter ignored, too many to look":   {does: connectortest.Behaviour{IgnoreFilter: true, PageCap: 20}, path: "userName", value: "person55@example.org", code: "filter_ignored"},
		"filter refused":                     {does: connectortest.Behaviour{NoFilter: true}, path: "userName", value: "x", code: "invalidFilter"},
		"no filters, so everybody is looked": {does: connectortest.Behaviour{NoFilter: true}, options: map[string]string{"filter": "none"}, path: "userName", value: "person55@example.org", want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, c.options)
			for i := range 60 {
				if _, err := b.Connector.Write(t.Context(), connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: connectortest.Person(i)}); err != nil {
					t.Fatal(err)
				}
			}
			target.Forget()
			ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser, Path: c.path, Value: c.value})
			var e *connector.Error
			if errors.As(err, &e); c.code != "" && (e == nil || e.Code != c.code) || c.code == "" && err != nil {
				t.Errorf("got %v, want code %q", err, c.code)
			}
			if len(ids) != c.want {
				t.Errorf("%d accounts, want %d", len(ids), c.want)
			}
		})
	}
}

// TestReadByIDIsStrict checks that another account is not taken for the one that was asked for.
func TestReadByIDIsStrict(t *testing.T) {
	t.Parallel()
	b, target := bench(t, connectortest.Behaviour{}, nil)
	target.Fail(connectortest.Fault{Times: -1, Body: `{"id":"U2","userName":"somebody else"}`})
	ids, err := read(t, b.Connector, connector.Query{Kind: directory.KindUser, ID: "U1"})
	var e *connector.Error
	if !errors.As(err, &e) || e.Code != connector.CodeNotSCIM || len(ids) != 0 {
		t.Errorf("got %v, %v", ids, err)
	}
}

// TestGroupMembersShown checks when a list of members counts as the whole membership.
func TestGroupMembersShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does    connectortest.Behaviour
		options map[string]string
		asked   bool
		members int
		known   bool
	}{
		"asked":               {asked: true, members: 5, known: true},
		"not asked":           {},
		"hidden":              {does: connectortest.Behaviour{HideMembers: true}, asked: true},
		"cut off, unknown to": {does: connectortest.Behaviour{MembersShown: 3}, asked: true, members: 3, known: true},
		"cut off":             {does: connectortest.Behaviour{MembersShown: 3}, options: map[string]string{"members_shown": "3"}, asked: true, members: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, c.does, c.options)
			var ids []string
			for i := range 5 {
				ids = append(ids, target.AddUser(map[string]any{"userName": fmt.Sprint("u", i)}))
			}
			target.AddGroup("G", ids...)
			for a, err := range b.Connector.Read(t.Context(), connector.Query{Kind: directory.KindGroup, Members: c.asked}) {
				if err != nil || len(a.Members) != c.members || a.MembersKnown != c.known || a.Name != "G" {
					t.Errorf("%d members, known %v, %v; want %d, %v", len(a.Members), a.MembersKnown, err, c.members, c.known)
				}
			}
		})
	}
}

// TestTest checks each code that Test Connection can come to.
func TestTest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault *connectortest.Fault
		code  string
	}{
		"fine":        {nil, connector.DiagnosisOK},
		"401":         {&connectortest.Fault{Status: 401}, connector.DiagnosisToken},
		"402":         {&connectortest.Fault{Status: 402}, connector.DiagnosisPlan},
		"403":         {&connectortest.Fault{Status: 403}, connector.DiagnosisScope},
		"404":         {&connectortest.Fault{Status: 404}, connector.DiagnosisEndpoint},
		"404 page":    {&connectortest.Fault{Status: 404, Body: "<html>"}, connector.DiagnosisEndpoint},
		"405":         {&connectortest.Fault{Status: 405}, connector.DiagnosisEndpoint},
		"400":         {&connectortest.Fault{Status: 400}, connector.DiagnosisEndpoint},
		"elsewhere":   {&connectortest.Fault{RedirectTo: "https://example.org/"}, connector.DiagnosisEndpoint},
		"a page":      {&connectortest.Fault{Body: "<html>"}, connector.DiagnosisNotSCIM},
		"{}":          {&connectortest.Fault{Body: "{}"}, connector.DiagnosisNotSCIM},
		"throttled":   {&connectortest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3600"}}, connector.DiagnosisRateLimited},
		"500":         {&connectortest.Fault{Status: 500}, connector.DiagnosisUnreachable},
		"dropped":     {&connectortest.Fault{Drop: connectortest.BeforeWrite}, connector.DiagnosisUnreachable},
		"maintenance": {&connectortest.Fault{Status: 503, Header: map[string]string{"Retry-After": "60"}}, connector.DiagnosisUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, target := bench(t, connectortest.Behaviour{}, nil)
			if c.fault != nil {
				c.fault.Times = -1
				target.Fail(*c.fault)
			}
			d := b.Connector.Test(t.Context())
			if d.Code != c.code || d.OK != (c.code == connector.DiagnosisOK) || d.Message == "" || d.Next == "" {
				t.Errorf("got %+v, want %s", d, c.code)
			}
			// Nobody asked about an account, and a target that fails was reached.
			for of, says := range map[string]string{"404": "has nothing at this address", "404 page": "has nothing at this address", "500": "The target itself failed", "maintenance": "not available"} {
				if of == name && !strings.Contains(d.Message+d.Next, says) {
					t.Errorf("%q, %q do not say %q", d.Message, d.Next, says)
				}
			}
			if n := target.Count("", ""); n != 1 {
				t.Errorf("%d requests, want one", n)
			}
		})
	}
}

// TestParseQuirks checks the options of a connection.
func TestParseQuirks(t *testing.T) {
	t.Parallel()
	q, err := scim.ParseQuirks([]byte(`{"page_size":50}`), map[string]string{"paging": "cursor", "member_batch": "20", "create_members": "false", "immutable": "userName, title"})
	if err != nil || q.PageSize != 50 || q.Paging != "cursor" || q.MemberBatch != 20 || q.CreateMembers || !slices.Equal(q.Immutable, []string{"userName", "title"}) || q.Update != "patch" {
		t.Errorf("%+v, %v", q, err)
	}
	for name, c := range map[string]struct {
		template string
		options  map[string]string
	}{
		"unknown option":   {"", map[string]string{"pagesize": "1"}},
		"unknown quirk":    {`{"pagesize":1}`, nil},
		"no word":          {"", map[string]string{"update": "post"}},
		"no word in quirk": {`{"update":"post"}`, nil},
		"no number":        {"", map[string]string{"page_size": "many"}},
		"out of bounds":    {"", map[string]string{"page_size": "0"}},
		"no boolean":       {"", map[string]string{"mix_members": "perhaps"}},
		"no path":          {"", map[string]string{"immutable": "a b"}},
		"no pair":          {"", map[string]string{"filter_as": "emails"}},
	} {
		if _, err := scim.ParseQuirks([]byte(c.template), c.options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
