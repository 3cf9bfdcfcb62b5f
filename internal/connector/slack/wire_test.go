package slack_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// wire is a Slack made of a script: it answers what the reference and captured traffic show, and fails
// the test at any request that is not the next one, byte for byte, or that nobody may send. It shares
// nothing with the emulator.
type wire struct {
	t       *testing.T
	mu      sync.Mutex
	script  []call
	done    int
	options slack.Options
	*slack.Connector
}

// call is a request that is expected and its answer. Body is the request's JSON, whose order of members
// does not count; "" is none.
type call struct {
	method, path, body string
	status             int
	answer             string // JSON, or @FILE of testdata
	header             http.Header
}

const wireToken = "xoxp-1-2-3-secret"

func newWire(t *testing.T, version string, script ...call) *wire {
	t.Helper()
	w := &wire{t: t, script: script}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	users, groups := mapped(t)
	quirks, err := slack.ParseQuirks(nil, map[string]string{"member_batch": "3"})
	if err != nil {
		t.Fatal(err)
	}
	w.options = slack.Options{
		Connection: provision.Connection{Endpoint: server.URL + "/scim/" + version, Auth: provision.Auth{Type: "bearer"}},
		Token:      wireToken, Users: users, Groups: groups, Quirks: quirks, Version: "test",
	}
	w.limit()
	t.Cleanup(func() {
		if w.done != len(w.script) {
			t.Errorf("%d of %d requests were made", w.done, len(w.script))
		}
	})
	return w
}

// limit makes the connector anew, with limits.
func (w *wire) limit(buckets ...connector.Bucket) {
	w.t.Helper()
	var err error
	w.options.Limiter = connector.NewLimiter(connector.Limits{Buckets: buckets})
	if w.Connector, err = slack.New(w.options); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) ServeHTTP(res http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	path := r.URL.Path[strings.Index(r.URL.Path, "/scim/v")+len("/scim/v1/"):]
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + wireToken, "Accept": "application/json"} {
		if got := r.Header.Get(name); got != want {
			w.t.Errorf("%s %s: %s is %q", r.Method, path, name, got)
		}
	}
	if len(body) > 0 && r.Header.Get("Content-Type") != "application/json" {
		w.t.Errorf("%s %s: Content-Type is %q", r.Method, path, r.Header.Get("Content-Type"))
	}
	if r.Method == http.MethodPut || strings.Contains(string(body), "externalId") || strings.Contains(string(body), "nickName") {
		w.t.Errorf("%s %s: %s", r.Method, path, body)
	}
	if w.done >= len(w.script) {
		w.t.Errorf("unexpected %s %s: %s", r.Method, path, body)
		res.WriteHeader(http.StatusTeapot)
		return
	}
	c := w.script[w.done]
	w.done++
	if r.Method != c.method || path != c.path {
		w.t.Errorf("got %s %s, want %s %s", r.Method, path, c.method, c.path)
	}
	if diff := cmp.Diff(value(w.t, c.body), value(w.t, string(body))); diff != "" {
		w.t.Errorf("%s %s, body (-want +got):\n%s", r.Method, path, diff)
	}
	for name, values := range c.header {
		res.Header()[name] = values
	}
	res.Header().Set("Content-Type", "application/json; charset=utf-8")
	res.WriteHeader(c.status)
	_, _ = io.WriteString(res, fixture(w.t, c.answer))
}

