package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Link is the durable pair of a directory object and an account.
type Link struct {
	provision.Link
	AppID    string
	Kind     directory.Kind
	ObjectID string
	Name     string // the object's, as of the last operation: it outlives the object
	// Sent is what went out last where that is not what was wanted: shaped to the target's rules, or
	// an account's id in the place of a user's. Only the differences are stored.
	Sent    attr.Set
	Rematch bool // the account is to be matched again, see [Store.Restart]

	Created, Modified time.Time
}

const linkColumns = `app_id, type, object_id, object_name, account_id, account_name, origin, enabled, wanted, sent, answered, leaving_at, vanished_at, rematch, created_at, modified_at`

func scanLink(row scanner) (*Link, error) {
	l := &Link{}
	var wanted, sent, answered string
	var leaving, vanished, created, modified sql.NullInt64
	if err := row.Scan(&l.AppID, &l.Kind, &l.ObjectID, &l.Name, &l.Account.ID, &l.Account.Name, &l.Origin, &l.Enabled,
		&wanted, &sent, &answered, &leaving, &vanished, &l.Rematch, &created, &modified); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		text string
		into *attr.Set
	}{{wanted, &l.Wanted}, {sent, &l.Sent}, {answered, &l.Answered}} {
		set, err := attr.ParseJSON(part.text)
		if err != nil {
			return nil, fmt.Errorf("read the link of %s %s: %w", l.Kind, l.ObjectID, err)
		}
		*part.into = set
	}
	l.Leaving, l.Vanished, l.Created, l.Modified = fromMillis(leaving), fromMillis(vanished), fromMillis(created), fromMillis(modified)
	return l, nil
}

// Links returns the links of an application by object id, for the given objects.
func (s *Store) Links(ctx context.Context, appID string, kind directory.Kind, objects []string) (map[string]*Link, error) {
	return read(ctx, s, func(tx *Tx) (map[string]*Link, error) { return links(ctx, tx, appID, kind, list(objects)) })
}

func links(ctx context.Context, tx *Tx, appID string, kind directory.Kind, objects string) (map[string]*Link, error) {
	found, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(kind), objects)
	by := make(map[string]*Link, len(found))
	for _, l := range found {
		by[l.ObjectID] = l
	}
	return by, err
}

// LinkedObjects returns the ids of all objects of a kind that are linked in an application.
func (s *Store) LinkedObjects(ctx context.Context, appID string, kind directory.Kind) ([]string, error) {
	return read(ctx, s, func(tx *Tx) ([]string, error) {
		return rowsOf(ctx, tx, one[string], `select object_id from links where app_id = $1 and type = $2 order by object_id`, appID, string(kind))
	})
}

