package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/store"
)

// people are signed in, one of each role.
func (h *house) people() map[admin.Role]*browser {
	h.t.Helper()
	all := map[admin.Role]*browser{}
	for _, role := range admin.Roles {
		name := "the-" + string(role)
		h.join(name, role)
		all[role] = h.browser().enter(name)
	}
	return all
}

// lacks expects a page without a text.
func (r reply) lacks(t *testing.T, text string) reply {
	t.Helper()
	if strings.Contains(r.text, text) {
		t.Errorf("the page has %q:\n%s", text, r.text)
	}
	return r
}

// Whoever is not provisioned is found where the number of failures leads to, also without an account, with why and what to do;
// and from the person it is one step to the rules.
func TestWhatFailsIsFound(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(2)}).want(t, 200)
	target := h.target(t, "  provisioning: {scope: all}\n")
	target.Fail(connectortest.Fault{Method: "POST", Path: "Users", Status: 400, Body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"no licence left"}`, Times: -1})
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200)
	b.visit("/", nil).says(t, 200, `href="/applications/target/failures"`)
	for _, path := range []string{"/applications/target/failures", "/applications/target/failures?q=USER1"} {
		b.visit(path, nil).says(t, 200, "user1").says(t, 200, "no licence left").says(t, 200, "no account").lacks(t, "Try again")
	}
	b.visit("/applications/target/failures?q=user1", nil).lacks(t, "user0")
	b.visit("/applications/target/failures?q=nobody", nil).says(t, 200, "Nothing that fails is like that")
	person, err := h.desk.Person(t.Context(), "user1")
	if err != nil {
		t.Fatal(err)
	}
	why := "/applications/target/explain?user=" + person.ID
	b.visit("/users/user1", nil).says(t, 200, `href="`+why+`"`)
	b.visit(why, nil).says(t, 200, "escrow").says(t, 200, `href="/applications/target/failures"`)
	b.visit("/applications/target/accounts?q=user1", nil).says(t, 200, `href="/applications/target/explain?user=user1"`)
}

// An application that is left alone says why, what to do, and which answer that rests on.
func TestQuarantineSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()
	h.upload("", map[string]string{"p.csv": people(1)}).want(t, 200)
	target := h.target(t, "  provisioning: {scope: all}\n")
	target.Fail(connectortest.Fault{Status: 401, Body: `{"detail":"token revoked by an owner"}`, Times: -1})
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`)
	for role, can := range map[admin.Role][]bool{admin.Reader: {false, false}, admin.Operator: {true, false}, admin.Admin: {true, true}} {
		r := b[role].visit("/applications/target", nil).says(t, 200, "In quarantine").says(t, 200, "Next: ").says(t, 200, "Answer 401").says(t, 200, "token revoked by an owner")
		for i, button := range []string{">Test Connection<", ">Set Up Connection<"} {
			if strings.Contains(r.text, button) != can[i] {
				t.Errorf("%s and %s: want %t", role, button, can[i])
			}
		}
	}
	target.Heal()
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200)
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/pause", `{"seconds":3600}`).want(t, 200)
	b[admin.Reader].visit("/applications/target", nil).lacks(t, "In quarantine").says(t, 200, "<b>Paused</b> until 20")
}

// A target that asked for a pause is not something that went wrong, nor something for a person to do.
func TestPauseOfTheTarget(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(1)}).want(t, 200)
	h.target(t, "  provisioning: {scope: all}\n")
	for pause, says := range map[bool]string{true: "The target wants a pause", false: "Muster itself could not run it"} {
		app, err := h.store.Application(t.Context(), "target")
		if err == nil {
			err = h.store.SetTrouble(t.Context(), app.ID, &store.Trouble{Since: h.store.Now(), Reason: "for a reason", RetryAt: h.store.Now().Add(time.Hour), Pause: pause})
		}
		if err != nil {
			t.Fatal(err)
		}
		b.visit("/applications/target", nil).says(t, 200, says)
		st, err := h.desk.Status(t.Context(), "target")
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range st.Applications[0].Waiting {
			if w.Kind == "trouble" && pause {
				t.Errorf("a person is told of the pause: %+v", w)
			}
		}
	}
}

