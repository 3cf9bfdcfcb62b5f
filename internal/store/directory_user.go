package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// userRow is a user with what the table keeps beside.
type userRow struct {
	directory.User
	managerKey string // folded name of a manager who is not in the directory yet
	absent     bool   // deactivated only because a full import lacked the person
	was        string // what a search looked in when the row was read, "" for somebody new
}

var userColumns = []string{
	"id", "source", "user_name", "user_name_key", "external_id", "email_key", "active", "manager_id", "manager_key",
	"attributes", "search", "absent", "created_at", "modified_at", "deleted_at",
}

const selectUsers = `select id, source, user_name, external_id, active, manager_id, manager_key, attributes, absent, created_at, modified_at, deleted_at from users `

// scanUser reads a row that may be written again.
func scanUser(row scanner) (*userRow, error) {
	u, err := scanUserToRead(row)
	if err == nil {
		u.was = searchText(&u.User)
	}
	return u, err
}

// scanUserToRead leaves out what only a change of the row asks for.
func scanUserToRead(row scanner) (*userRow, error) {
	u := &userRow{}
	var external, manager, waits sql.NullString
	var attributes string
	var created, modified, deleted sql.NullInt64
	err := row.Scan(&u.ID, &u.Source, &u.UserName, &external, &u.Active, &manager, &waits, &attributes, &u.absent, &created, &modified, &deleted)
	if err != nil {
		return nil, err
	}
	u.ExternalID, u.ManagerID, u.managerKey = external.String, manager.String, waits.String
	u.Created, u.Modified, u.Deleted = fromMillis(created), fromMillis(modified), fromMillis(deleted)
	if u.Attributes, err = attr.ParseJSON(attributes); err != nil {
		return nil, fmt.Errorf("reading the attributes of user %s: %w", u.ID, err)
	}
	return u, nil
}

func (u *userRow) values() []any {
	attributes, _ := json.Marshal(u.Attributes) // what Merge lets in always marshals
	return []any{
		u.ID, u.Source, u.UserName, directory.Key(u.UserName), null(u.ExternalID), null(directory.Key(u.Email())), u.Active,
		null(u.ManagerID), null(u.managerKey), string(attributes), searchText(&u.User), u.absent,
		u.Created.UnixMilli(), u.Modified.UnixMilli(), millis(u.Deleted),
	}
}

// searchText is what a search for people looks in.
func searchText(u *directory.User) string {
	words := []string{u.UserName, u.Email()}
	for _, path := range []string{"displayName", "name.formatted", "name.givenName", "name.familyName"} {
		if s, ok := attr.MustPath(path).Of(u.Attributes).(string); ok {
			words = append(words, s)
		}
	}
	return directory.Key(strings.Join(words, " "))
}

// saveUsers writes rows as they are, new ones and changed ones, and tells the feed of them.
func (tx *Tx) saveUsers(ctx context.Context, users []*userRow) error {
	for _, u := range users {
		tx.changed(ChangedUser, u.ID, "")
	}
	return tx.insertUsers(ctx, users)
}

// insertUsers writes rows as they are, without a word to the feed.
func (tx *Tx) insertUsers(ctx context.Context, users []*userRow) error {
	rows := make([][]any, len(users))
	for i, u := range users {
		rows[i] = u.values()
	}
	if err := tx.insert(ctx, "users", userColumns, rows, replacing("id", userColumns)); err != nil {
		return err
	}
	return tx.rewordUsers(ctx, users)
}

// users reads rows that may be written again.
func (tx *Tx) users(ctx context.Context, where string, args ...any) ([]*userRow, error) {
	return collect(scanUser)(tx.Query(ctx, selectUsers+where, args...))
}

// usersIn reads users by a list of ids (see [list]), deleted ones too, in no order.
func (tx *Tx) usersIn(ctx context.Context, ids string) ([]*directory.User, error) {
	rows, err := collect(scanUserToRead)(tx.Query(ctx, selectUsers+"where id in "+tx.in("$1"), ids))
	users := make([]*directory.User, len(rows))
	for i, u := range rows {
		users[i] = &u.User
	}
	return users, err
}

