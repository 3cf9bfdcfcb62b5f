package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// Tally counts what the guard looks at for an application, over a window that began at since, for
// the operations that a cycle has planned: first for accounts and groups, then per group for the
// members that leave it. What is held already counts with what is planned, so that removals which
// trickle in one by one join those that wait, and so does what is under way or ended without an answer.
func (s *Store) Tally(ctx context.Context, appID, cycleID string, since time.Time) (accounts, updates provision.Tally, groups map[string]provision.Tally, err error) {
	groups = map[string]provision.Tally{}
	err = s.Read(ctx, func(tx *Tx) error {
		// What is proposed is few, and often nothing; only then is it compared with what there is.
		row := tx.QueryRow(ctx, `select
			(select count(*) from operations where app_id = $1 and `+isWeighed+` and (cycle_id = $2 and state = 'planned' or state in ('applying','unknown') or state = 'held' and `+waits+`) and action in ('disable','delete') and not approved),
			(select count(*) from operations where app_id = $1 and `+isWeighed+` and (cycle_id = $2 and state = 'planned' or state = 'held' and `+waits+`) and action = 'update' and type = 'user' and not approved)`,
			appID, cycleID)
		if err := row.Scan(&accounts.Proposed, &updates.Proposed); err != nil {
			return err
		}
		if accounts.Proposed > 0 {
			row := tx.QueryRow(ctx, `select
				(select count(*) from links where app_id = $1 and type = 'user' and enabled),
				(select count(*) from operations where app_id = $1 and state = 'applied' and action in ('disable','delete') and not approved and finished_at >= $2)`, appID, millis(since))
			if err := row.Scan(&accounts.Enabled, &accounts.Done); err != nil {
				return err
			}
		}
		type count struct {
			group string
			provision.Tally
		}
		counts, err := rowsOf(ctx, tx, func(row scanner) (count, error) {
			var c count
			return c, row.Scan(&c.group, &c.Proposed, &c.Done, &c.Enabled)
		}, `select o.object_id, sum(o.removals) + coalesce((select sum(h.removals) from operations h where h.app_id = $1 and h.object_id = o.object_id and `+openOf("h")+` and h.state in ('held','applying','unknown') and not h.approved and h.`+waits+`), 0),
				coalesce((select sum(d.removals) from operations d where d.app_id = $1 and d.object_id = o.object_id and d.state = 'applied' and d.removals > 0 and not d.approved and d.finished_at >= $2), 0),
				(select count(*) from link_members m where m.app_id = $1 and m.group_id = o.object_id and m.origin = 'added')
			from operations o where o.app_id = $1 and `+isWeighed+` and o.state = 'planned' and o.cycle_id = $3 and o.type = 'group' and o.removals > 0 and not o.approved
			group by o.object_id`, appID, millis(since), cycleID)
		for _, c := range counts {
			groups[c.group] = c.Tally
		}
		return err
	})
	return accounts, updates, groups, err
}

// TallyUpdates counts the enabled accounts and the updates of users that were done since a moment,
// for the threshold on updates, which few set.
func (s *Store) TallyUpdates(ctx context.Context, appID string, since time.Time) (enabled, done int, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `select
			(select count(*) from links where app_id = $1 and type = 'user' and enabled),
			(select count(*) from operations where app_id = $1 and finished_at is not null and finished_at >= $2
				and state = 'applied' and action = 'update' and type = 'user' and not approved)`, appID, millis(since)).Scan(&enabled, &done)
	})
	return enabled, done, err
}

// HoldRemovals holds every planned, unapproved removal of accounts and groups of a cycle, and returns how many.
func (s *Store) HoldRemovals(ctx context.Context, cycleID, why string) (int, error) {
	return s.hold(ctx, cycleID, why, `action in ('disable','delete')`)
}

// HoldUpdates holds every planned, unapproved update of a user of a cycle, and returns how many.
func (s *Store) HoldUpdates(ctx context.Context, cycleID, why string) (int, error) {
	return s.hold(ctx, cycleID, why, `action = 'update' and type = 'user'`)
}

func (s *Store) hold(ctx context.Context, cycleID, why, which string) (n int, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		held, err := tx.Exec(ctx, `update operations set state = 'held', hold = $1 where cycle_id = $2 and state = 'planned' and not approved and `+which, why, cycleID)
		n = int(held)
		return err
	})
	return n, err
}

// HoldEnables holds every planned, unapproved enable of a cycle, and returns how many.
func (s *Store) HoldEnables(ctx context.Context, cycleID, why string) (int, error) {
	return s.hold(ctx, cycleID, why, `action = 'enable'`)
}

