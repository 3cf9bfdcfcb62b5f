package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Applications returns all applications by name, without secrets.
func (d *Desk) Applications(ctx context.Context) ([]*provision.Application, error) {
	return d.store.Applications(ctx)
}

// Application returns an application by name or id, without secrets.
func (d *Desk) Application(ctx context.Context, name string) (*provision.Application, error) {
	return d.store.Application(ctx, name)
}

// Listed is an application in a list.
type Listed struct {
	ID          string                 `json:"id"`
	Name        string                 `json:"name"`
	Template    string                 `json:"template"`
	Status      string                 `json:"status"` // on, off
	Scope       string                 `json:"scope"`  // assigned, all
	Endpoint    string                 `json:"endpoint"`
	Assignments []provision.Assignment `json:"assignments"`
}

// List returns all applications by name, in short.
func (d *Desk) List(ctx context.Context) ([]Listed, error) {
	list := []Listed{}
	apps, err := d.store.Applications(ctx)
	for _, a := range apps {
		row := Listed{ID: a.ID, Name: a.Name, Template: a.Template, Status: a.Provisioning.Status, Scope: a.Provisioning.Scope, Endpoint: a.Connection.Endpoint, Assignments: a.Assignments}
		if row.Assignments == nil {
			row.Assignments = []provision.Assignment{}
		}
		list = append(list, row)
	}
	return list, err
}

// Configuration returns the whole of an application as one document, without secrets.
func (d *Desk) Configuration(ctx context.Context, name string) (map[string]any, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return nil, err
	}
	return configurationOf(app)
}

// CreateApplication makes an application of an entry of the declarative form; an application of that
// name must not be there yet.
func (d *Desk) CreateApplication(ctx context.Context, entry map[string]any, o Declaring) (config.Changes, error) {
	if name, ok := entry["name"].(string); ok { // told before anything that may be wrong with it in that one's place
		if before, err := d.store.Application(ctx, name); err == nil {
			return config.Changes{}, isFree(ctx, nil, before)
		}
	}
	return d.declare(ctx, entry, o, isFree)
}

// Declaring says how a document of an application is applied.
type Declaring struct {
	// Match names the versions that it may replace, as If-Match writes them.
	Match string
	// IgnoreTests applies mappings although tests that are kept with them fail.
	IgnoreTests bool
}

// ReplaceApplication makes an application exactly what an entry of the declarative form says. A secret
// that the entry lacks is kept.
func (d *Desk) ReplaceApplication(ctx context.Context, name string, entry map[string]any, o Declaring) (config.Changes, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return config.Changes{}, err
	}
	entry = maps.Clone(entry)
	if entry["name"] == nil {
		entry["name"] = app.Name
	}
	if given, ok := entry["name"].(string); !ok || directory.Key(given) != directory.Key(app.Name) {
		return config.Changes{}, usage(string(store.ErrInvalid), "give the name that it has", "the document is of another application than %s", app.Name)
	}
	return d.declare(ctx, entry, o, stillAt(app.Name, o.Match))
}

// PatchApplication changes an application where a merge patch (RFC 7396) of its declarative form says so:
// what the patch lacks stays, null gives the template's value back, and a list is replaced as a whole.
func (d *Desk) PatchApplication(ctx context.Context, name string, patch map[string]any, o Declaring) (config.Changes, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return config.Changes{}, err
	}
	version, err := d.Version(ctx, app)
	if err != nil {
		return config.Changes{}, err
	}
	if !directory.Matches(o.Match, version) {
		return config.Changes{}, changedMeanwhile(app.Name)
	}
	doc, err := configurationOf(app)
	if err != nil {
		return config.Changes{}, err
	}
	if moved, ok := patch["connection"].(map[string]any); ok && moved["endpoint"] != nil && moved["web_api"] == nil {
		delete(doc["connection"].(map[string]any), "web_api") // it gets the token too, and belonged to the other address
	}
	o.Match = version // what was merged into is what is replaced
	return d.ReplaceApplication(ctx, app.ID, merged(doc, patch), o)
}

