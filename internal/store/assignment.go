package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// defaultRole is the role of an assignment that names none.
const defaultRole = "User"

// assignments returns the assignments of applications, groups first, by name: all of them, or that of one user or group.
func (tx *Tx) assignments(ctx context.Context, apps []string, subject string) (map[string][]provision.Assignment, error) {
	type row struct {
		app string
		provision.Assignment
	}
	where, args := "a.app_id in "+tx.in("$1"), []any{list(apps)}
	if subject != "" {
		where, args = where+" and a.subject_type in ('user', 'group') and a.subject_id = $2", append(args, subject)
	}
	rows, err := collect(func(r scanner) (x row, err error) {
		var user, group sql.NullString
		err = r.Scan(&x.app, &x.Kind, &x.ID, &x.Role, &user, &group)
		x.User, x.Group = user.String, group.String
		switch { // whoever is deleted is named by id
		case x.Kind == directory.KindUser && x.User == "":
			x.User = x.ID
		case x.Kind == directory.KindGroup && x.Group == "":
			x.Group = x.ID
		}
		return x, err
	})(tx.Query(ctx, `select a.app_id, a.subject_type, a.subject_id, a.role, u.user_name, g.display_name from assignments a
		left join users u on a.subject_type = 'user' and u.id = a.subject_id and u.deleted_at is null
		left join groups g on a.subject_type = 'group' and g.id = a.subject_id and g.deleted_at is null
		where `+where, args...))
	if err != nil {
		return nil, fmt.Errorf("reading the assignments: %w", err)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Group+a.User, b.Group+b.User), cmp.Compare(a.ID, b.ID))
	})
	by := map[string][]provision.Assignment{}
	for _, r := range rows {
		by[r.app] = append(by[r.app], r.Assignment)
	}
	return by, nil
}

// resolveAll finds the users and groups that an application's assignments name, and puts repeated
// ones together (the last role counts).
func (tx *Tx) resolveAll(ctx context.Context, app *provision.Application) error {
	var out []provision.Assignment
	at := map[string]int{}
	for _, a := range app.Assignments {
		if err := tx.Resolve(ctx, &a); err != nil {
			return err
		}
		if i, twice := at[a.ID]; twice {
			out[i] = a
			continue
		}
		at[a.ID] = len(out)
		out = append(out, a)
	}
	app.Assignments = out
	return nil
}

// Resolve fills in whom an assignment means, and its role. A name that nobody has, or that fits
// two, is refused.
func (tx *Tx) Resolve(ctx context.Context, a *provision.Assignment) error {
	if a.Role == "" {
		a.Role = defaultRole
	}
	switch {
	case a.ID != "":
		return nil
	case a.User != "" && a.Group == "":
		u, err := tx.find(ctx, a.User)
		if err != nil {
			return err
		}
		a.Kind, a.ID, a.User = directory.KindUser, u.ID, u.UserName
	case a.Group != "" && a.User == "":
		g, err := tx.findGroup(ctx, a.Group)
		if err != nil {
			return err
		}
		a.Kind, a.ID, a.Group = directory.KindGroup, g.ID, g.DisplayName
	default:
		return refuse(ErrInvalid, "", "an assignment names either a user or a group")
	}
	return nil
}

// assign puts the assignments of want in the place of those of have, and asks the next cycle to look at the people of those that came,
// went or got another role. The audit log keeps these alone: it would fill with the others, however many there are.
func (tx *Tx) assign(ctx context.Context, by Actor, appID, appName string, have, want []provision.Assignment) (bool, error) {
	wanted := map[string]provision.Assignment{}
	for _, a := range want {
		wanted[a.ID] = a
	}
	var gone, come []provision.Assignment
	for _, a := range have {
		w, stays := wanted[a.ID]
		if stays && w.Role == a.Role {
			delete(wanted, a.ID)
			continue
		}
		gone = append(gone, a)
		if stays {
			continue
		}
		if _, err := tx.Exec(ctx, "delete from assignments where app_id = $1 and subject_type = $2 and subject_id = $3", appID, string(a.Kind), a.ID); err != nil {
			return false, fmt.Errorf("removing an assignment of %s: %w", appName, err)
		}
	}
	var rows [][]any
	for _, a := range want {
		if _, is := wanted[a.ID]; is {
			come = append(come, a)
			rows = append(rows, []any{appID, string(a.Kind), a.ID, a.Role, tx.now()})
		}
	}
	if len(gone)+len(come) == 0 {
		return false, nil
	}
	err := tx.insert(ctx, "assignments", []string{"app_id", "subject_type", "subject_id", "role", "created_at"}, rows,
		"on conflict (app_id, subject_type, subject_id) do update set role = excluded.role")
	if err != nil {
		return false, err
	}
	if err := tx.lookAtAssigned(ctx, appID, slices.Concat(gone, come)); err != nil {
		return false, err
	}
	return true, tx.audit(ctx, by, "assign", subject{"application", appID, appName}, assignmentDocument(gone), assignmentDocument(come))
}

// lookAtAssigned makes due the users and groups of assignments, and everybody in the groups. The
// lock lets no member come or go between our look and our commit.
func (tx *Tx) lookAtAssigned(ctx context.Context, appID string, touched []provision.Assignment) error {
	if err := tx.lockMembership(ctx, true); err != nil {
		return err
	}
	var objects []dueObject
	var groups []string
	for _, a := range touched {
		objects = append(objects, dueObject{string(a.Kind), a.ID})
		if a.Kind == directory.KindGroup {
			groups = append(groups, a.ID)
		}
	}
	members, err := tx.usersBelow(ctx, list(groups))
	if err != nil {
		return err
	}
	for _, m := range members {
		objects = append(objects, dueObject{"user", m})
	}
	return tx.due(ctx, appID, objects, "the assignments changed")
}

func assignmentDocument(list []provision.Assignment) map[string]any {
	out := []any{}
	for _, a := range list {
		out = append(out, map[string]any{"type": string(a.Kind), "id": a.ID, "name": a.User + a.Group, "role": a.Role})
	}
	return map[string]any{"assignments": out}
}

// Assign gives a user or a group to an application and reports whether that is new.
func (s *Store) Assign(ctx context.Context, by Actor, appID string, a provision.Assignment) (bool, error) {
	return s.reassign(ctx, by, appID, a, true)
}

// Unassign takes an assignment away and reports whether it was there.
func (s *Store) Unassign(ctx context.Context, by Actor, appID string, a provision.Assignment) (bool, error) {
	return s.reassign(ctx, by, appID, a, false)
}

// reassign makes an assignment or takes it away; it reads none but that one.
func (s *Store) reassign(ctx context.Context, by Actor, appID string, a provision.Assignment, assigned bool) (bool, error) {
	return write(ctx, s, func(tx *Tx) (bool, error) {
		app, err := tx.bareApplication(ctx, appID)
		if err != nil {
			return false, err
		}
		if err := tx.Resolve(ctx, &a); err != nil {
			return false, err
		}
		have, err := tx.assignments(ctx, []string{app.ID}, a.ID)
		if err != nil {
			return false, err
		}
		var want []provision.Assignment
		if assigned {
			want = append(want, a)
		}
		return tx.assign(ctx, by, app.ID, app.Name, have[app.ID], want)
	})
}
