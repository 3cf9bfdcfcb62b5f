package console

import (
	"slices"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

// route is one page or one wish: who may, and what happens.
type route struct {
	pattern string
	role    admin.Role
	nav     string
	do      func(*console, *request) error
	upload  bool // takes a file
}

// uploadTime is how long a file may take to come.
const uploadTime = 15 * time.Minute

// body bounds what a request may send.
func (r route) body() int64 {
	if r.upload {
		return 256 << 20
	}
	return 1 << 20
}

// routes is every page of the console.
var routes = []route{
	{pattern: "GET /{$}", role: admin.Reader, nav: "home", do: (*console).home},
	{pattern: "GET /activity.json", role: admin.Reader, do: (*console).activity},
	{pattern: "POST /theme", role: admin.Reader, do: (*console).setTheme},

	{pattern: "GET /names", role: admin.Reader, do: (*console).names},
	{pattern: "GET /users", role: admin.Reader, nav: "users", do: (*console).users},
	{pattern: "GET /users/new", role: admin.Admin, nav: "users", do: (*console).newUser},
	{pattern: "POST /users", role: admin.Admin, nav: "users", do: (*console).addUser},
	{pattern: "GET /users/{id}", role: admin.Reader, nav: "users", do: (*console).user},
	{pattern: "GET /users/{id}/edit", role: admin.Admin, nav: "users", do: (*console).editUser},
	{pattern: "POST /users/{id}", role: admin.Admin, nav: "users", do: (*console).saveUser},
	{pattern: "POST /users/{id}/active", role: admin.Admin, nav: "users", do: (*console).setActive},
	{pattern: "POST /users/{id}/groups", role: admin.Admin, nav: "users", do: (*console).editGroups},
	{pattern: "POST /users/{id}/delete", role: admin.Admin, nav: "users", do: (*console).deleteUser},

	{pattern: "GET /groups", role: admin.Reader, nav: "groups", do: (*console).groups},
	{pattern: "POST /groups", role: admin.Admin, nav: "groups", do: (*console).addGroup},
	{pattern: "GET /groups/{id}", role: admin.Reader, nav: "groups", do: (*console).group},
	{pattern: "POST /groups/{id}", role: admin.Admin, nav: "groups", do: (*console).renameGroup},
	{pattern: "POST /groups/{id}/members", role: admin.Admin, nav: "groups", do: (*console).editMembers},
	{pattern: "POST /groups/{id}/delete", role: admin.Admin, nav: "groups", do: (*console).deleteGroup},

	{pattern: "GET /import", role: admin.Admin, nav: "import", do: (*console).importForm},
	{pattern: "POST /import", role: admin.Admin, nav: "import", do: (*console).importUpload, upload: true},
	{pattern: "GET /import/{id}", role: admin.Admin, nav: "import", do: (*console).importPreview},
	{pattern: "POST /import/{id}", role: admin.Admin, nav: "import", do: (*console).importRun},

	{pattern: "GET /applications", role: admin.Reader, nav: "applications", do: (*console).applications},
	{pattern: "GET /gallery", role: admin.Reader, nav: "applications", do: (*console).gallery},
	{pattern: "GET /gallery/add", role: admin.Admin, nav: "applications", do: (*console).newApplication},
	{pattern: "POST /applications", role: admin.Admin, nav: "applications", do: (*console).addApplication},
	{pattern: "GET /applications/{app}", role: admin.Reader, nav: "applications", do: (*console).application},
	{pattern: "GET /applications/{app}/details", role: admin.Reader, nav: "applications", do: (*console).details},
	{pattern: "GET /applications/{app}/assignments", role: admin.Reader, nav: "applications", do: (*console).assignments},
	{pattern: "POST /applications/{app}/assignments", role: admin.Admin, nav: "applications", do: (*console).assign},
	{pattern: "POST /applications/{app}/unassign", role: admin.Admin, nav: "applications", do: (*console).unassign},
	{pattern: "GET /applications/{app}/provisioning", role: admin.Reader, nav: "applications", do: (*console).provisioning},
	{pattern: "POST /applications/{app}/provisioning", role: admin.Admin, nav: "applications", do: (*console).saveProvisioning},
	{pattern: "GET /applications/{app}/authorize", role: admin.Admin, nav: "applications", do: (*console).authorize},
	{pattern: "GET " + callback, role: admin.Admin, nav: "applications", do: (*console).authorized},
	{pattern: "POST /applications/{app}/test", role: admin.Operator, nav: "applications", do: (*console).test},
	{pattern: "GET /applications/{app}/mappings", role: admin.Reader, nav: "applications", do: (*console).mappings},
	{pattern: "POST /applications/{app}/mappings", role: admin.Admin, nav: "applications", do: (*console).saveMappings},
	{pattern: "GET /applications/{app}/mappings/{kind}/{row}", role: admin.Reader, nav: "applications", do: (*console).mapping},
	{pattern: "POST /applications/{app}/mappings/{kind}/{row}", role: admin.Admin, nav: "applications", do: (*console).saveMapping},
	{pattern: "POST /applications/{app}/mappings/{kind}/{row}/preview", role: admin.Reader, nav: "applications", do: (*console).previewMapping},
	{pattern: "POST /applications/{app}/mappings/{kind}/{row}/check", role: admin.Reader, nav: "applications", do: (*console).checkMapping},
	{pattern: "GET /mappings/words", role: admin.Reader, do: (*console).words},
	{pattern: "POST /applications/{app}/mappings/test", role: admin.Reader, nav: "applications", do: (*console).testMappings},
	{pattern: "GET /applications/{app}/plan", role: admin.Reader, nav: "applications", do: (*console).plan},
	{pattern: "POST /applications/{app}/plan", role: admin.Operator, nav: "applications", do: (*console).makePlan},
	{pattern: "GET /applications/{app}/cycles", role: admin.Reader, nav: "applications", do: (*console).cycles},
	{pattern: "GET /applications/{app}/cycles/{cycle}", role: admin.Reader, nav: "applications", do: (*console).cycle},
	{pattern: "POST /applications/{app}/undo", role: admin.Operator, nav: "applications", do: (*console).undo},
	{pattern: "POST /applications/{app}/held", role: admin.Operator, nav: "applications", do: (*console).judge},
	{pattern: "POST /applications/{app}/run", role: admin.Operator, nav: "applications", do: (*console).run},
	{pattern: "POST /applications/{app}/status", role: admin.Operator, nav: "applications", do: (*console).setStatus},
	{pattern: "POST /applications/{app}/restart", role: admin.Admin, nav: "applications", do: (*console).restart},
	{pattern: "POST /applications/{app}/delete", role: admin.Admin, nav: "applications", do: (*console).deleteApplication},
	{pattern: "GET /applications/{app}/accounts", role: admin.Reader, nav: "applications", do: (*console).accounts},
	{pattern: "GET /applications/{app}/failures", role: admin.Reader, nav: "applications", do: (*console).failures},
	{pattern: "GET /applications/{app}/on-demand", role: admin.Operator, nav: "applications", do: (*console).onDemand},
	{pattern: "POST /applications/{app}/on-demand", role: admin.Operator, nav: "applications", do: (*console).provisionNow},
	{pattern: "GET /applications/{app}/explain", role: admin.Reader, nav: "applications", do: (*console).explain},

	{pattern: "GET /provisioning", role: admin.Reader, nav: "provisioning", do: (*console).outbound},
	{pattern: "GET /logs", role: admin.Reader, nav: "logs", do: (*console).logs},
	{pattern: "GET /logs/export", role: admin.Reader, nav: "logs", do: (*console).exportLogs},
	{pattern: "GET /logs/{id}", role: admin.Reader, nav: "logs", do: (*console).record},
	{pattern: "GET /applications/{app}/drift", role: admin.Reader, nav: "applications", do: (*console).drift},

	{pattern: "GET /tokens", role: admin.Owner, nav: "tokens", do: (*console).tokens},
	{pattern: "POST /tokens", role: admin.Owner, nav: "tokens", do: (*console).addToken},
	{pattern: "POST /tokens/{id}/revoke", role: admin.Owner, nav: "tokens", do: (*console).revokeToken},
	{pattern: "GET /notifications", role: admin.Admin, nav: "notifications", do: (*console).notifications},
	{pattern: "POST /notifications/mail", role: admin.Admin, nav: "notifications", do: (*console).saveMail},
	{pattern: "POST /notifications/webhooks", role: admin.Admin, nav: "notifications", do: (*console).addWebhook},
	{pattern: "POST /notifications/webhooks/{id}/remove", role: admin.Admin, nav: "notifications", do: (*console).removeWebhook},
	{pattern: "POST /notifications/test", role: admin.Admin, nav: "notifications", do: (*console).testNotifications},
	{pattern: "GET /audit", role: admin.Reader, nav: "audit", do: (*console).audit},
	{pattern: "GET /audit/export", role: admin.Reader, do: (*console).exportAudit},

	{pattern: "GET /administrators", role: admin.Owner, nav: "administrators", do: (*console).administrators},
	{pattern: "POST /administrators", role: admin.Owner, nav: "administrators", do: (*console).addAdministrator},
	{pattern: "GET /administrators/{id}", role: admin.Owner, nav: "administrators", do: (*console).administrator},
	{pattern: "POST /administrators/{id}/role", role: admin.Owner, nav: "administrators", do: (*console).setRole},
	{pattern: "POST /administrators/{id}/reset", role: admin.Owner, nav: "administrators", do: (*console).resetAdministrator},
	{pattern: "POST /administrators/{id}/sessions", role: admin.Owner, nav: "administrators", do: (*console).endSessions},
	{pattern: "POST /administrators/{id}/remove", role: admin.Owner, nav: "administrators", do: (*console).removeAdministrator},
	{pattern: "POST /administrators/{id}/disabled", role: admin.Owner, nav: "administrators", do: (*console).setDisabled},
	{pattern: "GET /sign-in", role: admin.Owner, nav: "sign-in", do: (*console).signIn},
	{pattern: "POST /sign-in", role: admin.Owner, nav: "sign-in", do: (*console).saveSignIn},
	{pattern: "POST /sign-in/local", role: admin.Owner, nav: "sign-in", do: (*console).setLocalSignIn},
	{pattern: "GET /retention", role: admin.Reader, nav: "retention", do: (*console).retention},
	{pattern: "POST /retention", role: admin.Owner, nav: "retention", do: (*console).saveRetention},
	{pattern: "GET /backup", role: admin.Owner, nav: "backup", do: (*console).backup},
	{pattern: "POST /backup", role: admin.Owner, nav: "backup", do: (*console).downloadBackup},
}

// navigation is the menu, in groups. An entry is shown to whoever may open its page.
var navigation = []struct {
	title   string
	entries []entry
}{
	{"", []entry{{"home", "/", "Home", admin.Reader}}},
	{"Directory", []entry{{"users", "/users", "Users", admin.Reader}, {"groups", "/groups", "Groups", admin.Reader}, {"import", "/import", "Import", admin.Admin}}},
	{"Applications", []entry{{"applications", "/applications", "Applications", admin.Reader}, {"provisioning", "/provisioning", "Outbound Provisioning", admin.Reader}}},
	{"Monitoring", []entry{{"logs", "/logs", "Provisioning logs", admin.Reader}}},
	{"Settings", []entry{
		{"administrators", "/administrators", "Administrators", admin.Owner},
		{"sign-in", "/sign-in", "Sign-in", admin.Owner},
		{"tokens", "/tokens", "API tokens", admin.Owner},
		{"notifications", "/notifications", "Mail and webhooks", admin.Admin},
		{"retention", "/retention", "Retention", admin.Reader},
		{"audit", "/audit", "Audit log", admin.Reader},
		{"backup", "/backup", "Backup", admin.Owner},
	}},
}

type entry struct {
	key, to, text string
	role          admin.Role
}

// entries are those of a group that a visitor may open.
func (p page) entries(all []entry) []entry {
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return !p.may(e.role) })
}

// form returns the form of a request, or why it cannot be read.
func (rq *request) form() (func(string) string, error) {
	if err := rq.ParseForm(); err != nil {
		return nil, err
	}
	return rq.PostForm.Get, nil
}
