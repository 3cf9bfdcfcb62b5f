package store

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/directory"
)

// AccountQuery picks accounts that an application keeps, for browsing.
type AccountQuery struct {
	Kind   directory.Kind
	Search string // in the names of people and accounts, case-blind; "" for all
	State  string // active, disabled, failed, parked; "" for all
	After  string // where the page before ended, "" for the first
	Limit  int    // 0 is 100
}

// AccountRow is a linked account with what is wrong with it.
type AccountRow struct {
	Link   *Link
	Escrow *Escrow // nil when nothing failed
}

// Accounts returns a page of the accounts that an application is linked to, by the names of their
// people, and where the next one begins.
func (s *Store) Accounts(ctx context.Context, appID string, q AccountQuery) (page []AccountRow, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	name, id, err := cursor(q.After)
	if err != nil {
		return nil, "", err
	}
	where, args := "app_id = $1 and type = $2 and (object_name, object_id) > ($3, $4)", []any{appID, string(q.Kind), name, id, q.Limit + 1}
	if q.Search != "" {
		search, err := pattern(q.Search)
		if err != nil {
			return nil, "", err
		}
		args = append(args, search)
		where += fmt.Sprintf(` and (lower(object_name) like $%d escape '\' or lower(account_name) like $%d escape '\')`, len(args), len(args))
	}
	const failed = ` and object_id in (select object_id from escrow where app_id = $1 and type = $2 and `
	where += map[string]string{
		"active": " and enabled", "disabled": " and not enabled", "failed": failed + "not parked)", "parked": failed + "parked)",
	}[q.State]
	err = s.Read(ctx, func(tx *Tx) error {
		links, err := rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where `+where+` order by object_name, object_id limit $5`, args...)
		if err != nil {
			return err
		}
		if len(links) > q.Limit {
			links = links[:q.Limit]
			last := links[q.Limit-1]
			next = place(last.Name, last.ObjectID)
		}
		ids := make([]string, len(links))
		for i, l := range links {
			ids[i] = l.ObjectID
		}
		page = make([]AccountRow, len(links))
		entries, err := rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 and type = $2 and object_id in `+tx.in("$3"), appID, string(q.Kind), list(ids))
		by := map[string]*Escrow{}
		for _, e := range entries {
			by[e.ObjectID] = e
		}
		for i, l := range links {
			page[i] = AccountRow{Link: l, Escrow: by[l.ObjectID]}
		}
		return err
	})
	return page, next, err
}

// LinksOf returns the accounts of one directory object in all applications.
func (s *Store) LinksOf(ctx context.Context, objectID string) ([]*Link, error) {
	return read(ctx, s, func(tx *Tx) ([]*Link, error) {
		return rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where object_id = $1 order by app_id`, objectID)
	})
}

// Cycles returns the cycles of an application that ran, the newest first, from after an id on.
func (s *Store) Cycles(ctx context.Context, appID, after string, limit int) ([]*Cycle, error) {
	return read(ctx, s, func(tx *Tx) ([]*Cycle, error) {
		return rowsOf(ctx, tx, scanCycle, `select `+cycleColumns+` from cycles where app_id = $1 and state <> 'planned' and ($2 = '' or id < $2) order by created_at desc, id desc limit $3`, appID, after, limit)
	})
}

// Activity is what ended within a piece of time.
type Activity struct {
	From   time.Time
	Status map[string]int // operations by status: success, failure, skipped, warning
	// Followed are the operations that followed a change of the directory, Lag how long they took from its
	// commit on average, and Worst how long the slowest one did.
	Followed   int
	Lag, Worst time.Duration
}

// Activity counts what ended between two moments, in pieces of a length, the oldest first. Pieces in
// which nothing ended are left out. appID "" is all applications.
func (s *Store) Activity(ctx context.Context, appID string, from, until time.Time, piece time.Duration) ([]Activity, error) {
	type row struct {
		piece, lag, worst int64
		status            string
		n, followed       int
	}
	where, args := "", []any{from.UnixMilli(), until.UnixMilli(), piece.Milliseconds()}
	if appID != "" {
		where, args = " and app_id = $4", append(args, appID)
	}
	rows, err := read(ctx, s, func(tx *Tx) ([]row, error) {
		return rowsOf(ctx, tx, func(sc scanner) (r row, err error) {
			return r, sc.Scan(&r.piece, &r.status, &r.n, &r.followed, &r.lag, &r.worst)
		}, `select (finished_at - $1) / $3, status, count(*), count(changed_at), cast(coalesce(sum(finished_at - changed_at), 0) as bigint), coalesce(max(finished_at - changed_at), 0) from operations
			where finished_at is not null and finished_at >= $1 and finished_at < $2 and state in ('applied','skipped','failed','unknown')`+where+` group by 1, 2 order by 1`, args...)
	})
	var out []Activity
	for _, r := range rows {
		at := from.Add(time.Duration(r.piece) * piece)
		if n := len(out); n == 0 || !out[n-1].From.Equal(at) {
			out = append(out, Activity{From: at, Status: map[string]int{}})
		}
		a := &out[len(out)-1]
		a.Status[r.status] += r.n
		if r.status == "success" && r.followed > 0 { // what failed has not reached its target
			a.Followed, a.Worst = r.followed, time.Duration(r.worst)*time.Millisecond
			a.Lag = time.Duration(r.lag) * time.Millisecond / time.Duration(r.followed)
		}
	}
	return out, err
}
