package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Apply makes the applications that the document names exactly what it says, in one transaction:
// all of it or, beside an error, nothing. Other applications stay as they are. What is the same
// already is not touched, so that applying again changes nothing and leaves no audit record. What
// the directory doesn't know, and a connection that moves without its token, are [Problems].
func Apply(ctx context.Context, st *store.Store, doc Document, by store.Actor) (Changes, error) {
	return ApplyIf(ctx, st, doc, by, func(context.Context, *store.Tx, *provision.Application) error { return nil })
}

// ApplyIf is [Apply] when a condition holds of every application that the document names, as it is
// at that moment, nil for one that is not there: the condition's error ends it, and nothing is changed.
func ApplyIf(ctx context.Context, st *store.Store, doc Document, by store.Actor, holds func(ctx context.Context, tx *store.Tx, before *provision.Application) error) (Changes, error) {
	sealed, err := unsealed(ctx, st, doc)
	if err != nil {
		return Changes{}, err
	}
	var changes Changes
	err = st.Write(ctx, func(tx *store.Tx) error {
		if err := tx.LockSettings(ctx); err != nil {
			return err
		}
		steps, err := doc.against(ctx, tx, sealed)
		if err != nil {
			return err
		}
		changes = changesOf(steps)
		for i := range steps {
			if err := holds(ctx, tx, steps[i].before); err != nil {
				return err
			}
			if err := steps[i].write(ctx, tx, by); err != nil {
				return fmt.Errorf("applying %s: %w", steps[i].app.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return Changes{}, err
	}
	return changes, nil
}

// Diff returns what [Apply] would do, and writes nothing: the store may be open for reading only.
func Diff(ctx context.Context, st *store.Store, doc Document) (Changes, error) {
	sealed, err := unsealed(ctx, st, doc)
	if err != nil {
		return Changes{}, err
	}
	var changes Changes
	err = st.Read(ctx, func(tx *store.Tx) error {
		steps, err := doc.against(ctx, tx, sealed)
		changes = changesOf(steps)
		return err
	})
	if err != nil {
		return Changes{}, err
	}
	return changes, nil
}

// step is what is to be done for one application.
type step struct {
	app     provision.Application // resolved, with the id of what it replaces
	before  *provision.Application
	secrets map[string]Secret // those that differ from what is sealed
	changes ApplicationChanges

	reauthorise bool // the tokens that were got are of no use any more
}

func changesOf(steps []step) Changes {
	all := Changes{Applications: []ApplicationChanges{}}
	for _, s := range steps {
		all.Applications = append(all.Applications, s.changes)
	}
	return all
}

func (s *step) write(ctx context.Context, tx *store.Tx, by store.Actor) error {
	if s.changes.Status == Unchanged {
		return nil
	}
	if _, err := tx.SaveApplication(ctx, by, &s.app); err != nil {
		return err
	}
	if s.reauthorise {
		// What was got for other credentials is not theirs.
		if err := tx.DropSecrets(ctx, s.app.ID, provision.SecretAccessToken, provision.SecretRotatedToken); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.secrets)) {
		if err := tx.SetSecret(ctx, by, s.app.ID, name, s.app.Connection.SecretURL(name), s.secrets[name].Reveal()); err != nil {
			return err
		}
	}
	if len(s.secrets) > 0 {
		return tx.Reconnected(ctx, s.app.ID)
	}
	return nil
}

// secretKey names a secret of a document: that of an application, by folded name.
type secretKey struct{ app, name string }

// unsealed returns the secrets that the store has for those that the document gives, as far as they
// can be opened for the endpoints of the document: they tell whether a given secret is new. It is
// asked before the transaction, which on SQLite holds the only connection that writes.
func unsealed(ctx context.Context, st *store.Store, doc Document) (map[secretKey]string, error) {
	have := map[secretKey]string{}
	for i := range doc.Applications {
		app := &doc.Applications[i]
		if len(app.Secrets) == 0 {
			continue
		}
		before, err := st.Application(ctx, app.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for name := range app.Secrets {
			value, err := st.Secret(ctx, before.ID, name, app.Connection.SecretURL(name))
			switch {
			case errors.Is(err, store.ErrNeedsSecret): // missing, for elsewhere, or of another key: the given one replaces it
			case err != nil:
				return nil, err
			default:
				have[secretKey{directory.Key(app.Name), name}] = value
			}
		}
	}
	return have, nil
}

// against compares the document with what the store has. The document itself is not changed: a
// transaction may be repeated.
func (doc Document) against(ctx context.Context, tx *store.Tx, sealed map[secretKey]string) ([]step, error) {
	r := &report{order: map[string]int{}}
	stored, err := tx.Applications(ctx)
	if err != nil {
		return nil, err
	}
	var steps []step
	for i := range doc.Applications {
		app := &doc.Applications[i]
		if _, known := r.order[app.src.file]; !known {
			r.order[app.src.file] = len(r.order)
		}
		s := step{app: app.Application, secrets: map[string]Secret{}}
		if s.app.Assignments, err = app.resolve(ctx, tx, r); err != nil {
			return nil, err
		}
		var before *provision.Application
		if at := slices.IndexFunc(stored, func(b *provision.Application) bool {
			return directory.Key(b.Name) == directory.Key(app.Name)
		}); at >= 0 {
			before, s.before = stored[at], stored[at]
		}
		origins := map[string]string{}
		if before != nil {
			s.app.ID = before.ID
			if origins, err = tx.SecretOrigins(ctx, before.ID); err != nil {
				return nil, fmt.Errorf("looking at the secrets of %s: %w", before.Name, err)
			}
			app.moved(r, before, origins)
		}
		for name, given := range app.Secrets {
			if have, ok := sealed[secretKey{directory.Key(app.Name), name}]; !ok || have != given.value {
				s.secrets[name] = given
			}
		}
		s.reauthorise = before != nil && before.Connection.Auth.Renews() &&
			(len(s.secrets) > 0 || !reflect.DeepEqual(before.Connection.Auth, s.app.Connection.Auth))
		s.changes = describe(before, &s.app, s.secrets, origins)
		steps = append(steps, s)
	}
	return steps, r.err()
}

// describe tells what becomes of one application.
func describe(before, after *provision.Application, secrets map[string]Secret, origins map[string]string) ApplicationChanges {
	c := ApplicationChanges{Application: after.Name, Status: Created}
	if before == nil {
		c.Changes = initial(*after)
	} else {
		c.Changes = compare(*before, *after)
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		change := Change{Path: "connection.auth." + name, New: sealed}
		if _, had := origins[name]; had {
			change.Old, change.New = sealed, replaced
		}
		c.Changes = append(c.Changes, change)
	}
	if before != nil {
		c.Status = Updated
		if len(c.Changes) == 0 {
			c.Status = Unchanged
		}
	}
	for name, optional := range after.Connection.Auth.Secrets() {
		_, had := origins[name]
		_, given := secrets[name]
		c.NeedsToken = c.NeedsToken || !had && !given && !optional
	}
	return c
}

// moved refuses a connection that would send a sealed secret elsewhere than where it was given for:
// whoever can change the endpoint must not learn the secret that way.
func (app *Application) moved(r *report, before *provision.Application, origins map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(app.Connection.Auth.Secrets())) {
		what := strings.ReplaceAll(name, "_", " ")
		hint := "give connection.auth." + name + ", too"
		was, had := origins[name]
		if _, given := app.Secrets[name]; given || !had {
			continue
		}
		place := "connection.endpoint"
		if app.Connection.SecretURL(name) != app.Connection.Endpoint {
			place = "connection.auth.token_url"
		}
		now, err := store.Origin(app.Connection.SecretURL(name))
		if err != nil || now != was {
			r.add(app.at(place), hint, "%s needs the %s again: it was given for %s, and the %s is now at %s", app.Name, what, was, place[strings.LastIndexByte(place, '.')+1:], now)
			continue
		}
		web := app.Connection.WebAPI
		if name != provision.SecretToken || web == "" || web == before.Connection.WebAPI || web == webAPI(app.template, app.Connection.Endpoint) {
			continue
		}
		to, err := store.Origin(web)
		if from, _ := store.Origin(before.Connection.WebAPI); err != nil || to != from && to != now {
			r.add(app.at("connection.web_api"), hint, "%s needs the token again: web_api is now at %s, where it was not given for", app.Name, to)
		}
	}
}

// resolve finds whom the assignments mean. The problems go to the report; the error is the store's.
func (app *Application) resolve(ctx context.Context, tx *store.Tx, r *report) ([]provision.Assignment, error) {
	var found []provision.Assignment
	first := map[string]Position{}
	for i, a := range app.Assignments {
		at := app.at(fmt.Sprintf("assignments[%d]", i))
		err := tx.Resolve(ctx, &a)
		var refused *store.Error
		switch {
		case errors.As(err, &refused) && refused.Kind.Exit() == 2:
			// Everybody who writes waits for this: names beyond those that are told of are not looked for.
			if r.add(at, refused.Next, "assignments of %s: %s", app.Name, refused.Reason); r.full() {
				return found, nil
			}
			continue
		case err != nil:
			return nil, err
		}
		key := string(a.Kind) + a.ID
		if p, twice := first[key]; twice {
			r.add(at, "keep one of them", "assignments of %s: %s is assigned twice, first in line %d", app.Name, subject(a), p.Line)
			continue
		}
		first[key] = at
		found = append(found, a)
	}
	return found, nil
}
