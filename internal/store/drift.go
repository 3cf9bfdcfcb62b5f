package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Drift is one difference at a target that Muster did not make, as the last complete reconcile found it.
type Drift struct {
	AppID      string
	Kind       provision.DriftKind
	Type       directory.Kind    // of the account
	Account    provision.Subject // at the target
	Member     provision.Subject // of a member: the account
	Source     provision.Subject // whom the account is linked to, empty for a stranger
	Attributes []string          // that were changed
	Active     bool              // of a stranger
	Protected  string            // why the target lets nobody change a stranger, "" for most
	Operation  string            // id of the repair, "" where it is only reported
	State      string            // reported, due, held, repaired, failed; read only
	CycleID    string            // the last reconcile that saw it
	Since      time.Time         // first seen like this
}

// DriftTotals say how much drift the last complete reconcile found; there may be more than is kept.
type DriftTotals struct {
	At     time.Time                   `json:"at"` // zero before the first
	Totals map[provision.DriftKind]int `json:"totals"`
}

// DriftKept is how many findings of one kind are kept; the totals count all.
const DriftKept = 10_000

const driftColumns = `app_id, kind, type, account_id, member_id, account_name, member_name, object_id, object_name, attributes, active, protected, operation_id, cycle_id, since`

func scanDrift(row scanner) (*Drift, error) {
	d := &Drift{}
	var attributes string
	var since sql.NullInt64
	if err := row.Scan(&d.AppID, &d.Kind, &d.Type, &d.Account.ID, &d.Member.ID, &d.Account.Name, &d.Member.Name, &d.Source.ID, &d.Source.Name,
		&attributes, &d.Active, &d.Protected, &d.Operation, &d.CycleID, &since, &d.State); err != nil {
		return nil, err
	}
	d.Since = fromMillis(since)
	return d, json.Unmarshal([]byte(attributes), &d.Attributes)
}

func (d *Drift) values() []any {
	if d.Attributes == nil {
		d.Attributes = []string{}
	}
	return []any{
		d.AppID, string(d.Kind), string(d.Type), d.Account.ID, d.Member.ID, d.Account.Name, d.Member.Name, d.Source.ID, d.Source.Name,
		jsonText(d.Attributes), d.Active, d.Protected, d.Operation, d.CycleID, millis(d.Since),
	}
}

// DriftQuery picks findings of an application.
type DriftQuery struct {
	AppID string
	Kind  provision.DriftKind // "" for all
	Of    string              // id of an account; "" for all
	After *Drift              // the last one of the page before
	Limit int                 // 0 is 100
}

// Drift returns a page of what the last complete reconcile found, ordered by kind and account.
func (s *Store) Drift(ctx context.Context, q DriftQuery) ([]*Drift, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	after := q.After
	if after == nil {
		after = &Drift{}
	}
	return read(ctx, s, func(tx *Tx) ([]*Drift, error) {
		// Whether it was repaired is what became of the operation: the finding alone would promise it.
		return rowsOf(ctx, tx, scanDrift, `select `+driftColumns+`, case
				when o.state = 'applied' then 'repaired'
				when o.state in ('failed','unknown') then 'failed'
				when o.state = 'held' or d.kind = 'extra_member' and d.operation_id <> '' and exists (select 1 from operations h
					where h.app_id = d.app_id and h.object_id = d.object_id and `+openOf("h")+` and h.state = 'held' and h.removals > 0 and h.`+waits+`) then 'held'
				when d.operation_id <> '' then 'due'
				else 'reported' end
			from (select * from drift where app_id = $1 and ($2 = '' or kind = $2) and ($8 = '' or account_id = $8) and (kind, type, account_id, member_id) > ($3, $4, $5, $6)
				order by kind, type, account_id, member_id limit $7) d
			left join (select id, state from operations) o on o.id = d.operation_id
			order by d.kind, d.type, d.account_id, d.member_id`,
			q.AppID, string(q.Kind), string(after.Kind), string(after.Type), after.Account.ID, after.Member.ID, q.Limit, q.Of)
	})
}

// DriftTotals returns how much drift the last complete reconcile of an application found.
func (s *Store) DriftTotals(ctx context.Context, appID string) (DriftTotals, error) {
	t := DriftTotals{Totals: map[provision.DriftKind]int{}}
	return t, s.Read(ctx, func(tx *Tx) error {
		var text sql.NullString
		err := tx.QueryRow(ctx, `select drift from applications where id = $1`, appID).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !text.Valid {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text.String), &t)
	})
}

// KnownDrift returns everything that is kept of an application's drift but the strangers.
func (s *Store) KnownDrift(ctx context.Context, appID string) ([]*Drift, error) {
	return read(ctx, s, func(tx *Tx) ([]*Drift, error) {
		return rowsOf(ctx, tx, scanDrift, `select `+driftColumns+`, '' from drift where app_id = $1 and kind <> 'stranger'`, appID)
	})
}

