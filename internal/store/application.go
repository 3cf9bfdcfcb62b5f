package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
)

// Applications returns all applications by name, with their assignments resolved and named, and
// without secrets.
func (s *Store) Applications(ctx context.Context) ([]*provision.Application, error) {
	return read(ctx, s, func(tx *Tx) ([]*provision.Application, error) { return tx.Applications(ctx) })
}

// Applications is [Store.Applications] within a transaction.
func (tx *Tx) Applications(ctx context.Context) ([]*provision.Application, error) {
	apps, err := tx.bareApplications(ctx, "")
	if err == nil {
		err = tx.addAssignments(ctx, apps...)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the applications: %w", err)
	}
	return apps, nil
}

// Application returns an application by name or id; the error offers a near name.
func (s *Store) Application(ctx context.Context, name string) (*provision.Application, error) {
	return read(ctx, s, func(tx *Tx) (*provision.Application, error) { return tx.Application(ctx, name) })
}

// Application is [Store.Application] within a transaction.
func (tx *Tx) Application(ctx context.Context, name string) (*provision.Application, error) {
	app, err := tx.bareApplication(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := tx.addAssignments(ctx, app); err != nil {
		return nil, fmt.Errorf("reading application %s: %w", name, err)
	}
	return app, nil
}

// BareApplication is [Store.Application] without its assignments, of which there may be ten thousand: the engine asks
// the database whom they concern. It is for reading only: saved, it would take all of them away.
func (s *Store) BareApplication(ctx context.Context, name string) (*provision.Application, error) {
	return read(ctx, s, func(tx *Tx) (*provision.Application, error) { return tx.bareApplication(ctx, name) })
}

// bareApplication is [Tx.Application] without its assignments, of which there may be ten thousand.
func (tx *Tx) bareApplication(ctx context.Context, name string) (*provision.Application, error) {
	var apps []*provision.Application
	var err error
	if storable(name) {
		apps, err = tx.bareApplications(ctx, "where name_key = $1 or id = $2", directory.Key(name), name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading application %s: %w", name, err)
	}
	if len(apps) > 0 {
		return apps[0], nil
	}
	names, err := collect(one[string])(tx.Query(ctx, "select name from applications order by name_key"))
	if err != nil {
		return nil, fmt.Errorf("reading the names of applications: %w", err)
	}
	next := didYouMean(directory.Nearest(name, names, 3))
	switch {
	case next != "":
	case len(names) == 0:
		next = "there is none yet; `muster config apply` adds one"
	default:
		next = "there are: " + strings.Join(names, ", ")
	}
	return nil, refuse(ErrNotFound, next, "there is no application %s", name)
}

func (tx *Tx) bareApplications(ctx context.Context, where string, args ...any) ([]*provision.Application, error) {
	return collect(scanApplication)(tx.Query(ctx, "select id, name, template, config from applications "+where+" order by name_key", args...))
}

func (tx *Tx) addAssignments(ctx context.Context, apps ...*provision.Application) error {
	ids := make([]string, len(apps))
	for i, a := range apps {
		ids[i] = a.ID
	}
	assignments, err := tx.assignments(ctx, ids, "")
	for _, a := range apps {
		a.Assignments = assignments[a.ID]
	}
	return err
}

func scanApplication(row scanner) (*provision.Application, error) {
	var id, name, template, config string
	if err := row.Scan(&id, &name, &template, &config); err != nil {
		return nil, err
	}
	app := &provision.Application{}
	if err := json.Unmarshal([]byte(config), app); err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", name, err)
	}
	if app.Provisioning.Quarantine.Failures == 0 { // written by a version that knew no other
		app.Provisioning.Quarantine = provision.DefaultQuarantine
	}
	app.ID, app.Name, app.Template = id, name, template
	return app, nil
}

// configOf returns what table applications keeps of an application: all but assignments, secrets
// and what has columns of its own.
func configOf(app *provision.Application) (string, error) {
	bare := *app
	bare.Name, bare.Template, bare.Assignments, bare.Connection.Auth = "", "", nil, bare.Connection.Auth.Bare()
	b, err := json.Marshal(bare)
	if err != nil {
		return "", fmt.Errorf("writing the configuration of %s: %w", app.Name, err)
	}
	return string(b), nil
}

// deciding is the part of an application on which verdicts and wanted attributes depend.
func deciding(app *provision.Application) []byte {
	p := app.Provisioning
	p.Status, p.Interval, p.Reconcile, p.Hold, p.Quarantine, p.Notify = "", 0, 0, provision.Hold{}, provision.Quarantine{}, provision.Notify{}
	m := provision.Mappings{Users: mapping.WithoutTests(app.Mappings.Users), Groups: mapping.WithoutTests(app.Mappings.Groups)}
	b, _ := json.Marshal(struct {
		M provision.Mappings
		P provision.Provisioning
	}{m, p}) // it has been read from JSON
	return b
}

// connecting is the part of an application that decides whether its target can be reached.
func connecting(app *provision.Application) []byte {
	b, _ := json.Marshal(app.Connection) // it has been read from JSON
	return b
}

// SaveApplication writes an application: a new one when app.ID is "" (which it then sets), else in
// place of what there was. The assignments become exactly those given; names in them are resolved.
// It reports whether anything changed, and asks the next cycle to look at exactly those whom that
// concerns: the people of assignments that come or go, or everybody when mappings, scope or actions
// change. Secrets are not in it, see [Tx.SetSecret].
func (tx *Tx) SaveApplication(ctx context.Context, by Actor, app *provision.Application) (changed bool, err error) {
	if err := tx.resolveAll(ctx, app); err != nil {
		return false, err
	}
	config, err := configOf(app)
	if err != nil {
		return false, err
	}
	rivals, err := tx.bareApplications(ctx, "where name_key = $1 or id = $2", directory.Key(app.Name), app.ID)
	if err == nil {
		err = tx.addAssignments(ctx, rivals...)
	}
	if err != nil {
		return false, fmt.Errorf("reading application %s: %w", app.Name, err)
	}
	var before *provision.Application
	for _, r := range rivals {
		if r.ID != app.ID {
			return false, refuse(ErrExists, "", "there is already an application %s", r.Name)
		}
		before = r
	}
	now := tx.now()
	switch {
	case app.ID == "":
		app.ID = newID()
		err = tx.insert(ctx, "applications", append([]string{"id", "name", "name_key", "template", "config", "created_at", "modified_at"}, scheduleColumns...),
			[][]any{append([]any{app.ID, app.Name, directory.Key(app.Name), app.Template, config, now, now}, schedule(app)...)}, "")
	case before == nil:
		return false, refuse(ErrNotFound, "", "application %s is gone", app.Name)
	default:
		was, err := configOf(before)
		if err != nil {
			return false, err
		}
		if was == config && before.Name == app.Name && before.Template == app.Template {
			changed, err := tx.assign(ctx, by, app.ID, app.Name, before.Assignments, app.Assignments)
			return changed, err
		}
		_, err = tx.Exec(ctx, "update applications set name = $1, name_key = $2, template = $3, config = $4, modified_at = $5, trouble = null, status = $6, run_every = $7, reconcile_every = $8 where id = $9",
			append([]any{app.Name, directory.Key(app.Name), app.Template, config, now}, append(schedule(app), app.ID)...)...)
		if err == nil && before.Provisioning.Status == "on" && app.Provisioning.Status != "on" {
			err = tx.endCycle(ctx, app.ID)
		}
		if err == nil && !bytes.Equal(connecting(before), connecting(app)) {
			err = tx.probeSoon(ctx, app.ID)
		}
		if err == nil && before.Connection.Endpoint != app.Connection.Endpoint {
			err = tx.moved(ctx, app.ID, before.Connection.Endpoint, app.Connection.Endpoint)
		}
		if err == nil && !bytes.Equal(deciding(before), deciding(app)) {
			err = tx.due(ctx, app.ID, []dueObject{{"all", dueEverything}}, "the configuration changed")
		}
		if err != nil {
			return false, fmt.Errorf("writing application %s: %w", app.Name, err)
		}
	}
	if err != nil {
		return false, fmt.Errorf("writing application %s: %w", app.Name, err)
	}
	tx.wakes(app.ID)
	var had []provision.Assignment
	action := "create"
	if before != nil {
		had, action = before.Assignments, "update"
	}
	if _, err := tx.assign(ctx, Actor{}, app.ID, app.Name, had, app.Assignments); err != nil {
		return false, err
	}
	return true, tx.audit(ctx, by, action, subject{"application", app.ID, app.Name}, appDocument(before), appDocument(app))
}

// SaveApplication is [Tx.SaveApplication] in a transaction of its own.
func (s *Store) SaveApplication(ctx context.Context, by Actor, app *provision.Application) (bool, error) {
	id := app.ID
	return write(ctx, s, func(tx *Tx) (bool, error) {
		app.ID = id // a repeated transaction begins anew
		return tx.SaveApplication(ctx, by, app)
	})
}

// appDocument is an application as the audit log shows it.
func appDocument(app *provision.Application) map[string]any {
	if app == nil {
		return nil
	}
	bare := *app
	bare.Connection.Auth = bare.Connection.Auth.Bare()
	b, _ := json.Marshal(bare)
	var doc map[string]any
	_ = json.Unmarshal(b, &doc)
	return doc
}

// DeleteApplication removes an application with its links, secrets and assignments. Accounts at the
// target stay as they are; the provisioning log stays until its time is over.
func (s *Store) DeleteApplication(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		apps, err := tx.bareApplications(ctx, "where id = $1", id)
		if err == nil {
			err = tx.addAssignments(ctx, apps...)
		}
		if err != nil {
			return err
		}
		if len(apps) == 0 {
			return refuse(ErrNotFound, "", "there is no application with the id %s", id)
		}
		if err := tx.forget(ctx, id); err != nil {
			return fmt.Errorf("deleting %s: %w", apps[0].Name, err)
		}
		if _, err := tx.Exec(ctx, "delete from applications where id = $1", id); err != nil {
			return fmt.Errorf("deleting %s: %w", apps[0].Name, err)
		}
		return tx.audit(ctx, by, "delete", subject{"application", id, apps[0].Name}, appDocument(apps[0]), nil)
	})
}

