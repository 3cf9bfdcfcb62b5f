package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Result is what came of one operation; [Store.Record] makes it durable.
type Result struct {
	Op       *Operation // with State, Status, Verified, Error, Exchange and Steps as they are to be kept
	Link     *Link      // the link as it is to be from now on, nil to leave it
	Unlink   bool       // the account is gone: the link goes too
	Added    []Membership
	Removed  []string // directory ids of users who are no members any more
	Gone     []string // directory ids of users whose account a group was refused because it is gone
	Escrow   *Escrow  // set: the object waits for another attempt
	Resolved bool     // the object's escrow entry, if any, is over
	Waits    []string // directory ids that the object refers to and that are not linked yet
	Due      []Due    // objects to look at again
	Held     bool     // a person's approval or rejection is used up
}

// Without takes back what the result says of a user's account that is gone: a reference to it was not kept,
// and a membership of it is none. The object waits for another account of that user.
func (r *Result) Without(user string) {
	waits := false
	if r.Link != nil {
		for _, path := range r.Op.References {
			if r.Link.Wanted[path] == user {
				r.Link.Wanted[path], waits = nil, true
			}
		}
	}
	left := slices.DeleteFunc(r.Added, func(m Membership) bool { return m.UserID == user })
	waits = waits || len(left) < len(r.Added)
	if r.Added = left; waits && !slices.Contains(r.Waits, user) {
		r.Waits = append(r.Waits, user)
	}
}

// Membership is one member that Muster keeps in a target's group.
type Membership struct {
	UserID, AccountID string
	Found             bool // was a member before Muster came
}

// Due is an object to look at again although the directory has not changed.
type Due struct {
	Kind     directory.Kind
	ObjectID string
	MemberID string // of a group: only this member
	At       time.Time
	Reason   string
}

// Record makes the results of a batch of operations durable in one transaction: the log record, the
// link, the memberships, the escrow entry, and what other objects have been waiting for. It is refused when holder, of the lease that
// the operations were sent by, has it no more: the next one has looked up what became of them, and more may have followed
// that this one knows nothing of. "" asks for no lease.
func (s *Store) Record(ctx context.Context, holder string, results []Result) error {
	if len(results) == 0 {
		return nil
	}
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.mustHold(ctx, results[0].Op.AppID, holder); err != nil {
			return err
		}
		var links []*Link
		var ops []*Operation
		for _, r := range results {
			ops = append(ops, r.Op)
			if r.Link == nil {
				continue
			}
			links = append(links, r.Link)
		}
		if err := tx.replaceAccounts(ctx, links, ops); err != nil {
			return err
		}
		if err := tx.recordOperations(ctx, ops); err != nil {
			return err
		}
		for _, r := range results {
			if err := tx.record(ctx, r); err != nil {
				return fmt.Errorf("record operation %s: %w", r.Op.ID, err)
			}
		}
		if err := tx.writeLinks(ctx, links); err != nil {
			return err
		}
		if err := tx.failing(ctx, results); err != nil {
			return err
		}
		if err := tx.wake(ctx, links); err != nil {
			return err
		}
		return tx.wakeLate(ctx, results)
	})
}