// Whoever operates stops what goes wrong, as over the API; to start it is not theirs.
func TestOperatorStops(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()
	h.target(t, "  provisioning: {scope: all, status: on}\n")
	is := func(want string) {
		t.Helper()
		if st, err := h.desk.Status(t.Context(), "target"); err != nil || st.Applications[0].Status != want {
			t.Errorf("%v, %v; want %s", st.Applications, err, want)
		}
	}
	const path = "/applications/target/status"
	b[admin.Reader].visit(path, url.Values{"status": {"off"}}).says(t, 403, "may not do this")
	is("on")
	b[admin.Operator].visit("/applications/target", nil).says(t, 200, "Stop provisioning")
	b[admin.Operator].visit(path, url.Values{"status": {"pause"}}).sent(t, "/applications/target")
	b[admin.Operator].visit(path, url.Values{"status": {"resume"}}).sent(t, "/applications/target")
	b[admin.Operator].visit(path, url.Values{"status": {"off"}}).sent(t, "/applications/target")
	is("off")
	b[admin.Operator].visit("/applications/target", nil).lacks(t, "Start provisioning")
	b[admin.Operator].visit(path, url.Values{"status": {"on"}}).says(t, 403, "ask an owner for the role admin")
	is("off")
	b[admin.Admin].visit(path, url.Values{"status": {"on"}}).sent(t, "/applications/target")
	is("on")
}

// What somebody's role does not let them change, they cannot type into either.
func TestReadersGetNoFormsToFillIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()
	h.target(t, "")
	for _, path := range []string{"/applications/target/provisioning", "/applications/target/mappings"} {
		for _, role := range admin.Roles {
			dead := strings.Contains(b[role].visit(path, nil).says(t, 200, "<fieldset").text, " disabled>")
			if can := role.May(admin.Admin); dead == can {
				t.Errorf("%s as %s: the fields are disabled: %t", path, role, dead)
			}
		}
	}
	b[admin.Reader].visit("/", nil).lacks(t, "/users/new")
	h.as(admin.Admin, http.MethodDelete, "/api/v1/applications/target", "").want(t, 200)
	b[admin.Reader].visit("/", nil).lacks(t, "/users/new").says(t, 200, "There is no application yet")
	b[admin.Admin].visit("/", nil).says(t, 200, "Begin here")
}

// Whoever reloads what a button led to, or comes back to it, gets the page that has the button; an old link is told to be one.
func TestAddressesWithoutAPage(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Owner]
	h.target(t, "")
	for path, to := range map[string]string{
		"/applications/target/test": "/applications/target", "/applications/target/mappings/test": "/applications/target/mappings", "/notifications/test": "/notifications",
		"/notifications/mail": "/notifications", "/tokens/1/revoke": "/tokens", "/theme": "/", "/profile/codes": "/profile", "/signout": "/",
	} {
		b.visit(path, nil).sent(t, to)
	}
	b.visit("/no/such/page", nil).says(t, 404, "There is no such page").says(t, 404, "Outbound Provisioning")
	h.browser().visit("/no/such/page", nil).sent(t, "/signin?next=%2Fno%2Fsuch%2Fpage")
	h.ask("", http.MethodGet, "/no/such/page", "").want(t, 404, "not_found")
	h.ask("", http.MethodDelete, "/users", "").want(t, 404, "not_found")
	h.as(admin.Owner, http.MethodGet, "/api/v1/nothing", "").want(t, 404, "not_found")
}

// Whoever sends a form after their session has ended is told that nothing was done, and comes back to the form.
func TestSessionEndsDuringAForm(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.join("ada", admin.Owner)
	b := h.browser()
	r := b.visit("/users", url.Values{"userName": {"grace"}}, "Referer", h.url+"/users/new")
	r.sent(t, "/signin?done=lost&next=%2Fusers%2Fnew")
	b.visit("/signin?done=lost&next=%2Fusers%2Fnew", nil).says(t, 200, "what you sent was not done").says(t, 200, `value="/users/new"`)
	b.visit("/signin", url.Values{"name": {"ada"}, "password": {password}, "next": {"/users/new"}}).sent(t, "/users/new")
	for _, from := range []string{"https://evil.example/users/new", "//evil.example", h.url + "//evil.example/"} {
		h.browser().visit("/users", url.Values{"userName": {"grace"}}, "Referer", from).sent(t, "/signin?done=lost")
	}
	part := h.browser().visit("/applications/target/details", nil, "HX-Request", "true", "HX-Current-URL", h.url+"/applications/target?x=1")
	if to := part.header.Get("HX-Redirect"); part.status != 401 || to != "/signin?next=%2Fapplications%2Ftarget%3Fx%3D1" {
		t.Errorf("a part is sent to %q with %d", to, part.status)
	}
}

// A choice of colours keeps the page, with its filters.
func TestColoursKeepThePage(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	b.visit("/theme", url.Values{"theme": {"dark"}}, "Referer", h.url+"/logs?status=failure").sent(t, "/logs?status=failure")
	b.visit("/theme", url.Values{"theme": {"dark"}}, "Referer", "https://evil.example/logs").sent(t, "/")
	b.visit("/theme", url.Values{"theme": {"light"}}).sent(t, "/")
}

