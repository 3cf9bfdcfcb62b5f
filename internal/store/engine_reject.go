package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// rejections returns what people turned down for objects, by object id.
func (tx *Tx) rejections(ctx context.Context, appID string, kind directory.Kind, objects string) (map[string]*provision.Rejection, error) {
	rows, err := tx.Query(ctx, `select object_id, action, wanted, undid, rejected_by, rejected_at from rejections
		where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(kind), objects)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	by := map[string]*provision.Rejection{}
	for rows.Next() {
		var id, wanted string
		var at sql.NullInt64
		r := &provision.Rejection{}
		if err := rows.Scan(&id, &r.Action, &wanted, &r.Undid, &r.By, &at); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(wanted), &r.Wanted); err != nil {
			return nil, fmt.Errorf("read what was turned down for %s %s: %w", kind, id, err)
		}
		r.At = fromMillis(at)
		by[id] = r
	}
	return by, rows.Err()
}

// reject keeps what is turned down for an object in the place of what was before; an empty rejection is
// taken away.
func (tx *Tx) reject(ctx context.Context, appID string, kind directory.Kind, objectID string, r *provision.Rejection) error {
	if r.Empty() {
		_, err := tx.Exec(ctx, `delete from rejections where app_id = $1 and type = $2 and object_id = $3`, appID, string(kind), objectID)
		return err
	}
	wanted := r.Wanted.Clone()
	return tx.insert(ctx, "rejections", columnNames(`app_id, type, object_id, action, wanted, undid, rejected_by, rejected_at`),
		[][]any{{appID, string(kind), objectID, string(r.Action), jsonText(wanted), r.Undid, r.By, millis(r.At)}},
		`on conflict (app_id, type, object_id) do update set action = excluded.action, wanted = excluded.wanted, undid = excluded.undid,
		rejected_by = excluded.rejected_by, rejected_at = excluded.rejected_at`)
}

// Turned is what is turned down for one object from now on; an empty rejection is nothing. Back says of a person that they
// are in scope again whose account was on all the time, because its removal was turned down: also the groups that an undo
// put them out of are theirs again.
type Turned struct {
	Kind     directory.Kind
	ObjectID string
	Rejected *provision.Rejection
	Back     bool
}

// SetRejections keeps what is turned down for objects, in the place of what was before.
func (s *Store) SetRejections(ctx context.Context, appID string, list []Turned) error {
	if len(list) == 0 {
		return nil
	}
	return s.writeAhead(ctx, func(tx *Tx) error {
		for _, t := range list {
			if err := tx.reject(ctx, appID, t.Kind, t.ObjectID, t.Rejected); err != nil {
				return err
			}
			if !t.Back {
				continue
			}
			if err := tx.letBack(ctx, appID, t.ObjectID); err != nil {
				return err
			}
		}
		return nil
	})
}

// turnedDown returns which of the members that an operation added do not belong to the group: a person wants
// them there all the same, by undoing their removal.
func (tx *Tx) turnedDown(ctx context.Context, o *Operation, added []Membership) (map[string]bool, error) {
	if o.Cause != provision.Undone {
		return nil, nil
	}
	unwanted := make(map[string]bool, len(added))
	ids := make([]string, len(added))
	for i, m := range added {
		ids[i], unwanted[m.UserID] = m.UserID, true
	}
	belong, err := rowsOf(ctx, tx, one[string], `with recursive up(user_id, group_id) as (
			select m.member_id, m.group_id from members m where m.member_id in `+tx.in("$2")+`
			union
			select up.user_id, m.group_id from up join members m on m.member_id = up.group_id
		) select user_id from up where group_id = $1`, o.Source.ID, list(ids))
	for _, id := range belong {
		unwanted[id] = false
	}
	return unwanted, err
}

// doubtUndone keeps to what a person undid although nobody knows whether it was carried out.
func (tx *Tx) doubtUndone(ctx context.Context, o *Operation) error {
	added := make([]Membership, len(o.Add))
	for i, m := range o.Add {
		added[i].UserID = m.ID
	}
	unwanted, err := tx.turnedDown(ctx, o, added)
	if err != nil {
		return err
	}
	var kept, out []string
	for id, is := range unwanted {
		if is {
			kept = append(kept, id)
		}
	}
	for _, m := range o.Remove {
		out = append(out, m.ID)
	}
	if _, err := tx.Exec(ctx, `update link_members set rejected = $1 where app_id = $2 and group_id = $3 and user_id in `+tx.in("$4"), true, o.AppID, o.Source.ID, list(kept)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update link_members set origin = 'out', stale = $1 where app_id = $2 and group_id = $3 and user_id in `+tx.in("$4"), false, o.AppID, o.Source.ID, list(out))
	return err
}