// user reads one row by id for writing, deleted ones too.
func (tx *Tx) user(ctx context.Context, id string) (*userRow, error) {
	u, err := scanUser(tx.QueryRow(ctx, selectUsers+"where id = $1"+tx.s.dialect.lockRow, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, refuse(ErrNotFound, "", "there is no user with the id %s", id)
	}
	return u, err
}

// User returns a user by id, a deleted one too.
func (s *Store) User(ctx context.Context, id string) (directory.User, error) {
	return read(ctx, s, func(tx *Tx) (directory.User, error) {
		list, err := tx.usersIn(ctx, list([]string{id}))
		if err == nil && len(list) == 0 {
			err = refuse(ErrNotFound, "", "there is no user with the id %s", id)
		}
		if err != nil {
			return directory.User{}, err
		}
		return *list[0], nil
	})
}

// UserEdit is what is to change of a person.
type UserEdit struct {
	Attributes directory.Edit
	Source     string // that says so; "" for the console, the CLI and the API
	// Match is a condition on the version, as If-Match writes it; the edit of another version is
	// [ErrChanged]. "" asks for nothing.
	Match   string
	Manager *string // userName, e-mail or id; "" clears, nil leaves; a name that nobody has yet waits for its person
}

// CreateUser adds a person, active unless the edit says otherwise. Somebody who was deleted under
// this userName comes back under the old id, so that accounts of theirs are found again; then what
// the edit does not name is as it was.
func (s *Store) CreateUser(ctx context.Context, by Actor, e UserEdit) (directory.User, error) {
	return write(ctx, s, func(tx *Tx) (directory.User, error) {
		u, _, err := directory.User{Active: true}.Merge(e.Attributes)
		if err != nil {
			return u, invalid(err)
		}
		if err := u.Check(); err != nil {
			return u, invalid(err)
		}
		if err := tx.nameFree(ctx, &u); err != nil {
			return u, err
		}
		row, revived, err := tx.revived(ctx, &u)
		if err != nil {
			return u, err
		}
		if revived {
			row.Active = true
			if row.User, _, err = row.Merge(e.Attributes); err != nil {
				return u, invalid(err)
			}
		} else {
			u.ID, u.Created = newID(), tx.s.Now()
			row = &userRow{User: u}
		}
		row.Source, row.Modified, row.absent = e.Source, tx.s.Now(), false
		if err := tx.setManager(ctx, row, e.Manager); err != nil {
			return u, err
		}
		if err := tx.saveUsers(ctx, []*userRow{row}); err != nil {
			return u, err
		}
		if revived {
			if err := tx.membershipsOf(ctx, row.ID); err != nil {
				return u, err
			}
			if err := tx.reportsOf(ctx, row.ID); err != nil {
				return u, err
			}
		}
		if err := tx.joinReports(ctx, []*userRow{row}); err != nil {
			return u, err
		}
		return row.User, tx.audit(ctx, by, "create", userSubject(&row.User), nil, row.Resource())
	})
}

// revived returns the deleted person who had this userName last, if that was the same source's (or
// nobody's) person as far as external ids tell.
func (tx *Tx) revived(ctx context.Context, u *directory.User) (*userRow, bool, error) {
	old, err := tx.users(ctx, "where user_name_key = $1 and deleted_at is not null order by deleted_at desc limit 1", directory.Key(u.UserName))
	if err != nil || len(old) == 0 || !sameKey(old[0].ExternalID, u.ExternalID) {
		return nil, false, err
	}
	old[0].Deleted = fromMillis(sql.NullInt64{})
	return old[0], true, nil
}

// sameKey reports whether two external ids can be of one person: they are equal, or one is not known.
func sameKey(a, b string) bool { return a == b || a == "" || b == "" }

// nameFree refuses a userName, or a key of the source, that another person has.
func (tx *Tx) nameFree(ctx context.Context, u *directory.User) error {
	rivals, err := tx.users(ctx, `where deleted_at is null and id <> $1 and (user_name_key = $2 or (source = $3 and external_id = $4))`,
		u.ID, directory.Key(u.UserName), u.Source, null(u.ExternalID))
	if err != nil || len(rivals) == 0 {
		return err
	}
	if directory.Key(rivals[0].UserName) == directory.Key(u.UserName) {
		return refuse(ErrExists, "", "there is already a user %s", rivals[0].UserName)
	}
	return refuse(ErrExists, "", "the externalId of %s belongs to %s already", u.UserName, rivals[0].UserName)
}

// UpdateUser carries out an edit and reports whether it changed anything. When it did not, nothing
// is written, neither the row nor an entry of the feed.
func (s *Store) UpdateUser(ctx context.Context, by Actor, id string, e UserEdit) (u directory.User, changed bool, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		row, err := tx.user(ctx, id)
		if err != nil {
			return err
		}
		u = row.User
		if !row.Deleted.IsZero() {
			return refuse(ErrNotFound, "", "%s is deleted", row.UserName)
		}
		if err := sameVersion(e.Match, row.Version(), "user "+row.UserName); err != nil {
			return err
		}
		before := *row
		if row.User, changed, err = row.Merge(e.Attributes); err != nil {
			return invalid(err)
		}
		if err := row.Check(); err != nil {
			return invalid(err)
		}
		if err := tx.setManager(ctx, row, e.Manager); err != nil {
			return err
		}
		if _, said := e.Attributes["active"]; said {
			row.absent = false
		}
		if changed = changed || row.ManagerID != before.ManagerID || row.managerKey != before.managerKey; !changed {
			return nil
		}
		row.Modified = tx.s.Now()
		if e.Source != "" {
			row.Source = e.Source
		}
		if row.UserName != before.UserName || row.ExternalID != before.ExternalID {
			if err := tx.nameFree(ctx, &row.User); err != nil {
				return err
			}
		}
		if err := tx.saveUsers(ctx, []*userRow{row}); err != nil {
			return err
		}
		if row.UserName != before.UserName {
			if err := tx.joinReports(ctx, []*userRow{row}); err != nil {
				return err
			}
			if err := tx.reportsOf(ctx, row.ID); err != nil {
				return err
			}
		}
		u = row.User
		return tx.audit(ctx, by, "update", userSubject(&u), auditUser(&before), auditUser(row))
	})
	return u, changed, err
}

