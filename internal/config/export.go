package config

import (
	"context"
	"errors"
	"strings"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Export writes applications, by name or id (all of them when none is named), in the declarative
// form, so that applying the text changes nothing. It is complete: what the template says is written
// too, or a later template would change its meaning. Users and groups are written by name where the
// name means them and nobody else, else by id. Secrets are left out; a comment stands in their place.
func Export(ctx context.Context, st *store.Store, names ...string) ([]byte, error) {
	var apps []provision.Application
	sealed := map[string]map[string]string{}
	err := st.Read(ctx, func(tx *store.Tx) error {
		apps = nil
		found, err := chosen(ctx, tx, names)
		if err != nil {
			return err
		}
		for _, app := range found {
			for i, a := range app.Assignments {
				if app.Assignments[i], err = named(ctx, tx, a); err != nil {
					return err
				}
			}
			origins, err := tx.SecretOrigins(ctx, app.ID)
			if err != nil {
				return err
			}
			sealed[app.Name] = origins
			apps = append(apps, *app)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return render(apps, sealed)
}

// chosen returns the applications of the names, each once.
func chosen(ctx context.Context, tx *store.Tx, names []string) ([]*provision.Application, error) {
	if len(names) == 0 {
		return tx.Applications(ctx)
	}
	var apps []*provision.Application
	seen := map[string]bool{}
	for _, name := range names {
		app, err := tx.Application(ctx, name)
		if err != nil {
			return nil, err
		}
		if !seen[app.ID] {
			seen[app.ID] = true
			apps = append(apps, app)
		}
	}
	return apps, nil
}

// named writes an assignment by name, or by id when the name would be read as somebody else, as
// nobody, or not at all.
func named(ctx context.Context, tx *store.Tx, a provision.Assignment) (provision.Assignment, error) {
	out := provision.Assignment{User: a.User, Group: a.Group, Role: a.Role}
	again := out
	err := tx.Resolve(ctx, &again)
	var refused *store.Error
	if err != nil && !(errors.As(err, &refused) && refused.Kind.Exit() == 2) {
		return out, err
	}
	name := a.User + a.Group
	if err == nil && again.ID == a.ID && strings.TrimSpace(name) != "" && legible(name) && !tokenLike.MatchString(name) {
		return out, nil
	}
	if a.Kind == directory.KindGroup {
		out.Group = a.ID
	} else {
		out.User = a.ID
	}
	return out, nil
}