func fixture(t *testing.T, answer string) string {
	name, isFile := strings.CutPrefix(answer, "@")
	if !isFile {
		return answer
	}
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func value(t *testing.T, text string) any {
	if text == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return v
}

func (w *wire) write(ch connector.Change) connector.Outcome {
	w.t.Helper()
	out, err := w.Write(w.t.Context(), ch)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// rich is a person with everything that Slack keeps.
func rich() attr.Set {
	return attr.Set{
		"userName": "ada", "displayName": "Ada Lovelace", "name.givenName": "Ada", "name.familyName": "Lovelace", "name.honorificPrefix": "Dr.",
		"profileUrl": "https://people.example.org/ada", work: "ada@example.org", home: "ada@home.example",
		street: "12 St James's Square", `addresses[type eq "work"].locality`: "London", region: "LDN", `addresses[type eq "work"].postalCode`: "SW1Y", country: "GB",
		workPhone: "555-555-5555", cellPhone: "555-555-4444", `photos[type eq "photo"].value`: "https://people.example.org/ada.jpg", role: "Tech Lead",
		"userType": "Employee", "title": "Analyst", "preferredLanguage": "en_GB", "locale": "en_GB", "timezone": "Europe/London",
		enterprise + "employeeNumber": "701984", enterprise + "costCenter": "4130", enterprise + "organization": "Engines",
		enterprise + "division": "Analytical", department: "Notes", manager: "U0MANAGER1", startDate: "2024-04-10",
	}
}

// shown is what the answer to a create of rich shows: everything but the photo and the profile's address.
func shown() attr.Set {
	s := rich()
	delete(s, `photos[type eq "photo"].value`)
	delete(s, "profileUrl")
	s[startDate] = "2024-04-10T00:00:00+0000"
	return s
}

const createV2 = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
	"urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"],
	"userName":"ada","name":{"familyName":"Lovelace","givenName":"Ada","honorificPrefix":"Dr."},"displayName":"Ada Lovelace",
	"profileUrl":"https://people.example.org/ada",
	"emails":[{"value":"ada@example.org","type":"work","primary":true},{"value":"ada@home.example","type":"home"}],
	"addresses":[{"streetAddress":"12 St James's Square","locality":"London","region":"LDN","postalCode":"SW1Y","country":"GB","primary":true}],
	"phoneNumbers":[{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","type":"mobile"}],
	"photos":[{"value":"https://people.example.org/ada.jpg","type":"photo"}],"roles":[{"value":"Tech Lead","primary":true}],
	"userType":"Employee","title":"Analyst","preferredLanguage":"en_GB","locale":"en_GB","timezone":"Europe/London","active":true,
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","costCenter":"4130","organization":"Engines",
		"division":"Analytical","department":"Notes","manager":{"managerId":"U0MANAGER1"}},
	"urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User":{"startDate":"2024-04-10T00:00:00+0000"}}`

var createV1 = strings.NewReplacer(
	"urn:ietf:params:scim:schemas:core:2.0:User", "urn:scim:schemas:core:1.0",
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:scim:schemas:extension:enterprise:1.0",
	"urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User", "urn:scim:schemas:extension:slack:profile:1.0",
).Replace(createV2)

func TestWireCreate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, body, answer string
		hides                 []string
	}{
		{"v2", createV2, "@v2-rich.json", nil},
		{"v1", createV1, "@v1-rich.json", []string{startDate}},
	} {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.version, call{"POST", "Users", c.body, 201, c.answer, nil})
			out := w.write(connector.Change{Kind: directory.KindUser, Action: connector.Create, Want: rich()})
			want := shown()
			for _, path := range c.hides {
				delete(want, path)
			}
			if diff := cmp.Diff(want, out.Account.Values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if out.Account.ID != "U0ADA00001" || out.Account.Name != "ada" || !out.Account.Active || out.Requests != 1 {
				t.Errorf("%+v", out.Account)
			}
			if out.Sent[startDate] != "2024-04-10T00:00:00+0000" {
				t.Errorf("sent %v", out.Sent)
			}
			if strings.Contains(out.Exchange.Request+out.Exchange.Response, "secret") || out.Exchange.Status != 201 {
				t.Errorf("exchange %+v", out.Exchange)
			}
		})
	}
}

// TestWireAnswers reads the shapes of a person that are documented or were captured.
func TestWireAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file    string
		version string
		active  bool
		want    attr.Set
	}{
		{"v2-bare.json", "v2", true, attr.Set{"userName": "steve", work: "steve@example.org", "displayName": "steve", "name.givenName": "Steve", "timezone": "America/Los_Angeles"}},
		{"v2-nulls.json", "v2", false, attr.Set{"userName": "jay", work: "jay@example.org", home: "j@home.example", "name.givenName": "Jay", "name.familyName": "Doe", "timezone": "America/Los_Angeles"}},
		{"v2-guest.json", "v2", true, attr.Set{"userName": "guestuser", work: "guest@example.org", "displayName": "Guest", "name.givenName": "Guest", "timezone": "America/Los_Angeles"}},
		{"v1-bare.json", "v1", true, attr.Set{"userName": "steve", work: "steve@example.org", "displayName": "", "name.givenName": "Steve", "name.familyName": "Aoki", "timezone": "America/Los_Angeles"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.version, call{"GET", "Users/U0ADA00001", "", 200, "@" + c.file, nil})
			for a, err := range w.Read(t.Context(), connector.Query{Kind: directory.KindUser, ID: "U0ADA00001"}) {
				if err != nil {
					t.Fatal(err)
				}
				// Null, "" and missing are one: nothing is due, and what Slack can show is there.
				if diff := attr.Diff(a.Values, c.want); len(diff) > 0 {
					t.Errorf("differs: %+v", diff)
				}
				for path, v := range a.Values {
					if v != nil && c.want[path] == nil {
						t.Errorf("%s is %v", path, v)
					}
				}
				for _, path := range []string{"title", cellPhone, role, manager} {
					if _, ok := a.Values[path]; !ok {
						t.Errorf("%s is not among the values", path)
					}
				}
				if a.Active != c.active || a.Protected != "" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
}

// TestWirePatch holds the request for each change of a person, in both versions.
func TestWirePatch(t *testing.T) {
	t.Parallel()
	const ent2, ent1 = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:scim:schemas:extension:enterprise:1.0"
	for _, c := range []struct {
		name   string
		action connector.Action
		set    attr.Set // what becomes of rich
		v2     string   // Operations
		v1     string   // body without schemas
	}{
		{
			"plain", connector.Update,
			attr.Set{"title": "Countess", "timezone": "Europe/Paris"},
			`[{"op":"replace","path":"title","value":"Countess"},{"op":"replace","path":"timezone","value":"Europe/Paris"}]`,
			`{"title":"Countess","timezone":"Europe/Paris"}`,
		},
		{
			"plain lost", connector.Update,
			attr.Set{"title": nil, "userType": ""},
			`[{"op":"remove","path":"title"},{"op":"remove","path":"userType"}]`,
			`{"meta":{"attributes":["title","userType"]}}`,
		},
		{
			"userName", connector.Update,
			attr.Set{"userName": "Countess@example.org"},
			`[{"op":"replace","path":"userName","value":"countess"}]`, `{"userName":"countess"}`,
		},
		{
			"name", connector.Update,
			attr.Set{"name.familyName": "King", "name.honorificPrefix": nil},
			`[{"op":"replace","path":"name.familyName","value":"King"},{"op":"remove","path":"name.honorificPrefix"}]`,
			`{"name":{"familyName":"King"},"meta":{"attributes":["name.honorificPrefix"]}}`,
		},
		{
			"active with edits", connector.Enable,
			attr.Set{"title": "Back"},
			`[{"op":"replace","path":"active","value":true},{"op":"replace","path":"title","value":"Back"}]`,
			`{"active":true,"title":"Back"}`,
		},
		{"active alone", connector.Enable, nil, `[{"op":"replace","path":"active","value":true}]`, `{"active":true}`},
		{
			"primary email", connector.Update,
			attr.Set{work: "a.king@example.org"},
			`[{"op":"replace","path":"emails[primary eq true].value","value":"a.king@example.org"}]`,
			`{"emails":[{"value":"a.king@example.org","type":"work","primary":true},{"value":"ada@home.example","type":"home"}]}`,
		},
		{
			"secondary email", connector.Update,
			attr.Set{home: "l@home.example"},
			`[{"op":"replace","path":"emails[primary eq false]","value":{"value":"l@home.example","type":"home"}}]`,
			`{"emails":[{"value":"ada@example.org","type":"work","primary":true},{"value":"l@home.example","type":"home"}]}`,
		},
		{
			"secondary email lost", connector.Update,
			attr.Set{home: nil},
			`[{"op":"remove","path":"emails[primary eq false]"}]`,
			`{"emails":[{"value":"ada@example.org","type":"work","primary":true},{"value":"ada@home.example","operation":"delete"}]}`,
		},
		{
			"emails change places", connector.Update,
			attr.Set{work: "ada@home.example", home: "ada@example.org"},
			`[{"op":"remove","path":"emails[primary eq false]"},{"op":"replace","path":"emails[primary eq true].value","value":"ada@home.example"},
				{"op":"add","path":"emails","value":{"value":"ada@example.org","type":"home"}}]`,
			`{"emails":[{"value":"ada@home.example","type":"work","primary":true},{"value":"ada@example.org","type":"home"}]}`,
		},
		{
			"secondary email becomes the only one", connector.Update,
			attr.Set{work: "ada@home.example", home: nil},
			`[{"op":"remove","path":"emails[primary eq false]"},{"op":"replace","path":"emails[primary eq true].value","value":"ada@home.example"}]`,
			`{"emails":[{"value":"ada@home.example","type":"work","primary":true}]}`,
		},
		{
			"phones", connector.Update,
			attr.Set{cellPhone: "1", workPhone: "2"},
			`[{"op":"replace","path":"phoneNumbers[value eq \"555-555-4444\"].value","value":"1"},{"op":"replace","path":"phoneNumbers[value eq \"555-555-5555\"].value","value":"2"}]`,
			`{"phoneNumbers":[{"value":"2","primary":false},{"value":"1","primary":true}]}`,
		},
		{
			"a phone lost", connector.Update,
			attr.Set{cellPhone: nil},
			`[{"op":"remove","path":"phoneNumbers[value eq \"555-555-4444\"]"}]`,
			`{"phoneNumbers":[{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","operation":"delete"}]}`,
		},
		{
			"phones lost", connector.Update,
			attr.Set{cellPhone: nil, workPhone: nil},
			`[{"op":"remove","path":"phoneNumbers"}]`, `{"meta":{"attributes":["phoneNumbers"]}}`,
		},
		{
			"phones change places", connector.Update,
			attr.Set{cellPhone: "555-555-5555", workPhone: "555-555-4444"},
			`[{"op":"remove","path":"phoneNumbers"},{"op":"add","path":"phoneNumbers","value":[{"value":"555-555-4444","primary":false},{"value":"555-555-5555","primary":true}]}]`,
			`{"phoneNumbers":[{"value":"555-555-4444","primary":false},{"value":"555-555-5555","primary":true}]}`,
		},
		{
			"address", connector.Update,
			attr.Set{street: "1 Main St", region: nil},
			`[{"op":"add","path":"addresses","value":[{"streetAddress":"1 Main St","locality":"London","region":"","postalCode":"SW1Y","country":"GB","primary":true}]}]`,
			`{"addresses":[{"streetAddress":"1 Main St","locality":"London","region":" ","postalCode":"SW1Y","country":"GB","primary":true}]}`,
		},
		{
			"address lost", connector.Update,
			attr.Set{street: nil, region: nil, country: nil, `addresses[type eq "work"].locality`: nil, `addresses[type eq "work"].postalCode`: nil},
			`[{"op":"remove","path":"addresses"}]`, `{"meta":{"attributes":["addresses"]}}`,
		},
		{
			"role", connector.Update,
			attr.Set{role: "Chief"},
			`[{"op":"replace","path":"roles[primary eq true].value","value":"Chief"}]`, `{"roles":[{"value":"Chief","primary":true}]}`,
		},
		{"role lost", connector.Update, attr.Set{role: nil}, `[{"op":"remove","path":"roles"}]`, `{"meta":{"attributes":["roles"]}}`},
		{
			"photo", connector.Update,
			attr.Set{`photos[type eq "photo"].value`: "https://people.example.org/2.jpg"},
			`[{"op":"add","path":"photos","value":[{"value":"https://people.example.org/2.jpg","primary":true}]}]`,
			`{"photos":[{"value":"https://people.example.org/2.jpg","primary":true}]}`,
		},
		{
			"enterprise", connector.Update,
			attr.Set{department: "Labs", manager: "U0BOSS", enterprise + "costCenter": nil},
			`[{"op":"add","path":"` + ent2 + `","value":{"department":"Labs","manager":{"managerId":"U0BOSS"}}},{"op":"remove","path":"` + ent2 + `.costCenter"}]`,
			`{"` + ent1 + `":{"department":"Labs","manager":{"managerId":"U0BOSS"}},"meta":{"attributes":["` + ent1 + `.costCenter"]}}`,
		},
		{
			"manager lost", connector.Update,
			attr.Set{manager: nil},
			`[{"op":"remove","path":"` + ent2 + `.manager.managerId"}]`, `{"meta":{"attributes":["` + ent1 + `.manager.managerId"]}}`,
		},
	} {
		for _, version := range []string{"v2", "v1"} {
			t.Run(c.name+" "+version, func(t *testing.T) {
				t.Parallel()
				body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":` + c.v2 + `}`
				if version == "v1" {
					body = strings.Replace(c.v1, "{", `{"schemas":["urn:scim:schemas:core:1.0"],`, 1)
				}
				w := newWire(t, version, call{"PATCH", "Users/U0ADA00001", body, 200, "@" + version + "-rich.json", nil})
				before, after := rich(), rich()
				for k, v := range c.set {
					after[k] = v
				}
				out := w.write(connector.Change{Kind: directory.KindUser, Action: c.action, ID: "U0ADA00001", Name: "ada", Want: after, Edits: edit(before, after)})
				if out.Account == nil || out.Account.ID != "U0ADA00001" {
					t.Errorf("account %+v", out.Account)
				}
			})
		}
	}
}

// TestWireNothingToSend leaves out what Slack takes at creation only, and what is this person's already.
func TestWireNothingToSend(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]attr.Edit{
		"profile's address":      {Path: "profileUrl", Old: "https://a.example", New: "https://b.example"},
		"primary e-mail lost":    {Path: work, Old: "ada@example.org"},
		"userName lost":          {Path: "userName", Old: "ada"},
		"nothing of Slack's":     {Path: "externalId", New: "4711"},
		"userName in other case": {Path: "userName", Old: "ada", New: "ADA"},
		"another domain":         {Path: "userName", Old: "ada", New: "ada@example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, "v2")
			out := w.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: "U0ADA00001", Want: rich(), Edits: []attr.Edit{e}})
			if out.Requests != 0 || out.Account != nil {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestWireGuests(t *testing.T) {
	t.Parallel()
	const urn2, urn1 = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User", "urn:scim:schemas:extension:slack:guest:1.0"
	op := func(ops string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":` + ops + `}`
	}
	for _, c := range []struct {
		name          string
		before, after attr.Set
		v2, v1        string
	}{
		{
			"to a guest", nil,
			attr.Set{urn2 + ":type": "multi"},
			op(`[{"op":"add","path":"` + urn2 + `","value":{"type":"multi"}}]`),
			`{"schemas":["urn:scim:schemas:core:1.0","` + urn1 + `"],"` + urn1 + `":{"type":"multi"}}`,
		},
		{
			"another end",
			attr.Set{urn2 + ":type": "multi", urn2 + ":expiration": "2030-01-01T00:00:00Z"},
			attr.Set{urn2 + ":type": "multi", urn2 + ":expiration": "2031-01-01T00:00:00Z"},
			op(`[{"op":"add","path":"` + urn2 + `","value":{"type":"multi","expiration":"2031-01-01T00:00:00Z"}}]`),
			`{"schemas":["urn:scim:schemas:core:1.0","` + urn1 + `"],"` + urn1 + `":{"type":"multi","expiration":"2031-01-01T00:00:00Z"}}`,
		},
		{
			"no end",
			attr.Set{urn2 + ":type": "multi", urn2 + ":expiration": "2030-01-01T00:00:00Z"},
			attr.Set{urn2 + ":type": "multi", urn2 + ":expiration": nil},
			op(`[{"op":"remove","path":"` + urn2 + `.expiration"}]`),
			`{"schemas":["urn:scim:schemas:core:1.0"],"meta":{"attributes":["` + urn1 + `.expiration"]}}`,
		},
		{
			"to a member",
			attr.Set{urn2 + ":type": "multi", urn2 + ":expiration": "2030-01-01T00:00:00Z"},
			attr.Set{urn2 + ":type": nil, urn2 + ":expiration": nil},
			op(`[{"op":"remove","path":"` + urn2 + `"}]`),
			`{"schemas":["urn:scim:schemas:core:1.0"],"meta":{"attributes":["` + urn1 + `"]}}`,
		},
	} {
		for version, body := range map[string]string{"v2": c.v2, "v1": c.v1} {
			t.Run(c.name+" "+version, func(t *testing.T) {
				t.Parallel()
				w := newWire(t, version, call{"PATCH", "Users/U0ADA00001", body, 200, "@v2-guest.json", nil})
				w.options.Users = []string{"userName", urn2 + ":type", urn2 + ":expiration"}
				w.limit()
				w.write(connector.Change{Kind: directory.KindUser, Action: connector.Update, ID: "U0ADA00001", Want: c.after, Edits: edit(c.before, c.after)})
			})
		}
	}
}

// TestWireDisable: PATCH while its limit has room, DELETE after that; that somebody is gone is an error to look into.
func TestWireDisable(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"v2": `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`,
		"v1": `{"schemas":["urn:scim:schemas:core:1.0"],"active":false}`,
	}
	for version, deleted := range map[string]int{"v2": 204, "v1": 200} { // both with nothing in it
		w := newWire(t, version,
			call{"PATCH", "Users/U0ADA00001", bodies[version], 200, "@v2-nulls.json", nil},
			call{"DELETE", "Users/U0ADA00001", "", deleted, "", nil},
			call{"DELETE", "Users/U0ADA00001", "", 404, `{"Errors":{"description":"no_such_user","code":404}}`, nil},
		)
		w.limit(connector.Bucket{Name: "change users", Methods: []string{"PATCH"}, PerMinute: 0.001, Burst: 1})
		disable := connector.Change{Kind: directory.KindUser, Action: connector.Disable, ID: "U0ADA00001", Urgency: connector.Removal}
		for i := range 2 {
			out := w.write(disable)
			if (out.Account != nil) != (i == 0) || i == 0 && out.Account.Active || out.Requests != 1 {
				t.Errorf("%d: %+v", i, out)
			}
		}
		var e *connector.Error
		if _, err := w.Write(t.Context(), disable); !errors.As(err, &e) || e.Kind != connector.NotFound {
			t.Errorf("nobody was disabled: %v", err)
		}
	}
}

func TestWireGroups(t *testing.T) {
	t.Parallel()
	patchOp := func(ops string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":` + ops + `}`
	}
	t.Run("v2", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, "v2",
			call{"POST", "Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Poets","members":[{"value":"U1"},{"value":"U2"},{"value":"U3"}]}`, 201, "@v2-group.json", nil},
			call{"PATCH", "Groups/S0GROUP001", patchOp(`[{"op":"add","path":"members","value":[{"value":"U4"}]}]`), 204, "", nil},
			call{"PATCH", "Groups/S0GROUP001", patchOp(`[{"op":"remove","path":"members","value":[{"value":"U1"},{"value":"U2"}]},{"op":"add","path":"members","value":[{"value":"U5"}]}]`), 200, "@v2-group.json", nil},
			call{"PATCH", "Groups/S0GROUP001", patchOp(`[{"op":"replace","path":"displayName","value":"Bards"}]`), 204, "", nil},
			call{"DELETE", "Groups/S0GROUP001", "", 204, "", nil},
		)
		w.group(t)
	})
	t.Run("v1", func(t *testing.T) {
		t.Parallel()
		const s = `"schemas":["urn:scim:schemas:core:1.0"]`
		w := newWire(t, "v1",
			call{"POST", "Groups", `{` + s + `,"displayName":"Poets","members":[{"value":"U1"},{"value":"U2"},{"value":"U3"}]}`, 201, "@v1-group.json", nil},
			call{"PATCH", "Groups/S0GROUP001", `{` + s + `,"members":[{"value":"U4"}]}`, 204, "", nil},
			call{"PATCH", "Groups/S0GROUP001", `{` + s + `,"members":[{"value":"U5"},{"value":"U1","operation":"delete"},{"value":"U2","operation":"delete"}]}`, 204, "", nil},
			call{"PATCH", "Groups/S0GROUP001", `{` + s + `,"displayName":"Bards"}`, 204, "", nil},
			call{"DELETE", "Groups/S0GROUP001", "", 204, "", nil},
		)
		w.group(t)
	})
}

// group leads a group through its life, in batches of three members.
func (w *wire) group(t *testing.T) {
	t.Helper()
	out := w.write(connector.Change{Kind: directory.KindGroup, Action: connector.Create, Want: attr.Set{"displayName": "Poets"}, Add: []string{"U1", "U2", "U3", "U4"}})
	if out.Account == nil || out.Account.ID != "S0GROUP001" || out.Account.MembersKnown || !slices.Equal(out.Added, []string{"U1", "U2", "U3", "U4"}) || out.Requests != 2 {
		t.Errorf("create: %+v", out)
	}
	out = w.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: "S0GROUP001", Remove: []string{"U1", "", "U2"}, Add: []string{"U5"}})
	if !slices.Equal(out.Added, []string{"U5"}) || !slices.Equal(out.Removed, []string{"U1", "U2"}) {
		t.Errorf("update: %+v", out)
	}
	out = w.write(connector.Change{Kind: directory.KindGroup, Action: connector.Update, ID: "S0GROUP001", Remove: []string{""}, Edits: []attr.Edit{{Path: "displayName", New: "Bards"}}})
	if out.Account != nil || out.Requests != 1 {
		t.Errorf("rename: %+v", out)
	}
	w.write(connector.Change{Kind: directory.KindGroup, Action: connector.Delete, ID: "S0GROUP001"})
}

func TestWireFilters(t *testing.T) {
	t.Parallel()
	const none = `{"totalResults":0,"itemsPerPage":0,"startIndex":1,"schemas":["urn:scim:schemas:core:1.0"],"Resources":[]}`
	for _, c := range []struct {
		version, path, value, query string
		kind                        directory.Kind
	}{
		{"v2", "userName", "ada", `Users?filter=userName%20eq%20%22ada%22`, directory.KindUser},
		{"v1", "userName", "ADA@example.org", `Users?filter=userName%20eq%20%22ada%22`, directory.KindUser},
		{"v2", work, `a"b\c+d&e@example.org`, `Users?filter=emails%20eq%20%22a%5C%22b%5C%5Cc%2Bd%26e%40example.org%22`, directory.KindUser},
		{"v1", work, "ada@example.org", `Users?filter=email%20eq%20%22ada%40example.org%22`, directory.KindUser},
		{"v2", "displayName", "R&D <1>", `Groups?filter=displayName%20eq%20%22R%26D%20%3C1%3E%22`, directory.KindGroup},
	} {
		t.Run(c.version+" "+c.path, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, c.version, call{"GET", c.query, "", 200, none, nil})
			for a, err := range w.Read(t.Context(), connector.Query{Kind: c.kind, Path: c.path, Value: c.value}) {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}