// forget removes all that is known for an application, but for its logs.
func (tx *Tx) forget(ctx context.Context, id string) error {
	for _, table := range []string{"assignments", "secrets", "links", "link_members", "waiting", "due", "escrow", "accounts", "account_keys", "leases", "requests", "notices", "drift", "rejections"} {
		if _, err := tx.Exec(ctx, "delete from "+table+" where app_id = $1", id); err != nil {
			return fmt.Errorf("deleting the %s: %w", table, err)
		}
	}
	if err := tx.settled(ctx, id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update operations set state = 'dropped', want = '{}', detail = '{}', finished_at = $2 where app_id = $1 and finished_at is null", id, tx.now()); err != nil {
		return fmt.Errorf("dropping the open operations: %w", err)
	}
	return nil
}

// ForgetApplication removes what a cycle has still recorded for an application that was deleted while
// it ran. It does nothing while the application is there.
func (s *Store) ForgetApplication(ctx context.Context, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		apps, err := tx.bareApplications(ctx, "where id = $1", id)
		if err != nil || len(apps) > 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "update cycles set state = 'stopped', finished_at = $2, error = $3 where app_id = $1 and state = 'running'", id, tx.now(), string(Deleted)); err != nil {
			return err
		}
		return tx.forget(ctx, id)
	})
}

