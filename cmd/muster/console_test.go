package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/demo"
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
	if _, err := w.desk.ImportUpload(w.t.Context(), admin.Upload{Name: "company.csv", Data: demo.CompanyCSV}, admin.ImportOptions{Source: "csv"}); err != nil {
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

	// People in a group.
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
	v.runClick(fmt.Sprintf(`//input[@aria-label=%s]`, quoted("Choose "+name)))
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
	err := w.desk.EditApplication(w.t.Context(), "slack", secrets, func(a *provision.Application) error {
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