func (tx *Tx) record(ctx context.Context, r Result) error {
	o := r.Op
	if o.State == Applied && o.Approved {
		if _, err := tx.Exec(ctx, `update operations set state = 'dropped', finished_at = $1 where app_id = $2 and object_id = $3 and `+isOpen+` and state = 'approved'`, tx.now(), o.AppID, o.Source.ID); err != nil {
			return err
		}
	}
	if r.Unlink {
		for _, q := range []string{
			`delete from links where app_id = $1 and type = $2 and object_id = $3`,
			`delete from waiting where app_id = $1 and type = $2 and object_id = $3`,
			`delete from rejections where app_id = $1 and type = $2 and object_id = $3 and action in ('disable','delete')`,
		} {
			if _, err := tx.Exec(ctx, q, o.AppID, string(o.Kind), o.Source.ID); err != nil {
				return err
			}
		}
		if err := tx.forgetAccount(ctx, o.AppID, o.Kind, o.Source.ID, o.References); err != nil {
			return err
		}
		if err := tx.settle(ctx, o.AppID, []string{o.Source.ID}, nil); err != nil {
			return err
		}
	}
	if len(r.Added) > 0 {
		unwanted, err := tx.turnedDown(ctx, o, r.Added)
		if err != nil {
			return err
		}
		rows := make([][]any, len(r.Added))
		for i, m := range r.Added {
			origin := "added"
			if m.Found {
				origin = "found"
			}
			rows[i] = []any{o.AppID, o.Source.ID, m.UserID, m.AccountID, origin, false, unwanted[m.UserID]}
		}
		if err := tx.insert(ctx, "link_members", []string{"app_id", "group_id", "user_id", "account_id", "origin", "stale", "rejected"}, rows,
			`on conflict (app_id, group_id, user_id) do update set account_id = excluded.account_id, stale = false, rejected = excluded.rejected,
			origin = case when link_members.origin in ('extra','out') then excluded.origin else link_members.origin end`); err != nil {
			return err
		}
	}
	if len(r.Removed) > 0 {
		part := `delete from link_members where origin <> 'out' and app_id = $1 and group_id = $2 and user_id in `
		if o.Cause == provision.Undone {
			part = `update link_members set origin = 'out', stale = false, rejected = false where app_id = $1 and group_id = $2 and user_id in `
		}
		if _, err := tx.Exec(ctx, part+tx.in("$3"), o.AppID, o.Source.ID, list(r.Removed)); err != nil {
			return err
		}
	}
	if len(r.Gone) > 0 {
		if err := tx.gone(ctx, o.AppID, r.Gone); err != nil {
			return err
		}
	}
	if o.State == Unknown && o.Kind == directory.KindGroup {
		if err := tx.doubtMembers(ctx, o); err != nil {
			return err
		}
	}
	if o.Kind == directory.KindUser && r.Link != nil && r.Link.Enabled && o.Cause == provision.Returned {
		if err := tx.letBack(ctx, o.AppID, o.Source.ID); err != nil {
			return err
		}
	}
	if o.Kind == directory.KindUser && r.Link != nil && !r.Link.Enabled {
		if err := tx.doubtMembershipsOf(ctx, o.AppID, o.Source.ID); err != nil {
			return err
		}
	}
	if r.Resolved {
		if _, err := tx.Exec(ctx, `delete from escrow where app_id = $1 and type = $2 and object_id = $3`, o.AppID, string(o.Kind), o.Source.ID); err != nil {
			return err
		}
	}
	if e := r.Escrow; e != nil {
		if err := tx.insert(ctx, "escrow", escrowNames, [][]any{e.values()},
			`on conflict (app_id, type, object_id) do update set object_name = excluded.object_name, parked = excluded.parked, attempts = excluded.attempts,
			operation_id = excluded.operation_id, error = excluded.error, last_at = excluded.last_at, next_at = excluded.next_at`); err != nil {
			return err
		}
	}
	for _, missing := range r.Waits {
		if _, err := tx.Exec(ctx, `insert into waiting (app_id, missing_id, type, object_id) values ($1, $2, $3, $4) on conflict do nothing`, o.AppID, missing, string(o.Kind), o.Source.ID); err != nil {
			return err
		}
	}
	for _, d := range r.Due {
		if d.Reason == DueGrace {
			d.MemberID = dueAside
		}
		if err := setDue(ctx, tx, o.AppID, d.Kind, d.ObjectID, d.MemberID, d.At, d.Reason); err != nil {
			return err
		}
	}
	return nil
}

