package console

import (
	"cmp"
	"encoding"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// outbound is the table of applications with what can be done to each.
func (c *console) outbound(rq *request) error {
	status, err := rq.desk.Status(rq.Context(), "")
	if err != nil {
		return err
	}
	return rq.ok(outboundPage(rq.page.titled("Outbound Provisioning"), status))
}

// provisioningView is the provisioning page of an application.
type provisioningView struct {
	appPage
	Template gallery.Template
	Mode     string // manual, automatic
	Callback string // where the target sends the browser back to
	Sealed   bool   // there is a credential
	Mails    bool   // there is a server that mails notifications
	Sync     synchronization
	Test     *connector.Diagnosis
	Problem  *admin.Problem
	Values   func(string) string // the form as it was sent, nil to take the application's
}

func (rq *request) provisioningView(c *console) (provisioningView, error) {
	a, err := rq.app("provisioning", "Provisioning")
	if err != nil {
		return provisioningView{}, err
	}
	v := provisioningView{appPage: a, Sealed: !waitsFor(a.Status, "token"), Callback: c.origin(rq.Request) + callback}
	if v.Template, err = gallery.Lookup(a.App.Template); err != nil {
		return v, err
	}
	v.Mode = rq.FormValue("mode")
	if v.Mode == "" && (v.Sealed || a.App.Provisioning.Status == "on") {
		v.Mode = "automatic"
	}
	if v.Mails, err = rq.desk.Mails(rq.Context()); err != nil {
		return v, err
	}
	v.Sync, err = c.synchronization(rq, a)
	return v, err
}

// waitsFor reports whether an application waits for something of a kind.
func waitsFor(s admin.ApplicationStatus, kind string) bool {
	for _, w := range s.Waiting {
		if w.Kind == kind {
			return true
		}
	}
	return false
}

func (c *console) provisioning(rq *request) error {
	v, err := rq.provisioningView(c)
	if err != nil {
		return err
	}
	return rq.ok(provisioningPage(v))
}

// saveProvisioning takes the whole form of the page: credentials, notification, settings and status.
func (c *console) saveProvisioning(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	app, err := rq.desk.Application(rq.Context(), rq.PathValue("app"))
	if err != nil {
		return err
	}
	save := func(version string, typed func(string) string) error {
		return rq.desk.EditApplication(rq.Context(), app.ID, version, secretsOf(typed, kindOfAuth(app.Connection.Auth)), func(app *provision.Application) error {
			return settingsOf(app, typed)
		})
	}
	typed, clash := get, []string(nil)
	if err = save(get("version"), get); admin.Explain(err) != nil && admin.Explain(err).Code == string(store.ErrChanged) {
		if typed, clash, err = merged(app, get, err); err == nil {
			var now string
			if now, err = rq.desk.Version(rq.Context(), app); err == nil {
				err = save(now, typed)
			}
		}
	}
	if err != nil {
		v, verr := rq.provisioningView(c)
		if verr != nil {
			return verr
		}
		v.Problem, v.Values = admin.Explain(err), typed
		if len(clash) > 0 {
			v.Problem = &admin.Problem{Message: "Somebody else has changed this meanwhile: " + strings.Join(clash, ", "), Next: "yours stands there still; saving again puts it in place of theirs. What only they changed is kept"}
		}
		rq.show(422, provisioningPage(v))
		return nil
	}
	to := with(at("applications", rq.PathValue("app"), "provisioning"), "mode", get("mode"))
	if get("then") == "test" {
		rq.Method = "GET" // the connection is tested as it was just saved
		return c.test(rq)
	}
	return rq.done(to, "Saved.", nextAfterSave(get))
}

func nextAfterSave(get func(string) string) string {
	switch {
	case get("status") == "on" && get("mode") == "manual":
		return "The mode is Manual, so provisioning is off: choose Automatic for accounts that follow the directory."
	case get("auth.type") == byOAuth && get("client_secret") != "":
		return "Next: Authorize."
	case get("token")+get("password")+get("client_secret")+get("key") != "":
		return "Next: Test Connection."
	case get("status") == "on":
		return startedSays
	}
	return ""
}

// startedSays is said when provisioning is switched on.
const startedSays = "Provisioning is on: cycles run at once on every change and at each interval."

// setting is one input of the settings: how it is read from a form into an application.
type setting struct {
	name string
	set  func(app *provision.Application, text string) error
}

// settings are the inputs of the provisioning page. A form that lacks one leaves it as it is.
var settings = []setting{
	{"endpoint", func(a *provision.Application, s string) error { a.Connection.Endpoint = s; return nil }},
	{"notify.email", func(a *provision.Application, s string) error { a.Provisioning.Notify.Email = s; return nil }},
	{"scope", func(a *provision.Application, s string) error { a.Provisioning.Scope = s; return nil }},
	{"interval", func(a *provision.Application, s string) error { return into("interval", s, &a.Provisioning.Interval) }},
	{"reconcile", func(a *provision.Application, s string) error {
		return into("reconcile", s, &a.Provisioning.Reconcile)
	}},
	{"grace", func(a *provision.Application, s string) error { return into("grace", s, &a.Provisioning.Grace) }},
	{"on_unassign", func(a *provision.Application, s string) error { a.Provisioning.OnUnassign = s; return nil }},
	{"on_disable", func(a *provision.Application, s string) error { a.Provisioning.OnDisable = s; return nil }},
	{"on_delete", func(a *provision.Application, s string) error { a.Provisioning.OnDelete = s; return nil }},
	{"hold.removals", func(a *provision.Application, s string) error {
		return into("removals", s, &a.Provisioning.Hold.Removals)
	}},
	{"hold.min", func(a *provision.Application, s string) error { return whole("min", s, &a.Provisioning.Hold.Min) }},
	{"hold.max", func(a *provision.Application, s string) error { return whole("max", s, &a.Provisioning.Hold.Max) }},
	{"hold.window", func(a *provision.Application, s string) error {
		return into("window", s, &a.Provisioning.Hold.Window)
	}},
	{"hold.updates", func(a *provision.Application, s string) error {
		return into("updates", s, &a.Provisioning.Hold.Updates)
	}},
	{"limits.requests_per_second", func(a *provision.Application, s string) error {
		return decimal("requests a second", s, &a.Connection.Limits.RequestsPerSecond)
	}},
	{"limits.burst", func(a *provision.Application, s string) error {
		return whole("requests in a burst", cmp.Or(s, "0"), &a.Connection.Limits.Burst)
	}},
	{"limits.concurrency", func(a *provision.Application, s string) error {
		return whole("requests at the same time", cmp.Or(s, "0"), &a.Connection.Limits.Concurrency)
	}},
	{"drift.attributes", func(a *provision.Application, s string) error { a.Provisioning.Drift.Attributes = s; return nil }},
	{"drift.members", func(a *provision.Application, s string) error { a.Provisioning.Drift.Members = s; return nil }},
	{"drift.accounts", func(a *provision.Application, s string) error { a.Provisioning.Drift.Accounts = s; return nil }},
	{"filters", func(a *provision.Application, s string) error { a.Provisioning.Filters = nonEmpty(s); return nil }},
	{"status", func(a *provision.Application, s string) error { a.Provisioning.Status = s; return nil }},
}

// byOAuth is the kind of credentials that a person allows in a browser.
const byOAuth = "oauth2_authorization_code"

// settingsOf reads the form into the application.
func settingsOf(app *provision.Application, get func(string) string) error {
	credentialsOf(app, get)
	for _, s := range settings {
		if get("has "+s.name) == "" {
			continue
		}
		if err := s.set(app, strings.TrimSpace(get(s.name))); err != nil {
			return err
		}
	}
	if get("has notify.failures") != "" {
		app.Provisioning.Notify.Failures = get("notify.failures") != ""
	}
	if get("mode") == "manual" {
		app.Provisioning.Status = "off" // nothing by itself
	}
	return nil
}

func into(what, text string, v encoding.TextUnmarshaler) error {
	if err := v.UnmarshalText([]byte(text)); err != nil {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "configuration", Message: what + ": " + err.Error(), Next: "correct this and save again; nothing was changed"}
	}
	return nil
}