// merged is a document after a merge patch.
func merged(doc, patch map[string]any) map[string]any {
	out := maps.Clone(doc)
	for key, v := range patch {
		deeper, isDocument := v.(map[string]any)
		below, _ := out[key].(map[string]any)
		switch {
		case v == nil:
			delete(out, key)
		case isDocument:
			if below == nil {
				below = map[string]any{}
			}
			out[key] = merged(below, deeper)
		default:
			out[key] = v
		}
	}
	return out
}

// declare applies one entry of the declarative form. What is written in it is meant as it stands: there
// are no variables.
func (d *Desk) declare(ctx context.Context, entry map[string]any, o Declaring, holds condition) (config.Changes, error) {
	entry = maps.Clone(entry)
	delete(entry, "id")
	b, err := json.Marshal(map[string]any{"applications": []any{escaped(entry)}})
	if err != nil {
		return config.Changes{}, fmt.Errorf("writing an application: %w", err)
	}
	nothing := Source{
		Env:         func(string) (string, bool) { return "", false },
		ReadFile:    func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		IgnoreTests: o.IgnoreTests,
	}
	return d.applyIf(ctx, []config.File{{Name: "document", Data: b}}, nothing, holds)
}

// condition is what has to hold of an application, as it is in the transaction that changes it; nil for one
// that is not there.
type condition = func(ctx context.Context, tx *store.Tx, before *provision.Application) error

// isFree is the condition that there is none of that name.
func isFree(_ context.Context, _ *store.Tx, before *provision.Application) error {
	if before != nil {
		return usage(string(store.ErrExists), "change it, or take another name", "there is already an application %s", before.Name)
	}
	return nil
}

// stillAt is the condition that an application is at one of the versions that match names.
func stillAt(name, match string) condition {
	return func(ctx context.Context, tx *store.Tx, before *provision.Application) error {
		if before == nil {
			return usage(string(store.ErrNotFound), "", "application %s is gone", name)
		}
		version, err := versionIn(ctx, tx, before)
		if err == nil && !directory.Matches(match, version) {
			err = changedMeanwhile(before.Name)
		}
		return err
	}
}

func changedMeanwhile(name string) error {
	return usage(string(store.ErrChanged), "read it again and repeat the change", "%s has been changed by somebody else meanwhile", name)
}

// Version names the state of an application's configuration as an entity tag. Secrets that somebody gave
// belong to it, although nobody can read them: whoever read it before another one was given is not the last.
func (d *Desk) Version(ctx context.Context, app *provision.Application) (version string, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		version, err = versionIn(ctx, tx, app)
		return err
	})
	return version, err
}

func versionIn(ctx context.Context, tx *store.Tx, app *provision.Application) (string, error) {
	doc, err := configurationOf(app)
	if err != nil {
		return "", err
	}
	// Tokens that were got by one of these come and go by themselves.
	mark, err := tx.SecretsMark(ctx, app.ID, provision.SecretToken, provision.SecretPassword, provision.SecretClientSecret, provision.SecretKey, provision.SecretRefreshToken)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal([]any{doc, mark})
	if err != nil {
		return "", fmt.Errorf("writing the version of %s: %w", app.Name, err)
	}
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:8]) + `"`, nil
}

func configurationOf(app *provision.Application) (map[string]any, error) {
	b, err := json.Marshal(app)
	if err != nil {
		return nil, fmt.Errorf("writing the configuration of %s: %w", app.Name, err)
	}
	doc := map[string]any{"id": app.ID, "assignments": []any{}}
	return doc, json.Unmarshal(b, &doc)
}

// DeleteApplication removes an application with all that Muster knows of its accounts. The accounts
// stay at the target as they are.
func (d *Desk) DeleteApplication(ctx context.Context, name string) (Removed, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Removed{}, err
	}
	return Removed{ID: app.ID, Name: app.Name, How: "deleted"}, d.store.DeleteApplication(ctx, d.by, app.ID)
}

// Assign gives a user or a group to an application and reports whether that changed anything.
func (d *Desk) Assign(ctx context.Context, name string, a provision.Assignment) (bool, error) {
	if a.Role != "" && !slices.Contains(roles, a.Role) {
		return false, usage(string(store.ErrInvalid), "roles are "+strings.Join(roles, ", "), "there is no role %q", a.Role)
	}
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return false, err
	}
	return d.store.Assign(ctx, d.by, app.ID, a)
}