// sameVersion refuses an edit of something that somebody else has changed since it was read.
func sameVersion(condition, version, what string) error {
	if directory.Matches(condition, version) {
		return nil
	}
	return refuse(ErrChanged, "read it again and repeat the change", "%s has been changed by somebody else meanwhile", what)
}

// setManager resolves what an edit says of the manager.
func (tx *Tx) setManager(ctx context.Context, u *userRow, name *string) error {
	if name == nil {
		return nil
	}
	u.ManagerID, u.managerKey = "", ""
	if directory.Key(*name) == "" {
		return nil
	}
	m, err := tx.find(ctx, *name)
	switch {
	case errors.Is(err, ErrNotFound):
		if !storable(*name) {
			return refuse(ErrInvalid, "", "the name of the manager of %s holds bytes that are no text", u.UserName)
		}
		u.managerKey = directory.Key(*name)
		if u.managerKey == directory.Key(u.UserName) { // somebody new who is their own manager
			u.ManagerID, u.managerKey = u.ID, ""
		}
		return nil
	case err != nil:
		return err
	case !m.Deleted.IsZero():
		return refuse(ErrInvalid, "", "%s is deleted and cannot be a manager", m.UserName)
	}
	u.ManagerID = m.ID
	return nil
}

// joinReports gives people who have just got their names to those who waited for a manager so
// called. A manager who is waited for by e-mail address is found too.
func (tx *Tx) joinReports(ctx context.Context, managers []*userRow) error {
	by := map[string]string{}
	var keys []string
	for _, m := range managers {
		for _, key := range []string{directory.Key(m.Email()), directory.Key(m.UserName)} { // the userName wins
			if key != "" {
				by[key], keys = m.ID, append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	reports, err := tx.users(ctx, "where manager_key is not null and manager_key in "+tx.in("$1")+tx.s.dialect.lockRow, list(keys))
	if err != nil || len(reports) == 0 {
		return err
	}
	now := tx.s.Now()
	for _, r := range reports {
		r.ManagerID, r.managerKey, r.Modified = by[r.managerKey], "", now
	}
	return tx.saveUsers(ctx, reports)
}

// invalid makes a refusal of what directory says is wrong with a value.
func invalid(err error) error {
	return &Error{Kind: ErrInvalid, Reason: err.Error(), Err: err}
}

// auditUser is a user as the audit log shows it.
func auditUser(u *userRow) map[string]any {
	doc := u.Resource()
	switch {
	case u.ManagerID != "":
		doc["manager"] = u.ManagerID
	case u.managerKey != "":
		doc["manager"] = u.managerKey
	}
	return doc
}
