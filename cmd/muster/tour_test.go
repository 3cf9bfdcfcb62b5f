package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/muster-id/muster/docs"
	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// stop is one page of a tour, in one state.
type stop struct {
	route string         // the row of the table of roles that it belongs to
	name  string         // of its picture; "" where there is none
	path  string         // "" where do gets there by itself
	do    func(*visitor) // what is done there before the page is looked at
}

// noPages are the routes for GET outside the API that show a person no page of their own, each with why.
var noPages = map[string]string{
	"GET /activity.json":                "figures of the chart",
	"GET /assets/{name}":                "files of the pages",
	"GET /signin/assets/{name}":         "files of the pages",
	"GET /openapi.json":                 "for programs",
	"GET /openapi-3.0.json":             "for programs",
	"GET /metrics":                      "for programs",
	"GET /names":                        "suggestions of fields",
	"GET /mappings/words":               "suggestions of the editor",
	"GET /logs/export":                  "a download",
	"GET /audit/export":                 "a download",
	"GET /applications/{app}/authorize": "leads to the target",
	"GET /applications/{app}/details":   "a part of the application's page",
	"GET /signin/sso":                   "leads to the identity provider",
	"GET /profile/sso":                  "leads to the identity provider",
	"GET /profile/confirm/sso":          "leads to the identity provider",
	"GET /profile/app/picture":          "a picture of /profile/app",
}

// The password of whoever signs in on a tour.
const tourPassword = "correct horse battery staple 9"

// tour is a company with something to see on every page, and the way through the pages.
type tour struct {
	*world
	http    *http.Client // signed in as the owner
	outside []stop       // for whoever is not signed in
	inside  []stop       // for the owner
}