// roles are those that an assignment may have; all but the last give an account.
var roles = []string{"User", "Group", provision.RoleDefaultAccess}

// Unassign takes an assignment away and reports whether there was one.
func (d *Desk) Unassign(ctx context.Context, name string, a provision.Assignment) (bool, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return false, err
	}
	return d.store.Unassign(ctx, d.by, app.ID, a)
}

// Source reads what configuration files refer to: variables of the environment and files.
type Source struct {
	Env      func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
	// IgnoreTests applies mappings although tests that are kept with them fail.
	IgnoreTests bool
}

// parse reads configuration files and has the connectors judge them.
func (d *Desk) parse(files []config.File, src Source) (config.Document, error) {
	doc, err := config.Parse(files, src.Env, src.ReadFile)
	if err != nil {
		return doc, err
	}
	return doc, doc.Check(func(app provision.Application) error {
		t, protocol, err := d.protocol(&app)
		if err != nil || protocol.Check == nil {
			return err
		}
		return protocol.Check(t, app)
	})
}

// Apply makes the applications that the files name exactly what they say; all of it or nothing. Where
// tests that are kept with their mappings fail, nothing is changed, unless the source ignores them.
func (d *Desk) Apply(ctx context.Context, files []config.File, src Source) (config.Changes, error) {
	return d.applyIf(ctx, files, src, func(context.Context, *store.Tx, *provision.Application) error { return nil })
}

// applyIf is Apply when a condition holds of every application that the files name.
func (d *Desk) applyIf(ctx context.Context, files []config.File, src Source, holds condition) (config.Changes, error) {
	doc, err := d.parse(files, src)
	if err != nil {
		return config.Changes{}, err
	}
	if !src.IgnoreTests {
		if err := d.passing(ctx, doc); err != nil {
			return config.Changes{}, err
		}
	}
	return config.ApplyIf(ctx, d.store, doc, d.by, holds)
}

// Diff says what [Desk.Apply] would change.
func (d *Desk) Diff(ctx context.Context, files []config.File, src Source) (config.Changes, error) {
	doc, err := d.parse(files, src)
	if err != nil {
		return config.Changes{}, err
	}
	return config.Diff(ctx, d.store, doc)
}

// Export writes applications, all of them when none is named, as YAML that applies as it is.
func (d *Desk) Export(ctx context.Context, names ...string) ([]byte, error) {
	return config.Export(ctx, d.store, names...)
}

// restarts says of each scope of a restart what the next cycle does.
var restarts = map[string]string{
	"escrow":    "that anything failed is forgotten, and the next cycle tries it again",
	"watermark": "the next cycle looks at everybody again",
	"links":     "the next cycle matches everybody with the target's accounts again; links of people who are out of scope are kept",
	"all":       "escrow, watermark and links: the next cycle begins as if it were the first, without forgetting whose accounts are Muster's",
}

// Restarted is what a restart did.
type Restarted struct {
	Application string `json:"application"`
	Scope       string `json:"scope"` // escrow, watermark, links, all
	Effect      string `json:"effect"`
}

// Restart forgets a part of what an application knows: escrow, watermark, links or all.
func (d *Desk) Restart(ctx context.Context, name, scope string) (Restarted, error) {
	effect, ok := restarts[scope]
	if !ok {
		return Restarted{}, usage("usage", "use escrow, watermark, links or all", "there is no restart of %q", scope)
	}
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Restarted{}, err
	}
	if err := d.store.Restart(ctx, app.ID, scope); err != nil {
		return Restarted{}, fmt.Errorf("restarting %s: %w", app.Name, err)
	}
	entry := store.Entry{Action: "restart", Type: "application", Object: app.ID, Name: app.Name, After: map[string]any{"scope": scope}}
	return Restarted{Application: app.Name, Scope: scope, Effect: effect}, d.store.Audit(ctx, d.by, entry)
}

// Status is how applications stand.
type Status struct {
	Applications []ApplicationStatus `json:"applications"`
}