// SaveDrift replaces what is kept of an application's drift by what a complete reconcile found. Strangers are
// those of its walk that are not linked at its end; it returns those who were not known before, at most
// as many as limit.
func (s *Store) SaveDrift(ctx context.Context, appID, cycleID string, found []*Drift, totals map[provision.DriftKind]int, limit int) ([]*Drift, error) {
	now := s.Now()
	return write(ctx, s, func(tx *Tx) ([]*Drift, error) {
		rows := make([][]any, len(found))
		for i, d := range found {
			rows[i] = d.values()
		}
		const again = `on conflict (app_id, kind, type, account_id, member_id) do update set account_name = excluded.account_name, member_name = excluded.member_name,
			object_id = excluded.object_id, object_name = excluded.object_name, attributes = excluded.attributes, active = excluded.active,
			protected = excluded.protected, operation_id = excluded.operation_id, cycle_id = excluded.cycle_id`
		if len(rows) > 0 {
			if err := tx.insert(ctx, "drift", columnNames(driftColumns), rows, again+`, since = excluded.since`); err != nil {
				return nil, err
			}
		}
		const strangers = ` from accounts a left join links l on l.app_id = a.app_id and l.type = a.type and l.account_id = a.account_id
			where a.app_id = $1 and a.type = 'user' and a.walk = $2 and l.object_id is null`
		var n int
		if err := tx.QueryRow(ctx, `select count(*)`+strangers, appID, cycleID).Scan(&n); err != nil {
			return nil, fmt.Errorf("counting strangers: %w", err)
		}
		kept := map[provision.DriftKind]int{provision.DriftStranger: n}
		for kind, n := range totals {
			kept[kind] = n
		}
		if _, err := tx.Exec(ctx, `insert into drift (`+driftColumns+`)
			select a.app_id, 'stranger', a.type, a.account_id, '', a.name, '', '', '', '[]', a.active, a.protected, '', $2, $3`+strangers+`
			order by a.account_id limit $4 `+again, appID, cycleID, millis(now), DriftKept); err != nil {
			return nil, fmt.Errorf("keeping strangers: %w", err)
		}
		if _, err := tx.Exec(ctx, `delete from drift where app_id = $1 and cycle_id <> $2`, appID, cycleID); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `update applications set drift = $1 where id = $2`, jsonText(DriftTotals{At: now, Totals: kept}), appID); err != nil {
			return nil, err
		}
		return rowsOf(ctx, tx, scanDrift, `select `+driftColumns+`, 'reported' from drift where app_id = $1 and kind = 'stranger' and since = $2
			order by account_id limit $3`, appID, millis(now), limit)
	})
}

// KeptMember is a member of a target's group as Muster knows it.
type KeptMember struct {
	provision.Subject // directory id, or [ExtraID] of an account
	AccountID         string
	Origin            string // added, found, extra, out
	Stale, Rejected   bool
	Enabled           bool // the user is linked, and the account is on
}

// ExtraID stands in the place of a directory id for a member of a target's group that nobody is linked to.
func ExtraID(account string) string { return "account:" + account }

// GroupMembers returns everybody whom Muster knows of in a target's group.
func (s *Store) GroupMembers(ctx context.Context, appID, groupID string) ([]KeptMember, error) {
	return read(ctx, s, func(tx *Tx) ([]KeptMember, error) {
		return rowsOf(ctx, tx, func(row scanner) (m KeptMember, err error) {
			return m, row.Scan(&m.ID, &m.Name, &m.AccountID, &m.Origin, &m.Stale, &m.Rejected, &m.Enabled)
		}, `select m.user_id, coalesce(l.object_name, nullif(m.name, ''), m.user_id), `+memberAccount+`, m.origin, m.stale, m.rejected, coalesce(l.enabled, false)
			from link_members m left join links l on l.app_id = m.app_id and l.type = 'user' and l.object_id = m.user_id
			where m.app_id = $1 and m.group_id = $2 order by 2`, appID, groupID)
	})
}

// SetExtraMembers keeps who is in a group that Muster created without having been put there by it, in the place
// of those who were before: they are to go. Whom a person wants kept stays as it is.
func (s *Store) SetExtraMembers(ctx context.Context, appID, groupID string, extra []KeptMember) error {
	ids := make([]string, len(extra))
	rows := make([][]any, len(extra))
	for i, m := range extra {
		ids[i], rows[i] = m.ID, []any{appID, groupID, m.ID, m.AccountID, "extra", false, false, m.Name}
	}
	return s.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, `delete from link_members where app_id = $1 and group_id = $2 and origin = 'extra' and not rejected and not (user_id in `+tx.in("$3")+`)`,
			appID, groupID, list(ids)); err != nil || len(rows) == 0 {
			return err
		}
		return tx.insert(ctx, "link_members", columnNames(`app_id, group_id, user_id, account_id, origin, stale, rejected, name`), rows, "on conflict do nothing")
	})
}
