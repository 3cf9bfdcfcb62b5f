package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// Of two administrators who edit at once the second one is told, and nothing of the first one's is lost: settings, mappings, a secret, a
// person.
func TestTwoAdministratorsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	first, second := visit(t, w.base), visit(t, w.base)
	application := func() *provision.Application {
		t.Helper()
		app, err := w.desk.Application(t.Context(), "slack")
		if err != nil {
			t.Fatal(err)
		}
		return app
	}

	for _, v := range []*visitor{first, second} {
		v.open("/applications/slack/provisioning")
	}
	first.fill("Interval of cycles", "20m")
	first.click("Save")
	first.sees("Saved.")
	second.fill("Grace before a removal", "48h")
	second.click("Save")
	second.sees("Saved.") // they changed different things: both stay
	if p := application().Provisioning; time.Duration(p.Interval) != 20*time.Minute || time.Duration(p.Grace) != 48*time.Hour {
		t.Fatalf("interval %v, grace %v", p.Interval, p.Grace)
	}
	for _, v := range []*visitor{first, second} {
		v.open("/applications/slack/provisioning")
	}
	first.fill("Interval of cycles", "30m")
	first.fill("or past", "77")
	first.click("Save")
	first.sees("Saved.")
	second.fill("Interval of cycles", "40m")
	second.click("Save")
	second.sees("Somebody else has changed this meanwhile: interval")
	if p := application().Provisioning; time.Duration(p.Interval) != 30*time.Minute {
		t.Fatalf("the interval is %v: it was put over the other one", p.Interval)
	}
	second.click("Save") // what they typed stands there still, and they have been told
	second.sees("Saved.")
	if p := application().Provisioning; time.Duration(p.Interval) != 40*time.Minute || p.Hold.Max != 77 {
		t.Errorf("interval %v, hold %+v", p.Interval, p.Hold)
	}

	// A token that nobody can read is a change too.
	second.open("/applications/slack/provisioning")
	first.open("/applications/slack/provisioning")
	first.fill("Authorization token", "xoxp-another")
	first.clickIn(`//section[@id="connection"]`, "Save")
	first.sees("Next: Test Connection.")
	second.fill("Authorization token", slackemulator.DefaultToken)
	second.clickIn(`//section[@id="connection"]`, "Save")
	second.sees("Somebody else has changed this meanwhile: credentials")

	// Rows of mappings move when one is removed: the second one's would be another one's place.
	for _, v := range []*visitor{first, second} {
		v.open("/applications/slack/mappings")
		v.click("title")
	}
	rows := len(application().Mappings.Users)
	first.click("Remove")
	first.sees("The mapping was removed")
	second.tick("Constant: the same for everybody")
	second.fill("The constant", "Colleague")
	second.clickIn(`//form[@id="editor"]`, "Save")
	second.sees("has been changed by somebody else meanwhile")
	if n := len(application().Mappings.Users); n != rows-1 {
		t.Errorf("%d mappings, want %d", n, rows-1)
	}

	person := "/users/aase.rasmussen@example.org"
	for _, v := range []*visitor{first, second} {
		v.open(person)
		v.click("Edit")
	}
	first.fill("Title", "Countess")
	first.click("Save")
	first.sees("Saved.")
	second.fill("Title", "Duchess")
	second.click("Save")
	second.sees("meanwhile")
	p, err := w.desk.Person(t.Context(), "aase.rasmussen@example.org")
	if err != nil || fmt.Sprint(p.Attributes["title"]) != "Countess" {
		t.Errorf("the title is %v: %v", p.Attributes["title"], err)
	}
}

// wishes are what a page lets somebody do: where its forms that have a button send, and its links lead, with the method.
const wishes = `[...document.querySelectorAll("form:has(button:not([type=button])), button[formaction], a[href]:not([href^='#'])")].flatMap((e) => {
  const at = new URL(e.getAttribute(e.tagName === "A" ? "href" : e.tagName === "FORM" ? "action" : "formaction") || location.href, location.href);
  if (at.origin !== location.origin) return [];
  return [(e.tagName === "A" ? "GET" : (e.getAttribute("method") || e.form?.method || "get").toUpperCase()) + " " + at.pathname];
})`