// recordOperations keeps what came of operations. What was wanted stands in their rows already, unless
// the decision was made anew on the way, or holds values that may not be kept.
func (tx *Tx) recordOperations(ctx context.Context, ops []*Operation) error {
	rows := make([][]any, len(ops))
	for i, o := range ops {
		rows[i] = []any{o.ID, string(o.State), o.Status, o.Verified, o.Target.ID, o.Target.Name, jsonText(listed[provision.Step](o.Steps)), o.Reason, tx.now(), jsonOrNull(o.Error), jsonOrNull(o.Exchange)}
	}
	if err := tx.update(ctx, "operations", []string{
		"id text", "state text", "status text", "verified boolean", "account_id text", "account_name text", "steps text", "reason text", "finished_at bigint", "error text", "exchange text",
	}, rows); err != nil {
		return err
	}
	for _, o := range ops {
		if len(o.Hidden) == 0 && !o.Anew {
			continue
		}
		if err := tx.keep(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// keep stores an operation as it may be kept once it is over. One without an answer is not over: what it
// sent is what its account is looked for by.
func (tx *Tx) keep(ctx context.Context, o *Operation) error {
	kept := *o
	if o.State != Unknown {
		kept.Operation = o.Redacted()
	}
	_, err := tx.Exec(ctx, `update operations set state = $2, action = $3, cause = $4, origin = $5, want = $6, detail = $7 where id = $1`,
		o.ID, string(o.State), string(o.Action), string(o.Cause), string(o.Origin), jsonText(kept.Want), jsonText(detailOf(&kept)))
	return err
}

// doubtMembers notes that members of a group may or may not have been added and removed: whoever
// belongs there is added again, whoever does not is removed again. Of a process that died, what it knew of
// the members' accounts may be lost as well: the account of those is their link's, once they have one.
func (tx *Tx) doubtMembers(ctx context.Context, o *Operation) error {
	ids := make([]string, 0, len(o.Add)+len(o.Remove))
	for _, m := range slices.Concat(o.Add, o.Remove) {
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `insert into link_members (app_id, group_id, user_id, account_id, origin, stale, rejected)
		select app_id, $2, object_id, account_id, 'added', $3, $4 from links where app_id = $1 and type = 'user' and object_id in `+tx.in("$5")+`
		on conflict (app_id, group_id, user_id) do update set stale = excluded.stale`, o.AppID, o.Source.ID, true, false, list(ids))
	if err != nil {
		return err
	}
	rows := make([][]any, len(o.Add))
	for i, m := range o.Add {
		rows[i] = []any{o.AppID, o.Source.ID, m.ID, "", "added", true}
	}
	if err := tx.insert(ctx, "link_members", columnNames(`app_id, group_id, user_id, account_id, origin, stale`), rows, "on conflict do nothing"); err != nil {
		return err
	}
	if o.Cause != provision.Undone {
		return nil
	}
	return tx.doubtUndone(ctx, o)
}

// gone notes that the accounts of users are gone from the target: what follows from that is decided about
// when they are looked at.
func (tx *Tx) gone(ctx context.Context, appID string, users []string) error {
	if _, err := tx.Exec(ctx, `update links set enabled = $1, vanished_at = $2 where app_id = $3 and type = 'user' and object_id in `+tx.in("$4"), false, tx.now(), appID, list(users)); err != nil {
		return err
	}
	for _, id := range users {
		if err := tx.doubtMembershipsOf(ctx, appID, id); err != nil {
			return err
		}
		if err := setDue(ctx, tx, appID, directory.KindUser, id, "", tx.s.Now(), "the account is gone"); err != nil {
			return err
		}
	}
	return nil
}

// doubtMembershipsOf notes that the target may have dropped the memberships of an account that is off.
func (tx *Tx) doubtMembershipsOf(ctx context.Context, appID, user string) error {
	_, err := tx.Exec(ctx, `update link_members set stale = true where app_id = $1 and user_id = $2`, appID, user)
	return err
}

// letBack forgets which groups an undo put somebody out of who had left the scope since and is back, and has
// them looked at.
func (tx *Tx) letBack(ctx context.Context, appID, user string) error {
	const out = ` from link_members where app_id = $1 and user_id = $2 and origin = 'out'`
	_, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason) select app_id, 'group', group_id, user_id, $3, 'the member is back'`+out+`
		on conflict (app_id, type, object_id, member_id) do update set `+dueAgain, appID, user, tx.now())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `delete`+out, appID, user)
	return err
}

// settle ends the operations of objects that ended without an answer: how the accounts stand is known
// now, and a removal whose account is off was carried out: the guard counts it. Somebody who returned and
// whose account is on is back: no operation follows that could say so. What was wanted is no longer
// needed to look for them, so nothing sensitive stays.
func (tx *Tx) settle(ctx context.Context, appID string, objects []string, enabled map[string]bool) error {
	open, err := rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where app_id = $1 and `+isOpen+` and state = 'unknown' and object_id in `+tx.in("$2"), appID, list(objects))
	for _, o := range open {
		o.State = Failed
		if accounts, _ := o.Removals(); accounts > 0 && !enabled[o.Source.ID] {
			o.State = Applied
		}
		if err := tx.keep(ctx, o); err != nil {
			return err
		}
		if o.Kind == directory.KindUser && o.Cause == provision.Returned && enabled[o.Source.ID] {
			if err := tx.letBack(ctx, appID, o.Source.ID); err != nil {
				return err
			}
		}
	}
	return err
}

// wake makes due whatever waited for the users that have just been linked or switched on.
func (tx *Tx) wake(ctx context.Context, links []*Link) error {
	linked := map[string][]string{}
	for _, l := range links {
		if l.Kind == directory.KindUser && l.Enabled {
			linked[l.AppID] = append(linked[l.AppID], l.ObjectID)
		}
	}
	return tx.wakeFor(ctx, linked)
}

// wakeLate makes due who waits from now on for somebody who was linked meanwhile: of two results, the one
// that is waited for may have been recorded first.
func (tx *Tx) wakeLate(ctx context.Context, results []Result) error {
	missing := map[string][]string{}
	for _, r := range results {
		if len(r.Waits) > 0 {
			missing[r.Op.AppID] = append(missing[r.Op.AppID], r.Waits...)
		}
	}
	for app, ids := range missing {
		there, err := tx.enabledAmong(ctx, app, ids)
		if err != nil {
			return err
		}
		if err := tx.wakeFor(ctx, map[string][]string{app: there}); err != nil {
			return err
		}
	}
	return nil
}

// enabledAmong returns those of users who have an account that is on.
func (tx *Tx) enabledAmong(ctx context.Context, appID string, users []string) ([]string, error) {
	return rowsOf(ctx, tx, one[string], `select object_id from links where app_id = $1 and type = 'user' and enabled and object_id in `+tx.in("$2"), appID, list(users))
}

// wakeFor makes due whatever waits for users, by application.
func (tx *Tx) wakeFor(ctx context.Context, linked map[string][]string) error {
	for app, ids := range linked {
		if len(ids) == 0 {
			continue
		}
		in := tx.in("$2")
		if _, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason)
			select app_id, type, object_id, case when type = 'group' then missing_id else '' end, $3, 'what it waited for is linked now' from waiting where app_id = $1 and missing_id in `+in+`
			on conflict (app_id, type, object_id, member_id) do update set `+dueAgain+``, app, list(ids), tx.now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from waiting where app_id = $1 and missing_id in `+in, app, list(ids)); err != nil {
			return err
		}
		// The target may have dropped the memberships of an account while it was off.
		if _, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason)
			select app_id, 'group', group_id, user_id, $3, 'the member is back' from link_members where app_id = $1 and stale and user_id in `+in+`
			on conflict (app_id, type, object_id, member_id) do update set `+dueAgain+``, app, list(ids), tx.now()); err != nil {
			return err
		}
	}
	return nil
}

// dueAgain moves a due row whenever it is asked for again, so that the cycle which looked at it
// before does not take it away. An earlier time wins only by the row being looked at once more.
const dueAgain = `due_at = case when excluded.due_at > due.due_at then excluded.due_at else due.due_at + 1 end, reason = excluded.reason`

// setDue asks for another look at an object at a time.
func setDue(ctx context.Context, tx *Tx, appID string, kind directory.Kind, objectID, memberID string, at time.Time, reason string) error {
	_, err := tx.Exec(ctx, `insert into due (app_id, type, object_id, member_id, due_at, reason) values ($1, $2, $3, $4, $5, $6)
		on conflict (app_id, type, object_id, member_id) do update set `+dueAgain+``, appID, string(kind), objectID, memberID, millis(at), reason)
	return err
}
