package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// owner is somebody who is signed in as an owner, in a browser.
func (h *house) owner() *browser {
	h.join("ada@example.org", admin.Owner)
	return h.browser().enter("ada@example.org")
}

// An owner invites somebody, gives them another role, signs them out, resets and removes them.
func TestAdministratorsInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	page := ada.visit("/administrators", url.Values{"name": {"grace@example.org"}, "role": {"reader"}}).says(t, http.StatusCreated, "Hand this link to")
	link := regexp.MustCompile(`/link/[A-Z2-7]{52}`).FindString(page.text)
	if link == "" {
		t.Fatal("the page shows no link")
	}
	ada.visit("/administrators", nil).says(t, http.StatusOK, "grace@example.org")
	if again := ada.visit("/administrators", nil); strings.Contains(again.text, "/link/") {
		t.Error("the link is shown twice")
	}
	ada.visit("/administrators", url.Values{"name": {"GRACE@example.org"}, "role": {"reader"}}).says(t, http.StatusUnprocessableEntity, "already an administrator grace@example.org")

	h.browser().visit(link, url.Values{"password": {password}, "again": {password}}).sent(t, "/")
	grace := h.browser().enter("grace@example.org")
	grace.visit("/users", nil).want(t, http.StatusOK)
	who, err := h.desk.Administrator(t.Context(), "grace@example.org")
	if err != nil {
		t.Fatal(err)
	}
	at := "/administrators/" + who.ID
	grace.visit(at+"/role", url.Values{"role": {"owner"}}).says(t, http.StatusForbidden, "may not do this") // nobody raises themselves
	ada.visit(at+"/role", url.Values{"role": {"operator"}}).sent(t, at)
	grace.visit("/users", nil).sent(t, "/signin?next=%2Fusers")

	grace = h.browser().enter("grace@example.org")
	ada.visit(at, nil).says(t, http.StatusOK, "Sign out everywhere")
	ada.visit(at+"/sessions", url.Values{}).sent(t, at)
	grace.visit("/users", nil).sent(t, "/signin?next=%2Fusers")

	ada.visit(at+"/reset", url.Values{}).says(t, http.StatusCreated, "Hand this link to")
	ada.visit(at+"/remove", url.Values{}).sent(t, "/administrators")
	ada.visit(at, nil).says(t, http.StatusNotFound, "there is no administrator")

	// The last owner stays, and the page says why.
	me, err := h.desk.Administrator(t.Context(), "ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, wish := range []string{"/remove", "/role"} {
		ada.visit("/administrators/"+me.ID+wish, url.Values{"role": {"reader"}}).says(t, http.StatusUnprocessableEntity, "last owner who can sign in")
	}
}

// The audit log answers who did what to whom, on the page and as files.
func TestAuditInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"=cmd@example.org"}`).want(t, http.StatusCreated)
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"bea@example.org"}`).want(t, http.StatusCreated)
	ada.visit("/audit?type=user&object=bea@example.org", nil).says(t, http.StatusOK, "bea@example.org")
	if page := ada.visit("/audit?type=user&object=bea@example.org", nil); strings.Contains(page.text, "cmd@example.org") {
		t.Error("the filter by name lets others through")
	}
	ada.visit("/audit?actor=nobody", nil).says(t, http.StatusOK, "Nothing is recorded that fits.")

	table := ada.visit("/audit/export?format=csv&type=user", nil).want(t, http.StatusOK)
	if !strings.HasPrefix(table.text, "time,who,via,did,type,name,") || strings.Count(table.text, "\n") != 3 {
		t.Errorf("the table is\n%s", table.text)
	}
	if !strings.Contains(table.text, ",'=cmd@example.org,") {
		t.Errorf("a spreadsheet would take a name for a formula:\n%s", table.text)
	}
	lines := ada.visit("/audit/export?type=user", nil).want(t, http.StatusOK)
	if strings.Count(lines.text, `"action":"create"`) != 2 || !strings.Contains(lines.header.Get("Content-Disposition"), "muster-audit.ndjson") {
		t.Errorf("the lines are\n%s", lines.text)
	}
	if page := ada.visit("/logs/export?user=nobody", nil); page.status != http.StatusUnprocessableEntity && page.status != http.StatusNotFound {
		t.Errorf("an export of a user whom nobody has answers %d", page.status)
	}
}

