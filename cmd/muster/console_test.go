package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/demo"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

// world is a console over an empty directory, and an emulated Slack.
type world struct {
	t     *testing.T
	base  string
	slack *slackemulator.Emulator
	scim  string // endpoint of the emulated Slack
	desk  *admin.Desk
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, slack: slackemulator.New(slackemulator.Options{TimeScale: 60, Name: "Example", Domain: "example"})}
	slack := httptest.NewServer(w.slack)
	t.Cleanup(slack.Close)
	w.scim = slack.URL + "/scim/v2/"
	w.desk = admin.New(st, admin.Options{By: store.Actor{Name: "test", Via: "cli"}, Protocols: protocols})
	h, err := web.New(web.Options{Desk: w.desk, Authenticate: []web.Authenticator{func(*http.Request) (*web.Principal, error) {
		return &web.Principal{ID: "1", Name: "ada", Role: admin.Owner, Via: "console"}, nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	w.base = server.URL
	return w
}

// company imports the company of the demo.
func (w *world) company() {
	w.t.Helper()
	if _, err := w.desk.Import(w.t.Context(), []admin.File{{Name: "company.csv", Data: bytes.NewReader(demo.CompanyCSV)}}, admin.ImportOptions{Source: "csv"}); err != nil {
		w.t.Fatal(err)
	}
}

// active counts the people who are active in Slack.
func (w *world) active() int {
	n := 0
	for _, u := range w.slack.Users() {
		if u.Active {
			n++
		}
	}
	return n
}

// inSlack reports whether somebody is active in Slack.
func (w *world) inSlack(email string) bool {
	u, ok := w.slack.User(email)
	return ok && u.Active
}

// TestSlackByToken is walk A: Slack by token, from the gallery to a leaver who is deactivated.
func TestSlackByToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.active()
	v := visit(t, w.base)

	v.people() // in a group

	// Applications → Add → Slack.
	v.open("/applications")
	v.click("Add")
	v.click("Add Slack")
	v.click("Add")
	v.sees("slack was added.")

	// Provisioning → Outbound Provisioning → Slack's row → ⋯ → Set Up Connection.
	v.click("Outbound Provisioning")
	v.click("Actions for slack")
	v.click("Set Up Connection")
	v.sees("https://api.slack.com/scim/v2/")
	v.fill("SCIM endpoint", w.scim)
	v.fill("Authorization token", "xoxp-wrong")
	v.clickIn(`//section[@id="connection"]`, "Save")
	v.sees("Next: Test Connection.")
	v.clickIn(`//section[@id="connection"]`, "Test Connection")
	v.sees("Not connected")
	v.sees("token_wrong")
	v.fill("Authorization token", slackemulator.DefaultToken)
	v.clickIn(`//section[@id="connection"]`, "Save")
	v.sees("Next: Test Connection.")
	v.clickIn(`//section[@id="connection"]`, "Test Connection")
	v.sees("Connected.")

	// The group is linked: its people are created.
	v.click("Users and groups")
	v.fill("Name", "Engineering")
	v.click("Assign")
	v.sees("Engineering is assigned.")
	v.click("Plan")
	v.sees("2 to create")
	v.click("Run exactly this plan")
	eventually(t, "both have an account in Slack", func() bool { return w.inSlack("ada@example.org") && w.inSlack("bea@example.org") })
	if got := w.active(); got != before+2 {
		t.Errorf("%d people are active in Slack, want %d: only those who are assigned get accounts", got, before+2)
	}

	// A change of a person reaches Slack.
	v.open("/users")
	v.click("ada@example.org")
	v.click("Edit")
	v.fill("Title", "Countess")
	v.click("Save")
	v.sees("Saved.")
	v.open("/applications/slack")
	v.click("Run now")
	eventually(t, "the title is in Slack", func() bool { u, _ := w.slack.User("ada@example.org"); return u.Title == "Countess" })

	// Taken out of the group: deactivated there.
	v.open("/groups")
	v.click("Engineering")
	v.click("Remove bea@example.org")
	v.sees("1 member changed.")
	v.open("/applications/slack")
	v.click("Run now")
	eventually(t, "bea is deactivated in Slack", func() bool { return !w.inSlack("bea@example.org") })
	if !w.inSlack("ada@example.org") {
		t.Error("ada is deactivated too")
	}

	// Why? Which rule keeps her out.
	v.open("/applications/slack/explain?user=bea@example.org")
	v.sees("is not to have an account")
	v.sees("this decides")
}

// TestMassRemoval is a mistake that would take everybody's account: nothing happens before a person
// has looked.
func TestMassRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	before := w.active()
	v := visit(t, w.base)
	v.open("/applications/slack/assignments")
	v.click("Remove Everyone")
	v.sees("Everyone is no longer assigned.")
	v.click("Run now")
	v.sees("held for approval")
	if got := w.active(); got != before {
		t.Fatalf("%d people are active in Slack, want %d: nothing was approved", got, before)
	}
	v.open("/applications/slack/plan")
	v.sees("Held for approval")
	v.tick1("ada@example.org")
	v.click("Approve chosen")
	v.sees("1 operation approved.")
	v.click("Run now")
	eventually(t, "ada alone is deactivated", func() bool { return !w.inSlack("ada@example.org") && w.active() == before-1 })
	v.open("/applications/slack/plan")
	v.click("Reject all")
	v.sees("rejected.")
	v.click("Run now")
	v.sees("cycle")
	v.open("/applications/slack/plan")
	v.lacks("Held for approval")
	if got := w.active(); got != before-1 {
		t.Errorf("%d people are active in Slack, want %d", got, before-1)
	}
}

// tick1 ticks the box of somebody in a list.
func (v *visitor) tick1(name string) {
	v.t.Helper()
	v.press("choosing "+name, fmt.Sprintf(`//input[@aria-label=%s]`, quoted("Choose "+name)))
}

// connect adds Slack with its token, and links a group.
func (w *world) connect(group string) {
	w.t.Helper()
	if _, err := w.desk.AddApplication(w.t.Context(), "slack", "slack"); err != nil {
		w.t.Fatal(err)
	}
	w.edit(map[string]string{"token": slackemulator.DefaultToken})
	w.assign(group)
}

// TestMappingEdit shows what an edit would do before it is saved, and that it does.
func TestMappingEdit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	w.connect("Everyone")
	if _, err := w.desk.Sync(t.Context(), "slack", admin.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	v := visit(t, w.base)
	v.open("/applications/slack/mappings")
	v.click("title")
	v.tick("Expression")
	v.fill("The expression", `user.title.nope()`)
	v.click("Preview")
	v.sees("line 1, column 12: the name nope is not known")
	v.fill("The expression", `user.title + " (" + user.department + ")"`)
	v.fill("Try it on a person: userName, e-mail or id", "ada@example.org")
	v.click("Preview")
	v.sees("would change")
	v.sees("ada@example.org would get")
	if u, _ := w.slack.User("ada@example.org"); u.Title == "" {
		t.Fatal("ada has no title in Slack to begin with")
	}
	v.clickIn(`//form[@id="editor"]`, "Save")
	v.sees("The mapping is saved.")
	v.click("Run now")
	eventually(t, "the new titles are in Slack", func() bool {
		u, _ := w.slack.User("ada@example.org")
		return len(u.Title) > 0 && u.Title[len(u.Title)-1] == ')'
	})
}

func (w *world) edit(secrets map[string]string) {
	w.t.Helper()
	err := w.desk.EditApplication(w.t.Context(), "slack", "", secrets, func(a *provision.Application) error {
		a.Connection.Endpoint, a.Connection.WebAPI = w.scim, ""
		a.Connection.Limits = provision.Limits{TimeScale: 60}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) assign(group string) {
	w.t.Helper()
	if _, err := w.desk.Assign(w.t.Context(), "slack", provision.Assignment{Group: group}); err != nil {
		w.t.Fatal(err)
	}
}

// signedIn starts a whole Muster: the command as people start it, with an owner signed in.
func signedIn(t *testing.T, slack *slackemulator.Emulator) (v *visitor, scim string) {
	t.Helper()
	target := httptest.NewServer(slack)
	t.Cleanup(target.Close)
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--data", t.TempDir(), "--log-level", "off", "-o", "json", "serve", "--listen", "127.0.0.1:0"}, streams{in: strings.NewReader(""), out: w, err: io.Discard})
		_ = w.Close()
	}()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != 0 {
			t.Errorf("muster serve ended with %d", status)
		}
	})
	var said struct {
		Listening string `json:"listening"`
		Link      string `json:"set_up_link"`
	}
	if err := json.NewDecoder(r).Decode(&said); err != nil || said.Link == "" {
		t.Fatalf("muster serve says no address: %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	v = visit(t, said.Link[:strings.Index(said.Link, "/link/")])
	v.open(strings.TrimPrefix(said.Link, v.base))
	v.fill("Name", "ada@example.org")
	v.fill("New password", "correct horse battery staple 9")
	v.fill("The same again", "correct horse battery staple 9")
	v.click("Set Muster up")
	v.sees("Begin here")
	return v, target.URL + "/scim/v2/"
}

// people makes two users and a group of both.
func (v *visitor) people() {
	v.t.Helper()
	for _, name := range []string{"ada", "bea"} {
		v.open("/users/new")
		v.fill("userName", name+"@example.org")
		v.fill("E-mail", name+"@example.org")
		v.fill("Given name", name)
		v.fill("Family name", "Example")
		v.click("Save")
		v.sees(name + "@example.org was added.")
	}
	v.open("/groups")
	v.fill("New group", "Engineering")
	v.click("Add")
	v.fill("Add users or groups, by name; several with commas between", "ada@example.org, bea@example.org")
	v.click("Add")
	v.sees("2 members changed.")
}

// TestSlackByOAuth is walk B: Slack from the gallery as in an identity provider's portal, authorised in
// the browser, to the initial cycle that runs by itself and the groups that are replicated. Once by mouse, once by keyboard alone.
func TestSlackByOAuth(t *testing.T) {
	t.Parallel()
	t.Run("mouse", func(t *testing.T) { t.Parallel(); slackByOAuth(t, false) })
	t.Run("keyboard", func(t *testing.T) { t.Parallel(); slackByOAuth(t, true) })
}

func slackByOAuth(t *testing.T, keyboard bool) {
	t.Helper()
	slack := slackemulator.New(slackemulator.Options{TimeScale: 60, Name: "Example", Domain: "example"})
	v, scim := signedIn(t, slack)
	v.keyboard = keyboard
	origin := strings.TrimSuffix(scim, "/scim/v2/")
	active := func(email string) bool { u, ok := slack.User(email); return ok && u.Active }
	v.people()
	v.open("/users/new")
	v.fill("userName", "guest@example.org")
	v.fill("E-mail", "guest@example.org")
	v.fill("Family name", "Guest")
	v.click("Save")
	v.sees("guest@example.org was added.")

	// Add from the gallery, assign with roles.
	v.open("/gallery")
	v.click("Add Slack")
	v.click("Add")
	v.sees("slack was added.")
	v.click("Users and groups")
	v.fill("Name", "Engineering")
	v.click("Assign")
	v.sees("Engineering is assigned.")
	v.choose("What", "user")
	v.fill("Name", "guest@example.org")
	v.choose("Role", "Default Access")
	v.click("Assign")
	v.sees("gives access and no account")

	// Mode Automatic, Admin Credentials, Authorize.
	v.click("Provisioning")
	v.choose("Provisioning Mode", "automatic")
	v.fill("SCIM endpoint", scim)
	v.choose("Credentials", "oauth2_authorization_code")
	v.fill("Client ID", slackemulator.DefaultClientID)
	v.fill("Client Secret", slackemulator.DefaultClientSecret)
	v.fill("Authorization endpoint", origin+"/oauth/v2/authorize")
	v.fill("Token endpoint", origin+"/api/oauth.v2.access")
	v.clickIn(`//section[@id="connection"]`, "Save")
	v.sees("Next: Authorize.")
	v.follow("Authorize")
	v.click("Allow")
	v.sees("is authorized")
	v.click("Back to the connection")
	v.clickIn(`//section[@id="connection"]`, "Test Connection")
	v.sees("Connected.")

	// Notification, mappings, status.
	v.fill("Notification Email", "it@example.org")
	v.tick("Send an email notification when a failure occurs")
	v.click("Save")
	v.sees("Saved.")
	v.click("Synchronize Users to Slack")
	v.sees("matches, 1")
	v.click("Save")
	v.sees("Saved.")
	v.click("Provisioning")
	v.tick("On")
	v.click("Save")
	eventually(t, "both have an account in Slack", func() bool { return active("ada@example.org") && active("bea@example.org") })
	if active("guest@example.org") {
		t.Error("who has Default Access alone got an account")
	}
	v.open("/applications/slack/explain?user=guest@example.org")
	v.sees("that role gives access and no account")

	// A change reaches Slack by itself.
	v.open("/users")
	v.click("ada@example.org")
	v.click("Edit")
	v.fill("Title", "Countess")
	v.click("Save")
	eventually(t, "the title is in Slack", func() bool { u, _ := slack.User("ada@example.org"); return u.Title == "Countess" })

	// Groups, off by default, are replicated when they are enabled.
	v.open("/applications/slack/mappings?kind=group")
	v.tick("Yes")
	v.click("Save")
	eventually(t, "the group is in Slack", func() bool {
		for _, g := range slack.Groups() {
			if g.DisplayName == "Engineering" && len(g.Members) == 2 {
				return true
			}
		}
		return false
	})
	v.open("/applications/slack")
	v.click("Provisioning activity of this cycle")
	v.sees("Provisioning logs")
}

// TestCredentialsOfEveryKind sets a connection up with each kind of credentials that the gallery's SCIM 2.0 takes: the page asks
// for what that kind has, keeps secrets to itself, and leaves nothing of another kind behind.
func TestCredentialsOfEveryKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.desk.AddApplication(t.Context(), "scim2", "wiki"); err != nil {
		t.Fatal(err)
	}
	v := visit(t, w.base)
	auth := func() provision.Auth {
		t.Helper()
		app, err := w.desk.Application(t.Context(), "wiki")
		if err != nil {
			t.Fatal(err)
		}
		return app.Connection.Auth
	}
	save := func(next string) {
		t.Helper()
		v.clickIn(`//section[@id="connection"]`, "Save")
		v.sees(next)
	}
	v.open("/applications/wiki/provisioning")
	v.lacks("User name")
	v.fill("SCIM endpoint", w.scim)
	v.choose("Credentials", provision.Basic)
	v.fill("User name", "muster")
	v.fill("Password", "s3cret-word")
	v.lacks("Authorization token")
	save("Next: Test Connection.")
	if a := auth(); a.Type != provision.Basic || a.Username != "muster" {
		t.Errorf("the credentials are %+v", a)
	}
	v.lacks("s3cret-word")
	v.choose("Credentials", provision.ClientCredentials)
	v.fill("Client ID", "id-1")
	v.fill("Client Secret", "s3cret-word")
	v.fill("Token endpoint", strings.TrimSuffix(w.scim, "/scim/v2/")+"/token")
	v.fill("Scopes", "users:write groups:write")
	save("Next: Test Connection.")
	if a := auth(); a.Type != provision.ClientCredentials || a.Username != "" || a.ClientID != "id-1" || len(a.Scopes) != 2 {
		t.Errorf("the credentials are %+v", a)
	}
	v.choose("Credentials", provision.Header)
	v.fill("Name of the header", "X-Api-Key")
	v.fill("Authorization token", "t0ken")
	v.fill("Requests a second", "2.5")
	v.fill("and updates past", "50%")
	save("Next: Test Connection.")
	app, err := w.desk.Application(t.Context(), "wiki")
	if err != nil {
		t.Fatal(err)
	}
	if a := app.Connection.Auth; a.Header != "X-Api-Key" || a.ClientID != "" || a.TokenURL != "" || a.Scopes != nil {
		t.Errorf("the credentials are %+v", a)
	}
	if app.Connection.Limits.RequestsPerSecond != 2.5 || app.Provisioning.Hold.Updates.Share != 50 {
		t.Errorf("the limits are %+v, %+v", app.Connection.Limits, app.Provisioning.Hold)
	}
	v.choose("Credentials", provision.JWTAssertion)
	save("correct this and save again; nothing was changed")
	v.sees("Private key") // what was chosen is still chosen
	if a := auth(); a.Type != provision.Header {
		t.Errorf("a form that was refused has changed the credentials: %+v", a)
	}
}

// TestGroupsOfAPerson puts somebody into a group and takes them out again where they are looked at.
func TestGroupsOfAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.company()
	if _, err := w.desk.AddGroup(t.Context(), "Guests", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.AddGroup(t.Context(), "Outer", []string{"Guests"}); err != nil {
		t.Fatal(err)
	}
	in := func() bool {
		t.Helper()
		p, err := w.desk.Person(t.Context(), "ada@example.org")
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(p.Groups, func(g directory.Member) bool { return g.Name == "Guests" })
	}
	v := visit(t, w.base)
	v.open("/users/ada@example.org")
	v.fill("Put into a group: name or id", "Gusts")
	v.clickIn(`//form[.//input[@id="group"]]`, "Add")
	v.sees("there is no group Gusts")
	v.fill("Put into a group: name or id", "guests")
	v.clickIn(`//form[.//input[@id="group"]]`, "Add")
	v.sees("The groups are changed.")
	v.sees("through another group")
	if !in() {
		t.Fatal("ada is in no group Guests")
	}
	v.click("Remove from Guests")
	v.sees("The groups are changed.")
	if in() {
		t.Error("ada is in the group still")
	}
}