// A group is renamed where it is looked at; who was slower is told, and so is whoever takes a name that is taken.
func TestRenameGroup(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Admin]
	for _, name := range []string{"Sales", "Support"} {
		if _, err := h.desk.AddGroup(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	g, err := h.desk.GroupByName(t.Context(), "Sales")
	if err != nil {
		t.Fatal(err)
	}
	path, opened := "/groups/"+g.ID, g.Version()
	b.visit(path, nil).says(t, 200, "Rename")
	b.visit(path, url.Values{"displayName": {"Field Sales"}, "version": {opened}}).sent(t, path)
	b.visit(path, url.Values{"displayName": {"Inside Sales"}, "version": {opened}}).says(t, 422, "saving again puts yours in its place").says(t, 422, `value="Inside Sales"`)
	b.visit(path, url.Values{"displayName": {"Support"}}).says(t, 422, "Support")
	if g, err := h.desk.GroupByName(t.Context(), g.ID); err != nil || g.DisplayName != "Field Sales" {
		t.Errorf("it is called %q, %v", g.DisplayName, err)
	}
	b.visit("/groups", url.Values{"displayName": {"Support"}}).says(t, 422, `value="Support"`)
}

// The page says when what is asked for will not happen: provisioning that is on in the mode Manual, mails without a server.
func TestSettingsThatDoNothingAreTold(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Admin]
	h.target(t, "")
	const path = "/applications/target/provisioning"
	b.visit(path, nil).says(t, 200, "No mail server is set up yet")
	if err := h.desk.SetMail(t.Context(), store.Mail{Host: "localhost", Port: 25, TLS: "none", From: "muster@example.org", To: []string{"it@example.org"}}, ""); err != nil {
		t.Fatal(err)
	}
	b.visit(path, nil).lacks(t, "No mail server")
	b.visit(path, url.Values{"mode": {"manual"}, "has status": {"1"}, "status": {"on"}}).sent(t, path+"?mode=manual")
	b.visit(path+"?mode=manual", nil).says(t, 200, "The mode is Manual, so provisioning is off").lacks(t, "Provisioning is on")
	b.visit(path, url.Values{"mode": {"automatic"}, "has status": {"1"}, "status": {"on"}}).sent(t, path+"?mode=automatic")
	b.visit(path+"?mode=automatic", nil).says(t, 200, "Provisioning is on")
}

// An application that thousands are assigned to one by one shows them page by page, and finds them.
func TestAssignmentsInPages(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(120)}).want(t, 200)
	var all strings.Builder
	for i := range 120 {
		fmt.Fprintf(&all, "{user: user%d}, ", i)
	}
	h.target(t, "  assignments: ["+all.String()+"]\n")
	const path = "/applications/target/assignments"
	seen := map[string]bool{}
	for _, at := range []string{"", "?from=50", "?from=100"} {
		r := b.visit(path+at, nil).says(t, 200, "Search 120 assignments")
		for i := range 120 {
			if name := fmt.Sprintf(">user%d<", i); strings.Contains(r.text, name) {
				if seen[name] {
					t.Errorf("%s stands on two pages", name)
				}
				seen[name] = true
			}
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d are shown, want 120", len(seen))
	}
	b.visit(path, nil).says(t, 200, path+"?from=50")
	b.visit(path+"?from=100", nil).lacks(t, "Next page")
	b.visit(path+"?q=USER119", nil).says(t, 200, ">user119<").lacks(t, ">user11<")
	b.visit(path+"?q=nobody&from=9999999", nil).says(t, 200, "Nobody who is assigned is called that")
}

// The log is cut down to a span of time, on the page, in what is exported and over the API.
func TestLogOfASpanOfTime(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(1)}).want(t, 200)
	h.target(t, "  provisioning: {scope: all}\n")
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200)
	const field = "2006-01-02T15:04"
	before, after := h.clock.now().UTC().Add(-time.Hour), h.clock.now().UTC().Add(time.Hour)
	for query, there := range map[string]bool{
		"from=" + before.Format(field) + "&until=" + after.Format(field): true, "until=" + before.Format(field): false, "from=" + after.Format(field): false,
		"until=" + after.Format(field): true, "since=24h&from=" + after.Format(field): false, "from=yesterday": true,
	} {
		for _, path := range []string{"/logs?", "/logs/export?", "/audit?", "/audit/export?"} {
			r := b.visit(path+query, nil)
			is := strings.Contains(r.text, "target")
			if !strings.Contains(path, "export") {
				is = !strings.Contains(r.text, "Nothing is recorded")
			}
			if r.status != 200 || is != there {
				t.Errorf("%s%s: %d, something is there: %t, want %t", path, query, r.status, is, there)
			}
		}
	}
	for query, want := range map[string]int{"until=" + before.Format(time.RFC3339): 0, "until=" + after.Format(time.RFC3339): 1} {
		if r := h.as(admin.Reader, http.MethodGet, "/api/v1/logs?"+query, "").want(t, 200); len(r.doc["records"].([]any)) != want {
			t.Errorf("%s: %s, want %d", query, r.text, want)
		}
	}
}