// Every role sees the pages that it may see, and on none of them something that it may not do: whatever a page offers, its role may.
func TestEachRolesView(t *testing.T) {
	t.Parallel()
	tr := newTour(t)
	patterns := http.NewServeMux()
	for route := range web.Roles() {
		if !strings.HasPrefix(strings.TrimLeft(route, "GETPOSUDLAH "), "/api/") {
			patterns.HandleFunc(route, func(http.ResponseWriter, *http.Request) {})
		}
	}
	need := func(wish string) (admin.Role, bool) {
		method, path, _ := strings.Cut(wish, " ")
		r, err := http.NewRequest(method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, pattern := patterns.Handler(r)
		role, known := web.Roles()[pattern]
		return role, known
	}
	v := visit(t, tr.base)
	for _, role := range []admin.Role{admin.Reader, admin.Operator, admin.Admin} {
		in, err := tr.desk.AddAdministrator(t.Context(), "a "+string(role), role)
		if err != nil {
			t.Fatal(err)
		}
		v.open(strings.TrimPrefix(in.Link[strings.Index(in.Link, "/link/"):], tr.base))
		v.fill("New password", tourPassword)
		v.fill("The same again", tourPassword)
		v.click("Set the password")
		v.sees("Waits for you")
		seen := 0
		for _, s := range tr.inside {
			may := role.May(web.Roles()[s.route])
			if s.do != nil || s.name == "import-preview" || !strings.HasPrefix(s.path, "/") {
				continue
			}
			v.open(s.path)
			text := v.text()
			if refused := strings.Contains(text, "may not do this"); refused == may {
				t.Errorf("%s at %s: refused is %v", role, s.path, refused)
			}
			var offered []string
			v.run("looking what is offered", chromedp.Evaluate(wishes, &offered))
			for _, wish := range offered {
				if want, known := need(wish); known && want != web.Anyone && !role.May(want) {
					t.Errorf("%s at %s is offered %s, which needs %s", role, s.path, wish, want)
				} else if !known && !strings.HasPrefix(wish, "GET /docs") {
					t.Errorf("%s at %s is offered %s, which is nowhere", role, s.path, wish)
				}
			}
			seen++
		}
		if seen < 25 {
			t.Errorf("%s has looked at %d pages alone", role, seen)
		}
		v.open("/")
		v.click("Account")
		v.click("Sign out")
		v.sees("You are signed out.")
	}
}

// hostile is what somebody may be called.
const hostile = `"><img src=x data-pwned onerror="window.pwned=1"><script>window.pwned=1</script><b data-pwned>'`

// A name is shown as text on every page, whatever is in it and whoever gave it: a person, a group, an application's account, an
// administrator, a token, a webhook, the identity provider, a file.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	tr := newTour(t)
	ctx, desk := t.Context(), tr.desk
	tr.must(desk.AddUser(ctx, hostile+"@x", []string{"displayName=" + hostile, "title=" + hostile, "name.familyName=" + hostile, "emails=pwned@example.org", "custom.note=" + hostile}))
	tr.must(desk.AddGroup(ctx, hostile, []string{hostile + "@x", "aase.rasmussen@example.org"}))
	tr.must(desk.Assign(ctx, "slack", provision.Assignment{Group: hostile}))
	tr.must(desk.SetUser(ctx, "aase.rasmussen@example.org", []string{"title=" + hostile, "displayName=" + hostile}))
	tr.must(desk.CreateToken(ctx, admin.TokenRequest{Role: "reader", Name: hostile}))
	tr.must(desk.AddWebhook(ctx, store.Webhook{Name: hostile, URL: "https://hooks.example.org/x"}))
	eve, err := desk.AddAdministrator(ctx, hostile, admin.Reader)
	tr.must(err)
	tr.must(tr.slack.AddUser(slackemulator.User{UserName: "pwned", Email: "pwned2@example.net", DisplayName: hostile, Title: hostile}))
	tr.must(desk.Sync(ctx, "slack", admin.SyncOptions{Reconcile: true}))
	person, err := desk.Person(ctx, hostile+"@x")
	tr.must(err)
	group, err := desk.GroupByName(ctx, hostile)
	tr.must(err)

	v := visit(t, tr.base)
	shown := 0
	look := func(s stop) {
		v.goTo(s)
		var harm bool
		var text string
		v.run("looking for harm at "+s.path, chromedp.Evaluate(`window.pwned === 1 || document.querySelector("[data-pwned]") !== null`, &harm), chromedp.Evaluate(`document.body.textContent + [...document.querySelectorAll("input")].map((e) => e.value).join()`, &text))
		if harm {
			t.Errorf("%s takes a name for markup", s.path)
		}
		if strings.Contains(text, "data-pwned onerror") {
			shown++
		}
	}
	for _, s := range []stop{{path: "/signin?next=" + hostile}, {path: signin.CallbackPath + "?error=" + hostile}, {path: "/docs?q=" + hostile}} {
		look(s)
	}
	tr.enter(v)
	for _, s := range append(tr.inside, stop{path: "/users/" + person.ID}, stop{path: "/users/" + person.ID + "/edit"}, stop{path: "/groups/" + group.ID}, stop{path: "/administrators/" + eve.ID},
		stop{path: "/users?q=" + hostile}, stop{path: "/logs?user=" + hostile}, stop{path: "/applications/slack/accounts?q=" + hostile}, stop{path: "/applications/slack/explain?user=" + person.ID}, stop{path: "/audit?who=" + hostile}) {
		look(s)
	}
	if shown < 15 {
		t.Errorf("only %d pages show such a name at all", shown)
	}
}
