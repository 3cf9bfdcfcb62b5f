package slackemulator

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed page
var pageFiles embed.FS

var pages = template.Must(template.New("").ParseFS(pageFiles, "page/*.html"))

// pagePolicy lets a page load its own style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

func renderPage(name string, data any) []byte {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		panic("slackemulator: page " + name + ": " + err.Error()) // templates and their data are this package's
	}
	return out.Bytes()
}

func sendPage(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(renderPage(name, data)) // the client may be gone
}

func showStyle(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "page/style.css")
}

const (
	rowsPerPage = 100
	namesShown  = 30
)

type personRow struct {
	User
	State      string
	GroupNames []string
	Manager    string
}

type groupRow struct {
	Group
	Names []string
	More  int
}

type workspaceView struct {
	Workspace      workspaceJSON
	Search         string
	Page, Pages    int
	Found          int
	People         []personRow
	PeopleTotal    int
	Active         int
	Groups         []groupRow
	GroupsTotal    int
	Faults         []Fault
	Requests       []Request
	Previous, Next string
}

// showWorkspace shows people, groups, active faults and the latest requests.
func (e *Emulator) showWorkspace(w http.ResponseWriter, r *http.Request) {
	view := workspaceView{
		Workspace: e.workspaceJSON(), Search: r.URL.Query().Get("q"), Faults: e.ActiveFaults(), Page: 1,
	}
	users, groups := e.Users(), e.Groups()
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.DisplayName
	}
	needle := strings.ToLower(view.Search)
	found := []User{}
	for _, u := range users {
		if u.Active {
			view.Active++
		}
		if strings.Contains(strings.ToLower(u.UserName+"\n"+u.DisplayName+"\n"+u.Email+"\n"+u.ID), needle) {
			found = append(found, u)
		}
	}
	view.PeopleTotal, view.GroupsTotal, view.Found = len(users), len(groups), len(found)
	view.Pages = max(1, (len(found)+rowsPerPage-1)/rowsPerPage)
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
		view.Page = min(max(1, n), view.Pages)
	}
	link := func(page int) string {
		return "?" + url.Values{"q": {view.Search}, "page": {strconv.Itoa(page)}}.Encode()
	}
	if view.Page > 1 {
		view.Previous = link(view.Page - 1)
	}
	if view.Page < view.Pages {
		view.Next = link(view.Page + 1)
	}
	for _, u := range found[(view.Page-1)*rowsPerPage : min(len(found), view.Page*rowsPerPage)] {
		view.People = append(view.People, e.personRow(u, names))
	}
	for _, g := range groups[:min(len(groups), rowsPerPage)] {
		view.Groups = append(view.Groups, e.groupRow(g))
	}
	log := e.Log()
	view.Requests = log[:min(len(log), 25)]
	sendPage(w, http.StatusOK, "workspace.html", view)
}

func (e *Emulator) personRow(u User, groupNames map[string]string) personRow {
	row := personRow{User: u, State: "active"}
	for _, id := range u.Groups {
		row.GroupNames = append(row.GroupNames, groupNames[id])
	}
	switch {
	case u.Forgotten:
		row.State = "forgotten"
	case !u.Active:
		row.State = "deactivated"
	case u.Bot:
		row.State = "bot"
	case u.Guest != nil:
		row.State = "guest"
	}
	if u.Profile != nil && u.Profile.ManagerID != "" {
		manager, _ := e.User(u.Profile.ManagerID)
		row.Manager = manager.UserName
	}
	return row
}

func (e *Emulator) groupRow(g Group) groupRow {
	row := groupRow{Group: g}
	for _, id := range g.Members[:min(len(g.Members), namesShown)] {
		u, _ := e.User(id)
		row.Names = append(row.Names, u.UserName)
	}
	row.More = len(g.Members) - len(row.Names)
	return row
}

type personView struct {
	Workspace workspaceJSON
	Person    personRow
	Roles     []Role
	Error     string
}

// showPerson shows one person and what somebody can do to them in Slack's own pages.
func (e *Emulator) showPerson(w http.ResponseWriter, r *http.Request) {
	e.sendPerson(w, r, http.StatusOK, "")
}

func (e *Emulator) sendPerson(w http.ResponseWriter, r *http.Request, status int, complaint string) {
	u, ok := e.User(r.PathValue("ref"))
	if !ok {
		http.Error(w, "There is no such person in this workspace.", http.StatusNotFound)
		return
	}
	names := map[string]string{}
	for _, id := range u.Groups {
		g, _ := e.Group(id)
		names[id] = g.DisplayName
	}
	sendPage(w, status, "person.html", personView{e.workspaceJSON(), e.personRow(u, names), roles, complaint})
}

// submitPerson does what the form of a person's page asks for.
func (e *Emulator) submitPerson(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	ref := r.PathValue("ref")
	var err error
	switch r.PostFormValue("do") {
	case "delete":
		if err = e.RemoveUser(ref); err == nil {
			http.Redirect(w, r, "/_emulator/", http.StatusSeeOther)
			return
		}
	case "activate":
		_, err = e.ChangeUser(ref, func(u *User) { u.Active = true })
	case "deactivate":
		_, err = e.ChangeUser(ref, func(u *User) { u.Active = false })
	case "save":
		_, err = e.ChangeUser(ref, func(u *User) {
			u.UserName, u.DisplayName = r.PostFormValue("user_name"), r.PostFormValue("display_name")
			u.GivenName, u.FamilyName = r.PostFormValue("given_name"), r.PostFormValue("family_name")
			u.Email, u.Title = r.PostFormValue("email"), r.PostFormValue("title")
			u.Role = Role(r.PostFormValue("role"))
		})
	default:
		http.Error(w, "Say do=save, activate, deactivate or delete.", http.StatusBadRequest)
		return
	}
	if err != nil {
		e.sendPerson(w, r, http.StatusBadRequest, err.Error())
		return
	}
	u, _ := e.User(ref)
	if u.ID == "" { // renamed, and ref was the old name
		http.Redirect(w, r, "/_emulator/", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/_emulator/people/"+url.PathEscape(u.ID), http.StatusSeeOther)
}

type consentView struct {
	Workspace workspaceJSON
	Wrong     string
	Scopes    []string
	Fields    map[string]string
	People    []User
	CanChoose bool // organisation or workspace
}

// consentPage asks whether to allow the app, or says in Slack's words why it cannot be asked.
func (e *Emulator) consentPage(c *call, form url.Values, wrong string) *reply {
	view := consentView{Workspace: e.workspaceJSON(), Wrong: wrong, Fields: map[string]string{}}
	view.Scopes = append(scopesIn(form.Get("user_scope")), scopesIn(form.Get("scope"))...)
	view.CanChoose = c.policies.Plan == PlanEnterprise
	for name := range form {
		if !strings.HasPrefix(name, "emulator_") {
			view.Fields[name] = form.Get(name)
		}
	}
	for _, u := range e.Users() {
		if u.Active && !u.Bot && len(view.People) < rowsPerPage {
			view.People = append(view.People, u)
		}
	}
	out := &reply{status: http.StatusOK, code: wrong, header: http.Header{}, raw: renderPage("consent.html", view)}
	out.header.Set("Content-Type", "text/html; charset=utf-8")
	out.header.Set("Content-Security-Policy", pagePolicy)
	if wrong != "" {
		out.status = http.StatusBadRequest
	}
	return out
}