// How long each log is kept is set in days, and what is no number changes nothing.
func TestRetentionInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	form := url.Values{"operations": {"90"}, "cycles": {"0"}, "audit": {"365"}, "changes": {"0.5"}}
	ada.visit("/retention", form).sent(t, "/retention")
	kept, err := h.desk.Retention(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const day = provision.Duration(24 * time.Hour)
	if want := (store.Retention{Operations: 90 * day, Audit: 365 * day, Changes: day / 2}); kept != want {
		t.Errorf("kept is %v, want %v", kept, want)
	}
	form.Set("audit", "a year")
	ada.visit("/retention", form).says(t, http.StatusUnprocessableEntity, "is no number of days")
	if now, _ := h.desk.Retention(t.Context()); now != kept {
		t.Errorf("a wrong form changed it to %v", now)
	}
	h.join("rea@example.org", admin.Reader)
	h.browser().enter("rea@example.org").visit("/retention", form).says(t, http.StatusForbidden, "may not do this")
}

// A backup is downloaded as a file that a restore reads.
func TestBackupInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	ada.visit("/backup", nil).says(t, http.StatusOK, "What a restore means")
	file := ada.visit("/backup", url.Values{}).want(t, http.StatusOK)
	if !strings.HasPrefix(file.text, "\x1f\x8b") || !strings.Contains(file.header.Get("Content-Disposition"), ".backup") {
		t.Errorf("what comes is no backup: %q", file.text[:min(20, len(file.text))])
	}
}

// Somebody is disabled and enabled in the console; single sign-on is asked before it is saved, and is not
// made the only way in where no owner comes by it.
func TestSignInInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	h.join("grace@example.org", admin.Operator)
	grace := h.browser().enter("grace@example.org")
	who, err := h.desk.Administrator(t.Context(), "grace@example.org")
	if err != nil {
		t.Fatal(err)
	}
	at := "/administrators/" + who.ID
	ada.visit(at+"/disabled", url.Values{"disabled": {"yes"}}).sent(t, at)
	grace.visit("/users", nil).sent(t, "/signin?next=%2Fusers")
	grace.visit("/signin", url.Values{"name": {"grace@example.org"}, "password": {password}}).says(t, http.StatusUnprocessableEntity, "is disabled")
	ada.visit(at+"/disabled", url.Values{"disabled": {"no"}}).sent(t, at)
	h.browser().enter("grace@example.org")

	form := url.Values{"issuer": {"http://127.0.0.1:1"}, "client_id": {"muster"}, "client_secret": {"hush-hush"}, "group": {"CN=Owners,OU=Groups", ""}, "role": {"owner", "reader"}, "scopes": {"openid groups"}}
	for _, button := range []string{"", "test"} {
		form.Set(button, "on")
		page := ada.visit("/sign-in", form).says(t, http.StatusUnprocessableEntity, "does not answer as one")
		page.says(t, http.StatusUnprocessableEntity, "CN=Owners,OU=Groups") // what was typed is there still
		if strings.Contains(page.text, "hush-hush") {
			t.Error("the page shows the secret")
		}
	}
	if in, err := h.desk.SignIn(t.Context()); err != nil || in.SingleSignOn != nil {
		t.Fatalf("what does not answer was saved: %+v, %v", in, err)
	}
	form.Del("test")
	form.Set("unchecked", "on")
	ada.visit("/sign-in", form).sent(t, "/sign-in")
	page := ada.visit("/sign-in", nil).says(t, http.StatusOK, "One is sealed")
	if strings.Contains(page.text, "hush-hush") {
		t.Error("the page shows the secret")
	}
	ada.visit("/sign-in/local", url.Values{"local": {"off"}}).says(t, http.StatusUnprocessableEntity, "no owner comes by single sign-on")
	ada.visit("/sign-in", url.Values{"remove": {"on"}}).sent(t, "/sign-in")
}

// Who one is stands in the console's own frame.
func TestProfileInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	page := h.owner().visit("/profile", nil).says(t, http.StatusOK, "Where you are signed in")
	for _, part := range []string{`href="/applications"`, `href="/administrators"`, `aria-label="Main"`} {
		page.says(t, http.StatusOK, part)
	}
	h.join("rea@example.org", admin.Reader)
	rea := h.browser().enter("rea@example.org").visit("/profile", nil).says(t, http.StatusOK, "Where you are signed in")
	if strings.Contains(rea.text, `href="/administrators"`) {
		t.Error("a reader is shown the way to the administrators")
	}
}