// newTour sets the company up: people with accounts, some with trouble, a leaver, removals that are held, a target that fails.
func newTour(t *testing.T) *tour {
	t.Helper()
	w := &world{t: t, slack: slackemulator.New(slackemulator.Options{TimeScale: 60, LimitsOff: true, Name: "Example", Domain: "example"})}
	st, err := store.Open(t.Context(), store.Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	slack := httptest.NewServer(w.slack)
	t.Cleanup(slack.Close)
	w.scim = slack.URL + "/scim/v2/"
	w.desk = admin.New(st, admin.Options{By: store.Actor{Name: "ada@example.org (owner)", Via: "console"}, Protocols: protocols})
	server := httptest.NewUnstartedServer(nil)
	w.base = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1) // passkeys want a name
	gate, err := signin.New(st, signin.Options{URL: w.base, Hashing: signin.Hashing{MemoryKiB: 8, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Options{Desk: w.desk, SignIn: web.SignIn{Gate: gate}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = site
	server.Start()
	t.Cleanup(server.Close)
	link, _, err := gate.SetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil) // never fails
	tr := &tour{world: w, http: &http.Client{Jar: jar}}
	tr.post(strings.TrimPrefix(link, w.base), url.Values{"name": {"ada@example.org"}, "password": {tourPassword}, "again": {tourPassword}})
	tr.furnish(st)
	tr.withApp(gate)
	tr.plan()
	return tr
}

// must ends the test when a step of the furnishing failed: its last result is an error.
func (tr *tour) must(results ...any) {
	tr.t.Helper()
	if err, failed := results[len(results)-1].(error); failed {
		tr.t.Fatal(err)
	}
}

// furnish gives every page something to show.
func (tr *tour) furnish(st *store.Store) {
	t, ctx, desk := tr.t, tr.t.Context(), tr.desk
	t.Helper()
	tr.company()
	tr.connect("Everyone")
	tr.must(desk.AddUser(ctx, "no.mail@example.org", []string{"name.familyName=Nomail"}))
	tr.must(desk.EditMembers(ctx, "Everyone", []string{"no.mail@example.org"}, nil))
	tr.must(desk.Sync(ctx, "slack", admin.SyncOptions{}))
	tr.must(desk.SetUser(ctx, "aase.rasmussen@example.org", []string{"title=Chief Technology Officer"}))
	tr.must(desk.SetUser(ctx, "aase.kjaergaard@example.org", []string{"active=false"}))
	tr.must(desk.Sync(ctx, "slack", admin.SyncOptions{}))
	tr.must(tr.slack.AddUser(slackemulator.User{UserName: "stranger", Email: "stranger@example.net", DisplayName: "A Stranger"}))
	tr.must(desk.Sync(ctx, "slack", admin.SyncOptions{Reconcile: true}))
	tr.must(desk.Unassign(ctx, "slack", provision.Assignment{Group: "Everyone"}))
	tr.must(desk.EditMembers(ctx, "Engineering", []string{"no.mail@example.org"}, nil))
	tr.must(desk.Assign(ctx, "slack", provision.Assignment{Group: "Engineering"}))
	tr.must(desk.Assign(ctx, "slack", provision.Assignment{Group: "Sales"}))
	tr.must(desk.Sync(ctx, "slack", admin.SyncOptions{}))
	tr.must(desk.Plan(ctx, "slack", false, nil))

	tr.must(desk.AddApplication(ctx, "scim2", "wiki"))
	tr.must(desk.EditApplication(ctx, "wiki", "", map[string]string{"token": "secret"}, func(a *provision.Application) error {
		a.Connection.Endpoint = "http://127.0.0.1:1/scim/v2" // nobody listens there
		return nil
	}))
	tr.must(desk.Assign(ctx, "wiki", provision.Assignment{Group: "Engineering"}))
	_, _ = desk.Sync(ctx, "wiki", admin.SyncOptions{}) // into quarantine
	tr.must(desk.AddApplication(ctx, "slack", "slack-subsidiary"))

	for _, token := range []admin.TokenRequest{{Role: "operator", Name: "nightly job"}, {Role: "reader", Name: "dashboard"}} {
		tr.must(desk.CreateToken(ctx, token))
	}
	tr.must(desk.SetMail(ctx, store.Mail{Host: "localhost", Port: 2525, TLS: "none", From: "muster@example.org", To: []string{"it@example.org"}}, ""))
	tr.must(desk.AddWebhook(ctx, store.Webhook{Name: "on-call", URL: "https://hooks.example.org/muster"}))
	tr.must(st.SetSingleSignOn(ctx, store.Actor{Name: "test"}, &store.SingleSignOn{Name: "Example ID", Issuer: "https://id.example.org", ClientID: "muster"}, nil))
}

// withApp adds somebody who signs in with an authenticator app.
func (tr *tour) withApp(gate *signin.Gate) {
	t, ctx := tr.t, tr.t.Context()
	t.Helper()
	cleo, err := tr.desk.AddAdministrator(ctx, "cleo@example.org", admin.Reader)
	tr.must(err)
	_, link, _ := strings.Cut(cleo.Link, "/link/")
	in, err := gate.FollowLink(ctx, signin.Client{}, link, "", tourPassword)
	tr.must(err)
	cleoNow, err := gate.Visitor(ctx, in.Session)
	tr.must(err)
	e, err := gate.BeginAuthenticator(ctx, cleoNow)
	tr.must(err)
	code, err := totp.GenerateCode(e.Secret, time.Now())
	tr.must(err)
	_, _, err = gate.FinishAuthenticator(ctx, cleoNow, e.Token, code)
	tr.must(err)
}

// post sends a form as the owner, and fails when that is refused.
func (tr *tour) post(path string, form url.Values) {
	tr.t.Helper()
	res, err := tr.http.PostForm(tr.base+path, form)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		tr.t.Fatalf("sending a form to %s: %s", path, res.Status)
	}
}

// upload sends a file of people, and returns the page that previews its import.
func (tr *tour) upload() string {
	tr.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", "newcomers.csv")
	if err != nil {
		tr.t.Fatal(err)
	}
	fmt.Fprint(part, "userName,Vorname,name.familyName,emails,active\nnew.hire@example.org,New,Hire,new.hire@example.org,yes\nsecond@example.org,Sec,Ond,second@example.org,perhaps\n")
	if err := form.Close(); err != nil {
		tr.t.Fatal(err)
	}
	res, err := tr.http.Post(tr.base+"/import", form.FormDataContentType(), &b)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		tr.t.Fatalf("uploading a file: %s", res.Status)
	}
	return res.Request.URL.Path
}

// plan writes down the way. A row of the table of routes that is neither on it nor in noPages fails the tests that take it.
func (tr *tour) plan() {
	t, ctx := tr.t, tr.t.Context()
	t.Helper()
	person, err := tr.desk.Person(ctx, "aase.rasmussen@example.org")
	tr.must(err)
	group, err := tr.desk.GroupByName(ctx, "Engineering")
	tr.must(err)
	records, _, err := tr.desk.LogPage(ctx, admin.LogFilter{Status: "failure", Application: "slack"}, true, "", 1)
	tr.must(err)
	if len(records) == 0 {
		t.Fatal("the company has no failure to show")
	}
	cycles, err := tr.desk.Cycles(ctx, "slack", "", 1)
	tr.must(err)
	bea, err := tr.desk.AddAdministrator(ctx, "bea@example.org", admin.Operator)
	tr.must(err)
	_, invitation, _ := strings.Cut(bea.Link, "/link/")

	tr.outside = []stop{
		{"GET /signin", "signin", "/signin", nil},
		{"GET /signin", "", "/signin", func(v *visitor) {
			v.fill("Name", "ada@example.org")
			v.fill("Password", "wrong")
			v.click("Sign in")
			v.sees("not right")
		}},
		{"GET /link/{token}", "invitation", "/link/" + invitation, nil},
		{"GET /link/{token}", "", "/link/none", nil},
		{"GET " + signin.CallbackPath, "", signin.CallbackPath + "?error=access_denied", nil},
		{"GET /signin/code", "signin-code", "/signin", func(v *visitor) {
			v.fill("Name", "cleo@example.org")
			v.fill("Password", tourPassword)
			v.click("Sign in")
			v.sees("Second factor")
		}},
		{"GET /docs", "docs", "/docs", nil},
		{"GET /docs", "docs-search", "/docs?q=quarantine", nil},
		{"GET /docs/{page...}", "", "/docs/none", nil},
	}
	tr.must(fs.WalkDir(docs.Files, ".", func(name string, _ fs.DirEntry, err error) error {
		if page, ok := strings.CutSuffix(name, ".md"); ok && page != "README" {
			tr.outside = append(tr.outside, stop{"GET /docs/{page...}", "", "/docs/" + page, nil})
		}
		return err
	}))
	app := func(route, name, path string, do func(*visitor)) stop {
		return stop{"GET /applications/{app}" + route, name, "/applications/slack" + path, do}
	}
	tr.inside = []stop{
		{"GET /{$}", "home", "/", func(v *visitor) {
			v.run("waiting for the chart", chromedp.WaitVisible("#activity canvas", chromedp.ByQuery))
		}},
		{"GET /{$}", "", "/", func(v *visitor) { v.click("Account") }},
		{"GET /users", "users", "/users", nil},
		{"GET /users", "", "/users?q=nobody-is-called-that", nil},
		{"GET /users/new", "user-new", "/users/new", nil},
		{"GET /users/{id}", "user", "/users/" + person.ID, nil},
		{"GET /users/{id}", "", "/users/none", nil},
		{"GET /users/{id}/edit", "user-edit", "/users/" + person.ID + "/edit", nil},
		{"GET /groups", "groups", "/groups", nil},
		{"GET /groups/{id}", "group", "/groups/" + group.ID, nil},
		{"GET /import", "import", "/import", nil},
		{"GET /import/{id}", "import-preview", tr.upload(), func(v *visitor) { v.sees("Row by row") }},
		{"GET /applications", "applications", "/applications", nil},
		{"GET /gallery", "gallery", "/gallery", nil},
		{"GET /gallery/add", "application-new", "/gallery/add?template=slack", nil},
		app("", "application", "", nil),
		{"GET /applications/{app}", "application-quarantine", "/applications/wiki", nil},
		app("/assignments", "assignments", "/assignments", nil),
		app("/provisioning", "provisioning", "/provisioning", nil),
		{"GET /applications/{app}/provisioning", "", "/applications/slack-subsidiary/provisioning", nil},
		app("/mappings", "mappings", "/mappings", nil),
		app("/mappings", "", "/mappings?kind=group", nil),
		app("/mappings/{kind}/{row}", "mapping", "/mappings/user/0", func(v *visitor) {
			v.tick("Expression")
			v.fill("The expression", `user.userName.lower()`)
			v.fill("Try it on a person: userName, e-mail or id", "aase.rasmussen@example.org")
			v.click("Preview")
			v.sees("aase.rasmussen@example.org would get")
		}),
		app("/mappings/{kind}/{row}", "", "/mappings/user/new", nil),
		app("/plan", "plan", "/plan", nil),
		app("/cycles", "cycles", "/cycles", nil),
		app("/cycles/{cycle}", "cycle", "/cycles/"+cycles[0].ID, nil),
		app("/accounts", "accounts", "/accounts", nil),
		app("/accounts", "", "/accounts?kind=group", nil),
		app("/failures", "failures", "/failures", nil),
		app("/on-demand", "on-demand", "/on-demand", func(v *visitor) {
			v.fill("User: userName, e-mail or id", "aase.rasmussen@example.org")
			v.click("Only look")
			v.sees("scoping")
		}),
		app("/explain", "explain", "/explain?user="+url.QueryEscape("aase.kjaergaard@example.org"), nil),
		app("/drift", "drift", "/drift", nil),
		{"GET /authorized", "", "/authorized?error=access_denied", nil},
		{"GET /provisioning", "outbound-provisioning", "/provisioning", func(v *visitor) { v.click("Actions for slack") }},
		{"GET /logs", "logs", "/logs", nil},
		{"GET /logs/{id}", "log-record", "/logs/" + records[0].ID, nil},
		{"GET /tokens", "tokens", "/tokens", nil},
		{"GET /notifications", "notifications", "/notifications", nil},
		{"GET /audit", "audit", "/audit", nil},
		{"GET /administrators", "administrators", "/administrators", nil},
		{"GET /administrators/{id}", "administrator", "/administrators/" + bea.ID, nil},
		{"GET /sign-in", "single-sign-on", "/sign-in", nil},
		{"GET /retention", "retention", "/retention", nil},
		{"GET /backup", "backup", "/backup", nil},
		{"GET /profile", "profile", "/profile", nil},
		{"GET /profile/confirm", "confirm", "/profile/confirm", nil},
		{"GET /profile/app", "authenticator-app", "/profile", func(v *visitor) {
			v.click("Add an authenticator app")
			v.sees("Secret")
		}},
	}
}

// missed are the routes of pages that the tour does not go to.
func (tr *tour) missed() (missed []string) {
	seen := map[string]bool{}
	for _, s := range append(tr.outside, tr.inside...) {
		seen[s.route] = true
	}
	for route := range web.Roles() {
		if strings.HasPrefix(route, "GET /") && !strings.HasPrefix(route, "GET /api/") && !seen[route] && noPages[route] == "" {
			missed = append(missed, route)
		}
	}
	return missed
}

// enter lets the browser in as the owner.
func (tr *tour) enter(v *visitor) {
	tr.t.Helper()
	at, err := url.Parse(tr.base)
	tr.must(err)
	var cookies []*network.CookieParam
	for _, c := range tr.http.Jar.Cookies(at) {
		cookies = append(cookies, &network.CookieParam{Name: c.Name, Value: c.Value, URL: tr.base, HTTPOnly: true})
	}
	v.run("signing in", network.SetCookies(cookies))
}

// goTo takes a stop of the tour.
func (v *visitor) goTo(s stop) {
	v.t.Helper()
	v.open(s.path)
	if s.do != nil {
		s.do(v)
	}
}
