package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

func (c *console) applications(rq *request) error {
	status, err := rq.desk.Status(rq.Context(), "")
	if err != nil {
		return err
	}
	return rq.ok(applicationsPage(rq.page.titled("Applications"), status))
}

func (c *console) gallery(rq *request) error {
	search := strings.ToLower(strings.TrimSpace(rq.FormValue("q")))
	var found []gallery.Template
	for _, t := range gallery.All() {
		if strings.Contains(strings.ToLower(t.Name+" "+t.Title+" "+t.Summary), search) {
			found = append(found, t)
		}
	}
	if rq.partial("list") {
		return rq.ok(galleryList(rq.page, found))
	}
	return rq.ok(galleryPage(rq.page.titled("Gallery", crumb{"Applications", "/applications"}), found, search))
}

func (c *console) newApplication(rq *request) error {
	t, err := gallery.Lookup(rq.FormValue("template"))
	if err != nil {
		return rq.done("/gallery", "There is no such template: choose one here.")
	}
	return rq.ok(newApplicationPage(rq.page.titled("Add "+t.Title, crumb{"Applications", "/applications"}, crumb{"Gallery", "/gallery"}), t, t.Name, nil))
}

func (c *console) addApplication(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	app, err := rq.desk.AddApplication(rq.Context(), get("template"), get("name"))
	if err != nil {
		t, lerr := gallery.Lookup(get("template"))
		if lerr != nil {
			return err
		}
		rq.show(422, newApplicationPage(rq.page.titled("Add "+t.Title, crumb{"Applications", "/applications"}), t, get("name"), admin.Explain(err)))
		return nil
	}
	return rq.done(at("applications", app.Name), app.Name+" was added.", "Next: set up its connection, then assign users and groups.")
}

// appPage is what every page of an application shows.
type appPage struct {
	page
	App     *provision.Application
	Status  admin.ApplicationStatus
	Tab     string
	Title   string // of the template
	Version string // of the configuration, for forms: whoever saves an older one is told
}

// app reads the application that a request is about, with how it stands.
func (rq *request) app(tab, title string) (appPage, error) {
	app, err := rq.desk.Application(rq.Context(), rq.PathValue("app"))
	if err != nil {
		return appPage{}, err
	}
	st, err := rq.desk.Status(rq.Context(), app.ID)
	if err != nil {
		return appPage{}, err
	}
	a := appPage{App: app, Status: st.Applications[0], Tab: tab, Title: app.Template}
	if t, err := gallery.Lookup(app.Template); err == nil {
		a.Title = t.Title
	}
	if a.Version, err = rq.desk.Version(rq.Context(), app); err != nil {
		return appPage{}, err
	}
	way := []crumb{{"Applications", "/applications"}}
	if tab != "" {
		way = append(way, crumb{app.Name, at("applications", app.Name)})
	}
	a.page = rq.page.titled(title, way...)
	if title == "" {
		a.page.Title = app.Name
	}
	return a, nil
}

// to is a path below the application.
func (a appPage) to(rest ...string) string {
	return at(append([]string{"applications", a.App.Name}, rest...)...)
}

// tabs are the pages of an application.
var tabs = []struct{ key, text string }{
	{"", "Overview"}, {"assignments", "Users and groups"}, {"provisioning", "Provisioning"}, {"mappings", "Mappings"}, {"plan", "Plan"}, {"accounts", "Accounts"}, {"failures", "Failures"}, {"drift", "Drift"}, {"logs", "Logs"},
}

func (a appPage) tabLink(key string) string {
	switch key {
	case "":
		return a.to()
	case "logs":
		return with("/logs", "app", a.App.Name)
	}
	return a.to(key)
}

func (c *console) application(rq *request) error {
	a, err := rq.app("", "")
	if err != nil {
		return err
	}
	d, err := c.synchronization(rq, a)
	if err != nil {
		return err
	}
	cycles, err := rq.desk.Cycles(rq.Context(), a.App.ID, "", 10)
	if err != nil {
		return err
	}
	if rq.partial("overview") {
		return rq.ok(overviewAgain(a, d, cycles))
	}
	return rq.ok(applicationPage(a, d, cycles))
}

// details answers the live part of an application's page.
func (c *console) details(rq *request) error {
	a, err := rq.app("", "")
	if err != nil {
		return err
	}
	d, err := c.synchronization(rq, a)
	if err != nil {
		return err
	}
	return rq.ok(detailsCard(a, d, true))
}

type assignmentsView struct {
	appPage
	Problem *admin.Problem
	Typed   string
	Kind    string
	Role    string

	Search string                 // in the names of whom is shown
	Rows   []provision.Assignment // a page of those
	From   int                    // where it begins
	Found  int                    // of how many
}

// pick chooses the page of assignments that a request asks for.
func (v assignmentsView) pick(rq *request) assignmentsView {
	v.Search = strings.TrimSpace(rq.FormValue("q"))
	found := v.App.Assignments
	if sought := directory.Key(v.Search); sought != "" {
		found = slices.DeleteFunc(slices.Clone(found), func(s provision.Assignment) bool { return !strings.Contains(directory.Key(s.User+s.Group), sought) })
	}
	v.Found = len(found)
	v.From, _ = strconv.Atoi(rq.FormValue("from"))
	v.From = min(max(v.From, 0), len(found))
	v.Rows = found[v.From:min(v.From+pageSize, len(found))]
	return v
}