// Fields that ask for somebody suggest the names that fit.
func TestNamesInTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	h.as(admin.Admin, http.MethodPost, "/api/v1/users", `{"userName":"bea@example.org"}`).want(t, http.StatusCreated)
	h.as(admin.Admin, http.MethodPost, "/api/v1/groups", `{"displayName":"Bearers"}`).want(t, http.StatusCreated)
	for query, want := range map[string][2]bool{ // the user, the group
		"user=be": {true, false}, "group=be": {false, true}, "add=be": {true, true}, "name=be&kind=group": {false, true}, "name=be&kind=user": {true, false}, "user=zz": {}, "user=": {},
	} {
		page := ada.visit("/names?"+query, nil).says(t, http.StatusOK, "").text
		if got := [2]bool{strings.Contains(page, "bea@example.org"), strings.Contains(page, "Bearers")}; got != want {
			t.Errorf("%s suggests %v, want %v:\n%s", query, got, want, page)
		}
	}
}

// Of two who edit the same settings the second is told, over the API and in a form, and what they typed stays: nobody's
// settings are written over unseen.
func TestTwoEditTheSameSettings(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.owner()
	const sso = `{"issuer":"https://id.example.org","client_id":"muster","roles":{"it":"admin"},"client_secret":"`
	for _, s := range []struct {
		read, put, first, second string
		page, to                 string
		form                     url.Values
	}{
		{
			"/api/v1/retention", "/api/v1/retention", `{"operations":"720h","cycles":"720h","audit":"720h","changes":"720h"}`, `{"operations":"24h","cycles":"24h","audit":"24h","changes":"24h"}`,
			"/retention", "/retention",
			url.Values{"operations": {"77"}, "cycles": {"77"}, "audit": {"77"}, "changes": {"77"}},
		},
		{
			"/api/v1/notifications", "/api/v1/notifications/mail", `{"host":"localhost","port":2525,"tls":"none","from":"a@example.org","to":["it@example.org"]}`, `{"host":"localhost","port":2526,"tls":"none","from":"b@example.org","to":["it@example.org"]}`,
			"/notifications", "/notifications/mail",
			url.Values{"host": {"localhost"}, "port": {"77"}, "tls": {"none"}, "from": {"c@example.org"}, "to": {"it@example.org"}},
		},
		{
			"/api/v1/sign-in", "/api/v1/sign-in/oidc", sso + `one"}`, sso + `two"}`,
			"/sign-in", "/sign-in",
			url.Values{"issuer": {"https://77.example.org"}, "client_id": {"x"}, "client_secret": {"y"}, "group": {"it"}, "role": {"admin"}, "unchecked": {"on"}},
		},
	} {
		before := h.as(admin.Owner, http.MethodGet, s.read, "").want(t, http.StatusOK).header.Get("ETag")
		opened := regexp.MustCompile(`name="version" value="([^"]+)"`).FindStringSubmatch(ada.visit(s.page, nil).text)
		if opened == nil || before == "" {
			t.Fatalf("%s: the form has no version, or the API tells none: %q", s.page, before)
		}
		after := h.as(admin.Owner, http.MethodPut, s.put, s.first, "If-Match", before).want(t, http.StatusOK).header.Get("ETag")
		if after == before || after != h.as(admin.Owner, http.MethodGet, s.read, "").header.Get("ETag") {
			t.Errorf("%s: the version was %s, and is %s", s.put, before, after)
		}
		h.as(admin.Owner, http.MethodPut, s.put, s.second, "If-Match", before).want(t, http.StatusPreconditionFailed, "changed")
		s.form.Set("version", html.UnescapeString(opened[1]))
		page := ada.visit(s.to, s.form).says(t, http.StatusUnprocessableEntity, "has been changed by somebody else meanwhile")
		if !strings.Contains(page.text, "77") {
			t.Errorf("%s: what was typed is gone", s.page)
		}
		if now := h.as(admin.Owner, http.MethodGet, s.read, "").header.Get("ETag"); now != after {
			t.Errorf("%s: the second has changed it all the same", s.page)
		}
		again := regexp.MustCompile(`name="version" value="([^"]+)"`).FindStringSubmatch(page.text)
		s.form.Set("version", html.UnescapeString(again[1]))
		ada.visit(s.to, s.form).sent(t, s.page)
		h.as(admin.Owner, http.MethodPut, s.put, s.second).want(t, http.StatusOK) // who asks for nothing means whatever is there
	}
}