func whole(what, text string, v *int) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "configuration", Message: what + " wants a whole number", Next: "correct this and save again; nothing was changed"}
	}
	*v = n
	return nil
}

// decimal reads a number; nothing is none, which leaves it to the template.
func decimal(what, text string, v *float64) error {
	n, err := strconv.ParseFloat(cmp.Or(text, "0"), 64)
	if err != nil {
		return &admin.Problem{Exit: admin.ExitUsage, Code: "configuration", Message: what + " wants a number", Next: "correct this and save again; nothing was changed"}
	}
	*v = n
	return nil
}

// none writes a number, and none for zero.
func none[T int | float64](n T) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// ofTemplate says what a limit is that is left empty.
const ofTemplate = "Empty: the template's."

// test tries the connection and shows what it says, on the page where it is set up.
func (c *console) test(rq *request) error {
	v, err := rq.provisioningView(c)
	if err != nil {
		return err
	}
	d, err := rq.desk.Test(rq.Context(), v.App.ID)
	if err != nil {
		v.Problem = admin.Explain(err)
		rq.show(422, provisioningPage(v))
		return nil
	}
	v.Test = &d
	return rq.ok(provisioningPage(v))
}

// setStatus starts, stops, pauses and resumes what a server runs. Whoever operates may stop what goes wrong; to start it
// is for whoever may also configure it, as in the API.
func (c *console) setStatus(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	if get("status") == "on" && !rq.page.may(admin.Admin) {
		return rq.forbidden(admin.Admin)
	}
	ctx, name := rq.Context(), rq.PathValue("app")
	said := ""
	switch get("status") {
	case "on":
		_, err = rq.desk.Start(ctx, name)
		said = startedSays
	case "pause":
		_, err = rq.desk.Pause(ctx, name, 0)
		said = "Paused: the position is kept, and nothing runs by itself until somebody resumes."
	case "resume":
		_, err = rq.desk.Resume(ctx, name)
		said = "Resumed: what changed meanwhile is caught up with."
	default:
		_, err = rq.desk.Stop(ctx, name)
		said = "Provisioning is off: a cycle that runs ends at the next object, the position is kept, and nothing runs by itself."
	}
	if err != nil {
		return err
	}
	return rq.done(at("applications", name), said)
}

// shown returns the value of an input: as it was sent, or as the application has it.
func (v provisioningView) shown(name, have string) string {
	if v.Values != nil && v.Values("has "+name) != "" {
		return v.Values(name)
	}
	return have
}

// ticked is what a box that is ticked, or not, sends.
func ticked(is bool) string {
	if is {
		return "on"
	}
	return ""
}

// words writes a duration or a percentage as the form does.
func words(m encoding.TextMarshaler) string {
	b, err := m.MarshalText()
	if err != nil {
		return ""
	}
	return string(b)
}