// ApplicationStatus is how one application stands.
type ApplicationStatus struct {
	Name       string            `json:"name"`
	Status     string            `json:"status"` // on, off
	Cycle      *CycleStatus      `json:"cycle"`  // the last one that ran, null before the first
	Watermark  int64             `json:"watermark"`
	Links      int               `json:"links"`
	Escrow     int               `json:"escrow"`
	Parked     int               `json:"parked"`
	Held       int               `json:"held"`
	Quarantine *QuarantineStatus `json:"quarantine"`
	LagMS      int64             `json:"lag_ms"` // how long the oldest change that no cycle has looked at waits

	Credentials CredentialStatus `json:"credentials"`
	Assignments int              `json:"assignments"`
	Drift       DriftCounts      `json:"drift"` // as the last complete reconcile found it
	Paused      bool             `json:"paused"`
	PausedUntil *time.Time       `json:"paused_until,omitempty"` // absent while not paused, or until somebody resumes
	Trouble     *TroubleStatus   `json:"trouble"`                // why Muster could not run the application, null when it can
	Restored    bool             `json:"restored,omitempty"`     // from a backup: the next cycle is a reconcile whose removals are held
	// Waiting is what only a person can move on, each with the command to type.
	Waiting []Waiting `json:"waiting"`
}

// CycleStatus is the last cycle of an application.
type CycleStatus struct {
	ID       string     `json:"id"`
	Type     string     `json:"type"`
	State    string     `json:"state"` // running, done, stopped
	Started  time.Time  `json:"started"`
	Finished *time.Time `json:"finished"` // null while it runs
	Summary  Summary    `json:"summary"`
	Failed   int        `json:"failed"`
	Requests int64      `json:"requests"`
	Error    string     `json:"error"` // why it was stopped
	// Progress is how far it is, null when it does not run.
	Progress *CycleProgress `json:"progress"`
}

// CycleProgress is how far a running cycle is with the objects that it has planned so far.
type CycleProgress struct {
	Done      int     `json:"done"`
	Planned   int     `json:"planned"`    // objects, those that are done among them; 0 while it is reading
	PerSecond float64 `json:"per_second"` // objects done since the cycle began
	LeftMS    int64   `json:"left_ms"`    // at that rate; 0 when nothing can be said yet
	// PausedUntil is when the pause ends that the target asked for, null when it wants none.
	PausedUntil *time.Time `json:"paused_until"`
}

// QuarantineStatus is why an application's target is left alone for now.
type QuarantineStatus struct {
	Since     time.Time `json:"since"`
	Code      string    `json:"code"`
	Reason    string    `json:"reason"`
	Rule      string    `json:"rule"` // by which it was found
	Next      string    `json:"next"` // what a person can do
	Probes    int       `json:"probes"`
	NextProbe time.Time `json:"next_probe"`
	// Exchange is the request and the answer that the cause rests on, redacted; null when there was none.
	Exchange *connector.Exchange `json:"exchange"`
}

// Waiting is something that waits for a person.
type Waiting struct {
	Kind string `json:"kind"` // token, quarantine, assignments, restored, held, parked, first, off
	What string `json:"what"`
	Next string `json:"next"` // the command to type
}

// Status tells how an application stands, or all of them when none is named.
func (d *Desk) Status(ctx context.Context, name string) (Status, error) {
	out := Status{Applications: []ApplicationStatus{}}
	apps, err := d.store.Applications(ctx)
	if name != "" {
		var app *provision.Application
		app, err = d.store.Application(ctx, name)
		apps = []*provision.Application{app}
	}
	if err != nil {
		return out, err
	}
	for _, app := range apps {
		s, err := d.standing.Of(ctx, app.ID, d.store.Notable(), func(ctx context.Context) (ApplicationStatus, error) { return d.status(ctx, app) })
		if err != nil {
			return out, fmt.Errorf("reading how %s stands: %w", app.Name, err)
		}
		out.Applications = append(out.Applications, s)
	}
	return out, nil
}