// first and next lead to other pages of assignments, "" where there is none.
func (v assignmentsView) first() string {
	if v.From == 0 {
		return ""
	}
	return with(v.to("assignments"), "q", v.Search)
}

func (v assignmentsView) next() string {
	if v.From+len(v.Rows) >= v.Found {
		return ""
	}
	return with(v.to("assignments"), "q", v.Search, "from", strconv.Itoa(v.From+len(v.Rows)))
}

func (c *console) assignments(rq *request) error {
	a, err := rq.app("assignments", "Users and groups")
	if err != nil {
		return err
	}
	v := assignmentsView{appPage: a, Kind: "group"}.pick(rq)
	if rq.partial("list") {
		return rq.ok(assignmentTable(v))
	}
	return rq.ok(assignmentsPage(v))
}

// assign gives users or groups, by name, to the application.
func (c *console) assign(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	a, err := rq.app("assignments", "Users and groups")
	if err != nil {
		return err
	}
	v := assignmentsView{appPage: a, Typed: get("name"), Kind: get("kind"), Role: get("role")}
	name := strings.TrimSpace(v.Typed)
	one := provision.Assignment{Role: v.Role}
	if v.Kind == string(directory.KindUser) {
		one.User = name
	} else {
		one.Group = name
	}
	changed, err := rq.desk.Assign(rq.Context(), a.App.ID, one)
	if err != nil {
		v.Problem = admin.Explain(err)
		rq.show(422, assignmentsPage(v.pick(rq)))
		return nil
	}
	said := name + " is assigned."
	if !changed {
		said = name + " was assigned already."
	}
	next := ""
	if v.Role == provision.RoleDefaultAccess {
		next = "The role Default Access gives access and no account: nobody is provisioned by it."
	}
	return rq.done(a.to("assignments"), said, next)
}

func (c *console) unassign(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	a, err := rq.app("assignments", "Users and groups")
	if err != nil {
		return err
	}
	one := provision.Assignment{User: get("user"), Group: get("group")}
	name := one.User + one.Group
	for _, have := range a.App.Assignments {
		if have.ID == name {
			name = have.User + have.Group
		}
	}
	if _, err := rq.desk.Unassign(rq.Context(), a.App.ID, one); err != nil {
		return err
	}
	return rq.done(a.to("assignments"), name+" is no longer assigned.", "Whoever has no other assignment leaves the scope.")
}

type accountsView struct {
	appPage
	Rows                       []store.AccountRow
	Search, State, After, Next string
	Kind                       directory.Kind
}

func (c *console) accounts(rq *request) error {
	a, err := rq.app("accounts", "Accounts")
	if err != nil {
		return err
	}
	v := accountsView{appPage: a, Search: rq.FormValue("q"), State: rq.FormValue("state"), After: rq.FormValue("after"), Kind: directory.KindUser}
	if rq.FormValue("kind") == string(directory.KindGroup) {
		v.Kind = directory.KindGroup
	}
	v.Rows, v.Next, err = rq.desk.AccountPage(rq.Context(), a.App.ID, store.AccountQuery{Kind: v.Kind, Search: v.Search, State: v.State, After: v.After, Limit: pageSize})
	if err != nil {
		return err
	}
	if rq.partial("list") {
		return rq.ok(accountTable(v))
	}
	return rq.ok(accountsPage(v))
}

func (c *console) deleteApplication(rq *request) error {
	app, err := rq.desk.DeleteApplication(rq.Context(), rq.PathValue("app"))
	if err != nil {
		return err
	}
	return rq.done("/applications", app.Name+" was deleted.", "Its accounts stay at the target as they are.")
}

// run begins a cycle and returns at once: the page shows how far it is.
func (c *console) run(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	a, err := rq.app("", "")
	if err != nil {
		return err
	}
	o := admin.SyncOptions{Reconcile: get("reconcile") != "", Plan: get("plan"), ApproveHeld: get("approve") != ""}
	desk := rq.desk
	begun, err := c.work.start(rq.Context(), wish{desk, "run", a.App.ID, nil, func(ctx context.Context, t *task) (string, error) {
		o.Progress = t.report
		done, err := desk.Sync(ctx, a.App.ID, o)
		return done.CycleID, err
	}})
	if err == nil && o.Plan != "" {
		err = desk.ForgetTask(rq.Context(), "plan", a.App.ID) // it is being run, and would be shown as if nothing had been sent
	}
	if err != nil {
		return err
	}
	if !begun {
		return rq.done(a.to(), "A cycle is running; another one follows it.")
	}
	return rq.done(a.to(), "The cycle has begun.")
}

func (c *console) restart(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	r, err := rq.desk.Restart(rq.Context(), rq.PathValue("app"), get("scope"))
	if err != nil {
		return err
	}
	return rq.done(at("applications", r.Application), "Restarted: "+r.Effect+".")
}