// replaceAccounts forgets the accounts of objects that are about to be linked to others: memberships
// and references that named them mean nothing any more. A link among them may have been read before that, and would bring
// such a reference back: it forgets it too, so that the difference stays, unless the reference was sent since.
func (tx *Tx) replaceAccounts(ctx context.Context, links []*Link, ops []*Operation) error {
	objects := map[string][]string{}
	next, of := map[string]*Link{}, map[string]*Operation{}
	for _, l := range links {
		objects[l.AppID] = append(objects[l.AppID], l.ObjectID)
		next[l.ObjectID] = l
	}
	var references []string
	for _, o := range ops {
		if of[o.Source.ID] = o; o.Kind == directory.KindUser {
			references = o.References
		}
	}
	for app, ids := range objects {
		read := func() ([]*Link, error) {
			return rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type in ('user','group') and object_id in `+tx.in("$2"), app, list(ids))
		}
		rows, err := read()
		if err != nil {
			return err
		}
		replaced := false
		for _, l := range rows {
			if l.Account.ID == next[l.ObjectID].Account.ID {
				continue
			}
			replaced = true
			if err := tx.forgetAccount(ctx, app, l.Kind, l.ObjectID, references); err != nil {
				return err
			}
		}
		if replaced {
			if rows, err = read(); err != nil {
				return err
			}
		}
		for _, l := range rows {
			if n := next[l.ObjectID]; l.Account.ID == n.Account.ID {
				n.forget(l, of[l.ObjectID])
			}
		}
	}
	return nil
}

// forget drops the references that the link as it is stored knows nothing of, and that the operation did not send.
func (l *Link) forget(stored *Link, o *Operation) {
	if o == nil {
		return
	}
	for _, path := range o.References {
		_, known := stored.Wanted[path]
		if !known && !slices.ContainsFunc(o.Edits, func(e attr.Edit) bool { return e.Path == path }) {
			delete(l.Wanted, path)
		}
	}
}

// forgetAccount drops the memberships of an account or a group that is gone, and has everything looked
// at again that spoke of the account: the groups that it was a member of, and the reports whose manager
// it was. What was sent for them named an account id that means nothing any more.
func (tx *Tx) forgetAccount(ctx context.Context, appID string, kind directory.Kind, object string, references []string) error {
	if kind == directory.KindGroup {
		_, err := tx.Exec(ctx, `delete from link_members where app_id = $1 and group_id = $2`, appID, object)
		return err
	}
	if _, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason)
		select app_id, 'group', group_id, user_id, $3, 'the member''s account is gone' from link_members where app_id = $1 and user_id = $2
		on conflict (app_id, type, object_id, member_id) do update set `+dueAgain, appID, object, tx.now()); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from link_members where app_id = $1 and user_id = $2`, appID, object); err != nil {
		return err
	}
	const reports = ` and object_id in (select id from users where manager_id = $2)`
	if _, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason)
		select app_id, type, object_id, '', $3, 'the manager''s account is gone' from links where app_id = $1 and type = 'user'`+reports+`
		on conflict (app_id, type, object_id, member_id) do update set `+dueAgain, appID, object, tx.now()); err != nil {
		return err
	}
	linked, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type = 'user'`+reports, appID, object)
	for _, l := range linked {
		for _, path := range references {
			delete(l.Wanted, path)
		}
		if _, err := tx.Exec(ctx, `update links set wanted = $1 where app_id = $2 and type = 'user' and object_id = $3`, jsonText(l.Wanted), appID, l.ObjectID); err != nil {
			return err
		}
	}
	return err
}

// beyondWanted returns what was sent otherwise than wanted.
func (l *Link) beyondWanted() attr.Set {
	out := attr.Set{}
	for path, v := range l.Sent {
		if !attr.Equal(v, l.Wanted[path]) {
			out[path] = v
		}
	}
	return out
}

// writeLinks stores links. With its link an object's creates that ended without an answer are
// settled.
func (tx *Tx) writeLinks(ctx context.Context, links []*Link) error {
	rows := make([][]any, 0, len(links))
	seen := map[string]int{}
	settled := map[string][]string{}
	enabled := map[string]bool{}
	for _, l := range links {
		enabled[l.ObjectID] = l.Enabled
		settled[l.AppID] = append(settled[l.AppID], l.ObjectID)
		created := l.Created
		if created.IsZero() {
			created = tx.s.Now()
		}
		row := []any{
			l.AppID, string(l.Kind), l.ObjectID, l.Name, l.Account.ID, l.Account.Name, string(l.Origin), l.Enabled,
			jsonText(l.Wanted), jsonText(l.beyondWanted()), jsonText(l.Answered), millis(l.Leaving), millis(l.Vanished), l.Rematch, millis(created), tx.now(),
		}
		// Two results for one object in a batch: the later one is the state.
		if i, ok := seen[l.ObjectID]; ok {
			rows[i] = row
			continue
		}
		seen[l.ObjectID] = len(rows)
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	for app, ids := range settled {
		if err := tx.settle(ctx, app, ids, enabled); err != nil {
			return err
		}
	}
	names := columnNames(linkColumns)
	return tx.insert(ctx, "links", names, rows, `on conflict (app_id, type, object_id) do update set object_name = excluded.object_name,
		account_id = excluded.account_id, account_name = excluded.account_name, origin = excluded.origin, enabled = excluded.enabled, wanted = excluded.wanted,
		sent = excluded.sent, answered = excluded.answered, leaving_at = excluded.leaving_at, vanished_at = excluded.vanished_at, rematch = excluded.rematch, modified_at = excluded.modified_at`)
}

// Correct takes values of an account that was just read for what its link has another opinion of, such as one that was read from
// a target that shows changes late. It leaves alone whoever nothing is to be changed of: what somebody else changed there is for a reconcile
// to find. Holder is that of [Store.Record].
func (s *Store) Correct(ctx context.Context, appID, holder string, kind directory.Kind, account string, read attr.Set) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.mustHold(ctx, appID, holder); err != nil {
			return err
		}
		found, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and type = $2 and account_id = $3
			and (exists (select 1 from escrow e where e.app_id = $1 and e.type = $2 and e.object_id = links.object_id)
			or exists (select 1 from operations where app_id = $1 and object_id = links.object_id and `+isOpen+` and action in ('update','enable')))`, appID, string(kind), account)
		for _, l := range found {
			for path, v := range read {
				if !attr.Similar(v, l.Answered[path]) {
					l.Wanted[path], l.Answered[path] = v, v
					delete(l.Sent, path)
				}
			}
			if _, err := tx.Exec(ctx, `update links set wanted = $1, sent = $2, answered = $3 where app_id = $4 and type = $5 and object_id = $6`,
				jsonText(l.Wanted), jsonText(l.beyondWanted()), jsonText(l.Answered), appID, string(kind), l.ObjectID); err != nil {
				return err
			}
		}
		return err
	})
}