func (d *Desk) status(ctx context.Context, app *provision.Application) (ApplicationStatus, error) {
	p, err := d.store.Progress(ctx, app.ID)
	if err != nil {
		return ApplicationStatus{}, err
	}
	s := ApplicationStatus{
		Name: app.Name, Status: app.Provisioning.Status, Watermark: p.Watermark, Links: p.Links, Escrow: p.Escrow, Parked: p.Parked,
		Held: p.Held, LagMS: p.Behind, Assignments: len(app.Assignments), Restored: p.Restored, Waiting: []Waiting{},
	}
	if s.Paused, s.Trouble = p.Paused, troubleOf(d.trouble(app, p)); p.Paused && !p.PausedTill.IsZero() {
		s.PausedUntil = &p.PausedTill
	}
	if s.Drift, err = d.driftCounts(ctx, app); err != nil {
		return s, err
	}
	if q := p.Quarantine; q != nil {
		s.Quarantine = &QuarantineStatus{
			Since: q.Since, Code: q.Code, Reason: q.Reason, Rule: q.Rule, Next: q.Next, Probes: q.Attempts - 1, NextProbe: q.NextProbe, Exchange: q.Exchange,
		}
	}
	c, err := d.store.LastCycle(ctx, app.ID)
	if err != nil {
		return s, err
	}
	if c != nil {
		s.Cycle = &CycleStatus{ID: c.ID, Type: c.Type, State: c.State, Started: c.Started, Summary: summaryOf(c.Summary), Failed: c.Failed, Requests: c.Requests, Error: c.Error}
		if !c.Finished.IsZero() {
			s.Cycle.Finished = &c.Finished
		}
		if c.State == "running" {
			advance, err := d.Advance(ctx, c.ID)
			if err != nil {
				return s, err
			}
			s.Cycle.Progress = advance.progress(d.store.Now().Sub(c.Started))
			if s.Cycle.Progress.PausedUntil, err = d.pausedUntil(ctx, app); err != nil {
				return s, err
			}
		}
	}
	secrets, err := d.store.SecretOrigins(ctx, app.ID)
	if err != nil {
		return s, err
	}
	s.Credentials = d.credentialStatus(ctx, app, secrets)
	s.Waiting = append(s.Waiting, waiting(app, s, s.Credentials.Given)...)
	return s, nil
}

// complete reports whether an application has the secrets without which it cannot be connected.
func complete(app *provision.Application, secrets map[string]string) bool {
	auth := app.Connection.Auth
	for name, optional := range auth.Secrets() {
		if !optional && secrets[name] == "" {
			return false
		}
	}
	if auth.Type == provision.AuthorizationCode {
		return secrets[provision.SecretAccessToken] != "" || secrets[provision.SecretRefreshToken] != ""
	}
	return true
}

// waiting is the table of what only a person can move on, in the order in which to deal with it.
func waiting(app *provision.Application, s ApplicationStatus, token bool) []Waiting {
	var out []Waiting
	for _, w := range []struct {
		kind       string
		is         bool
		what, next string
	}{
		{"token", !token, "there is no token yet", "muster config apply FILE, with connection.auth.token"},
		{"quarantine", s.Quarantine != nil, "the target or its credentials fail", "muster test " + app.Name},
		{"assignments", app.Provisioning.Scope != "all" && s.Assignments == 0, "nobody is assigned", "muster app assign " + app.Name + " --group NAME"},
		{"restored", s.Restored, "restored from a backup: the next cycle compares everything and holds enables and removals", "muster plan " + app.Name},
		{"trouble", s.Trouble != nil && !s.Trouble.Pause, "Muster could not run it by itself", "read the reason in muster status " + app.Name},
		{"paused", s.Paused && s.PausedUntil == nil, "it is paused", "muster app resume " + app.Name},
		{"held", s.Held > 0, plural(s.Held, "operation is", "operations are") + " held for approval", "muster held " + app.Name + " list"},
		{"parked", s.Parked > 0, plural(s.Parked, "object needs", "objects need") + " a person", "muster logs --app " + app.Name + " --status failure"},
		{"first", token && s.Cycle == nil, "no cycle has run yet", "muster plan " + app.Name},
		{"off", s.Cycle != nil && s.Status != "on" && s.LagMS > 0, "changes wait, and provisioning is off", "muster plan " + app.Name},
	} {
		if w.is {
			out = append(out, Waiting{Kind: w.kind, What: w.what, Next: w.next})
		}
	}
	return out
}

// plural puts a number before the right form.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
