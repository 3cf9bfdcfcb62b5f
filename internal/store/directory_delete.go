package store

import (
	"context"
	"database/sql"

	"github.com/muster-id/muster/internal/directory"
)

// DeleteUser takes a person out of the directory; [Store.RestoreUser] brings them back. Memberships
// and the reports' manager stay for that, but nobody sees them until then.
func (s *Store) DeleteUser(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		u, err := tx.user(ctx, id)
		if err != nil || !u.Deleted.IsZero() {
			return err
		}
		u.Deleted, u.Modified = tx.s.Now(), tx.s.Now()
		return tx.comeOrGo(ctx, by, "delete", u)
	})
}

// RestoreUser brings a deleted person back as they were, unless the userName has been taken since.
func (s *Store) RestoreUser(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		u, err := tx.user(ctx, id)
		if err != nil || u.Deleted.IsZero() {
			return err
		}
		u.Deleted, u.Modified = fromMillis(sql.NullInt64{}), tx.s.Now()
		if err := tx.nameFree(ctx, &u.User); err != nil {
			return err
		}
		if err := tx.joinReports(ctx, []*userRow{u}); err != nil {
			return err
		}
		return tx.comeOrGo(ctx, by, "restore", u)
	})
}

func (tx *Tx) comeOrGo(ctx context.Context, by Actor, action string, u *userRow) error {
	if err := tx.saveUsers(ctx, []*userRow{u}); err != nil {
		return err
	}
	if err := tx.membershipsOf(ctx, u.ID); err != nil {
		return err
	}
	if err := tx.reportsOf(ctx, u.ID); err != nil {
		return err
	}
	return tx.audit(ctx, by, action, userSubject(&u.User), nil, nil)
}

// membershipsOf tells the feed that a person came to, or went from, all groups they are in.
func (tx *Tx) membershipsOf(ctx context.Context, id string) error {
	groups, err := tx.groupsAbove(ctx, list([]string{id}))
	if err != nil {
		return err
	}
	for _, g := range groups[id] {
		tx.changed(ChangedMembers, g, id)
	}
	return nil
}

// reportsOf tells the feed that the reports of people have their managers back, or none any more, or managers of another
// name: mappings and filters know a manager by the userName.
func (tx *Tx) reportsOf(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	reports, err := collect(one[string])(tx.Query(ctx, "select id from users where manager_id in "+tx.in("$1")+" and deleted_at is null", list(ids)))
	for _, r := range reports {
		tx.changed(ChangedUser, r, "")
	}
	return err
}

// PurgeUser removes a person's row, memberships and assignments for good. Links stay, so that the
// accounts are still switched off, and so do the logs; [Store.EraseUser] takes care of those.
func (s *Store) PurgeUser(ctx context.Context, by Actor, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		u, err := tx.user(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.purge(ctx, id); err != nil {
			return err
		}
		return tx.audit(ctx, by, "purge", userSubject(&u.User), nil, nil)
	})
}

func (tx *Tx) purge(ctx context.Context, id string) error {
	if err := tx.membershipsOf(ctx, id); err != nil {
		return err
	}
	if err := tx.reportsOf(ctx, id); err != nil {
		return err
	}
	tx.changed(ChangedUser, id, "")
	for _, statement := range []string{
		"update users set manager_id = null where manager_id = $1",
		"delete from members where member_id = $1",
		"delete from assignments where subject_type = 'user' and subject_id = $1",
		"delete from words where object_id = $1",
		"delete from users where id = $1",
	} {
		if _, err := tx.Exec(ctx, statement, id); err != nil {
			return err
		}
	}
	return nil
}

func userSubject(u *directory.User) subject {
	return subject{kind: "user", id: u.ID, name: u.UserName}
}