// HoldMembers holds the member removals of a group that a cycle has planned. What else the
// operation does goes on as a row of its own; it returns how many operations did nothing else.
func (s *Store) HoldMembers(ctx context.Context, cycleID, groupID, why string) (n int, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		n = 0
		ops, err := rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations
			where cycle_id = $1 and object_id = $2 and state = 'planned' and removals > 0 and not approved`, cycleID, groupID)
		if err != nil {
			return err
		}
		for _, o := range ops {
			held := *o
			held.ID, held.State, held.Hold = newID(), Held, why
			held.Edits, held.Add, held.Urgency, held.Action = nil, nil, provision.Removal, provision.Update
			if err := insertOperations(ctx, tx, &held); err != nil {
				return err
			}
			o.Remove = nil
			state := Planned
			if len(o.Edits)+len(o.Add) == 0 && o.Action == provision.Update {
				state = Dropped
				n++
			}
			if _, err := tx.Exec(ctx, `update operations set detail = $1, removals = 0, state = $2 where id = $3`, jsonText(detailOf(o)), string(state), o.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// HeldOperations returns what waits for a person, oldest first.
func (s *Store) HeldOperations(ctx context.Context, appID string) ([]*Operation, error) {
	return s.HeldPage(ctx, appID, "", math.MaxInt32)
}

// HeldPage returns a page of what waits for a person, oldest first, from after an id on.
func (s *Store) HeldPage(ctx context.Context, appID, after string, limit int) ([]*Operation, error) {
	return read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations o
			where app_id = $1 and id > $2 and state = 'held' and exists (select 1 from cycles c where c.id = o.cycle_id and c.state <> 'planned') order by id limit $3`, appID, after, limit)
	})
}

// CopyHeld puts what is held in an application into a plan, so that the plan shows everything that
// is due; obsolete names, by their ids, operations that are not any more.
func (s *Store) CopyHeld(ctx context.Context, appID, planID string, obsolete func(id string) bool) error {
	held, err := s.HeldOperations(ctx, appID)
	held = slices.DeleteFunc(held, func(o *Operation) bool { return obsolete(o.ID) })
	if err != nil || len(held) == 0 {
		return err
	}
	for _, o := range held {
		o.ID, o.CycleID = newID(), planID
	}
	return s.Write(ctx, func(tx *Tx) error { return insertOperations(ctx, tx, held...) })
}

// RefreshHeldMembers takes out of a held membership removal whoever belongs to the group again, and
// drops it when nobody is left. It returns who is still to go.
func (s *Store) RefreshHeldMembers(ctx context.Context, appID, cycleID, id string, look bool) (map[string]bool, error) {
	ops, err := read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where id = $1 and state = 'held'`, id)
	})
	still := map[string]bool{}
	if err != nil || len(ops) == 0 {
		return still, err
	}
	o := ops[0]
	ids := make([]string, len(o.Remove))
	for i, m := range o.Remove {
		ids[i] = m.ID
	}
	diff, err := s.MemberDiff(ctx, appID, cycleID, o.Source.ID, ids)
	if err != nil {
		return nil, err
	}
	leaving := slices.Concat(diff.Remove, diff.Extra)
	for _, m := range leaving {
		still[m.ID] = true
	}
	if look || len(leaving) == len(o.Remove) {
		return still, nil
	}
	o.Remove = leaving
	state := Held
	if len(o.Remove) == 0 {
		state = Dropped
	}
	return still, s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update operations set detail = $1, removals = $2, state = $3 where id = $4`, jsonText(detailOf(o)), len(o.Remove), string(state), o.ID)
		return err
	})
}

// Approve lets held operations through: their objects are due at once, and the guard does not count
// what comes of them.
func (s *Store) Approve(ctx context.Context, appID string, ops []*Operation, actor string) error {
	now := s.Now()
	return s.Write(ctx, func(tx *Tx) error {
		for _, o := range ops {
			if _, err := tx.Exec(ctx, `update operations set state = 'approved', approved = true where id = $1 and state = 'held'`, o.ID); err != nil {
				return err
			}
			if err := setDue(ctx, tx, appID, o.Kind, o.Source.ID, "", now, "approved by "+actor); err != nil {
				return err
			}
		}
		tx.wakes(appID)
		tx.notable = true
		return tx.held(ctx, appID)
	})
}

// Reject turns held operations down: the same removal is not proposed again until the object's
// verdict changes.
func (s *Store) Reject(ctx context.Context, appID string, ops []*Operation, actor string) error {
	now := millis(s.Now())
	return s.Write(ctx, func(tx *Tx) error {
		for _, o := range ops {
			if _, err := tx.Exec(ctx, `update operations set state = 'rejected', status = 'skipped', reason = reason || $1, finished_at = $2
				where id = $3 and state = 'held'`, "; rejected by "+actor, now, o.ID); err != nil {
				return err
			}
			if o.Cause == provision.Undone {
				// It was the undoing that was turned down: what it would have turned down is proposed again.
				if err := tx.reject(ctx, appID, o.Kind, o.Source.ID, nil); err != nil {
					return err
				}
				continue
			}
			if len(o.Remove) == 0 {
				before, err := tx.rejections(ctx, appID, o.Kind, list([]string{o.Source.ID}))
				if err != nil {
					return err
				}
				if err := tx.reject(ctx, appID, o.Kind, o.Source.ID, provision.Reject(o.Operation, before[o.Source.ID], actor, s.Now())); err != nil {
					return err
				}
				continue
			}
			ids := make([]string, len(o.Remove))
			for i, m := range o.Remove {
				ids[i] = m.ID
			}
			if _, err := tx.Exec(ctx, `update link_members set rejected = true where app_id = $1 and group_id = $2 and user_id in `+tx.in("$3"), appID, o.Source.ID, list(ids)); err != nil {
				return err
			}
		}
		tx.notable = true
		return tx.held(ctx, appID)
	})
}