// Whoever is on call sees first what keeps accounts from following the directory, and why; the page brings it up to date by itself.
func TestHomeTellsWhatIsUrgentFirst(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(1)}).want(t, 200)
	if _, err := h.desk.AddApplication(t.Context(), "scim2", "alpha"); err != nil {
		t.Fatal(err)
	}
	target := h.target(t, "  provisioning: {scope: all}\n")
	target.Fail(connectortest.Fault{Status: 401, Times: -1})
	h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`)
	for _, header := range [][]string{nil, {"HX-Request", "true", "HX-Target", "standing"}} {
		r := b.visit("/", nil, header...).says(t, 200, "the target or its credentials fail: ").says(t, 200, "just now")
		if strings.Index(r.text, "the target or its credentials fail") > strings.Index(r.text, "there is no token yet") {
			t.Error("an application that is not set up yet stands before one that fails")
		}
		if whole := strings.Contains(r.text, "<html"); whole == (header != nil) {
			t.Errorf("with %v the whole page is sent: %t", header, whole)
		}
	}
}

// What is held for one reason has it once, a group's page says where it gives accounts, and of a leaver whose account is off nothing is
// said to be missing.
func TestPagesSayItOnce(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	h.upload("", map[string]string{"p.csv": people(20)}).want(t, 200)
	var members []string
	for i := range 20 {
		members = append(members, fmt.Sprintf("user%d", i))
	}
	if _, err := h.desk.AddGroup(t.Context(), "Sales", members); err != nil {
		t.Fatal(err)
	}
	h.target(t, "  assignments: [{group: Sales}]\n")
	b.visit("/groups/Sales", nil).says(t, 200, "assigned to").says(t, 200, `href="/applications/target/assignments"`)
	sync := func() { h.as(admin.Operator, http.MethodPost, "/api/v1/applications/target/cycles", `{}`).want(t, 200) }
	sync()
	if _, _, err := h.desk.SetUser(t.Context(), "user0", []string{"active=false"}); err != nil {
		t.Fatal(err)
	}
	sync()
	b.visit("/applications/target/explain?user=user0", nil).says(t, 200, "Nothing: the account is as the directory says")
	h.as(admin.Admin, http.MethodDelete, "/api/v1/applications/target/assignments?group=Sales", "").want(t, 200)
	sync()
	b.visit("/groups/Sales", nil).says(t, 200, "Assigned to none")
	r := b.visit("/applications/target/plan", nil).says(t, 200, "Held because ").says(t, 200, "user19")
	if n := strings.Count(r.text, "are more than"); n != 1 {
		t.Errorf("it says %d times why it is held", n)
	}
}

// Whatever an application may be called, its pages are reached by that name.
func TestEveryNameHasItsPages(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Admin]
	for _, name := range []string{"gallery", "new", "add", "authorized", "test", "a?b#c", "50%", "%2e%2e", "x;y", "Personal ä ö", "<b>", `"`, "'", `a\b`} {
		at := b.visit("/applications", url.Values{"template": {"scim2"}, "name": {name}}).header.Get("Location")
		b.visit(at, nil).says(t, 200, "Synchronization Details").says(t, 200, "<h1>"+html.EscapeString(name)+"</h1>")
		for _, tab := range []string{"/assignments", "/provisioning", "/mappings", "/plan", "/accounts", "/failures", "/drift"} {
			b.visit(at+tab, nil).says(t, 200, html.EscapeString(name))
		}
		h.as(admin.Reader, http.MethodGet, "/api/v1/applications/"+url.PathEscape(name), "").want(t, 200)
	}
	for _, name := range []string{".", "..", "a/b", "\u200b", "a\u202eb"} {
		b.visit("/applications", url.Values{"template": {"scim2"}, "name": {name}}).says(t, 422, "nothing was changed")
	}
}

// A browser that is left open on a page which asks again by itself is signed out as if nobody were there.
func TestLookingAgainKeepsNobodySignedIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.people()[admin.Reader]
	for range 3 { // used, it stays
		h.clock.advance(6 * time.Hour)
		b.visit("/", nil).says(t, 200, "Home")
	}
	again := []string{"HX-Request", "true", "HX-Target", "standing", "HX-Current-URL", h.url + "/users", "Muster-Again", "yes"}
	h.clock.advance(6 * time.Hour)
	b.visit("/", nil, again...).says(t, 200, "standing")
	h.clock.advance(3 * time.Hour)
	if r := b.visit("/", nil, again...); r.status != 401 || r.header.Get("HX-Redirect") != "/signin?next=%2Fusers" {
		t.Errorf("%d to %q", r.status, r.header.Get("HX-Redirect"))
	}
	b.visit("/", nil).sent(t, "/signin")
}