// dueEverything is the object id of a due row that asks for everything to be looked at.
const dueEverything = "*"

type dueObject struct{ kind, id string }

// due asks the next cycle of an application to look at objects.
func (tx *Tx) due(ctx context.Context, appID string, objects []dueObject, reason string) error {
	slices.SortFunc(objects, func(a, b dueObject) int { return strings.Compare(a.kind+a.id, b.kind+b.id) })
	objects = slices.Compact(objects)
	rows := make([][]any, len(objects))
	for i, o := range objects {
		rows[i] = []any{appID, o.kind, o.id, "", tx.now(), reason}
	}
	tx.wakes(appID)
	return tx.insert(ctx, "due", []string{"app_id", "type", "object_id", "member_id", "due_at", "reason"}, rows,
		`on conflict (app_id, type, object_id, member_id) do update set `+dueAgain)
}

// Setting returns a value that was kept under a name, "" when there is none.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	return read(ctx, s, func(tx *Tx) (string, error) { return tx.setting(ctx, name) })
}

func (tx *Tx) setting(ctx context.Context, name string) (string, error) {
	var value sql.NullString
	err := tx.QueryRow(ctx, "select (select value from settings where name = $1)", name).Scan(&value)
	if err != nil {
		return "", fmt.Errorf("reading setting %s: %w", name, err)
	}
	return value.String, nil
}

// SetSetting keeps a value under a name.
func (s *Store) SetSetting(ctx context.Context, name, value string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.set(ctx, name, value) })
}

func (tx *Tx) set(ctx context.Context, name, value string) error {
	return tx.insert(ctx, "settings", []string{"name", "value"}, [][]any{{name, value}}, "on conflict (name) do update set value = excluded.value")
}
