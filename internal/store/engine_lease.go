package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Lease takes the right to write to an application's target, or renews it for its holder. It
// returns the node that has it: ours when we got it, the other's when not. It holds for the given
// time unless it is renewed. The clock is the database's, so that nodes with different clocks agree.
// An embedded database has one process, so a lease of another one is that of a dead one.
func (s *Store) Lease(ctx context.Context, appID, holder, node string, holds time.Duration) (ours bool, who string, err error) {
	holder = s.instance + "/" + holder
	err = s.writeAhead(ctx, func(tx *Tx) error {
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into leases (app_id, holder, node, expires_at) values ($1, $2, $3, $4)
			on conflict (app_id) do update set holder = excluded.holder, node = excluded.node, expires_at = excluded.expires_at,
				ends = leases.ends and leases.holder = excluded.holder
			where leases.holder = excluded.holder or leases.expires_at < $5 or $6 and leases.holder not like $7`,
			appID, holder, node, now+holds.Milliseconds(), now, tx.s.pool == nil, s.instance+"/%")
		if err != nil {
			return err
		}
		var has string
		if err := tx.QueryRow(ctx, `select holder, node from leases where app_id = $1`, appID).Scan(&has, &who); err != nil {
			return err
		}
		ours = has == holder
		return nil
	})
	return ours, who, err
}

// EndLease gives the right back, when it is still the holder's.
func (s *Store) EndLease(ctx context.Context, appID, holder string) error {
	full := s.instance + "/" + holder
	err := s.writeAhead(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `delete from leases where app_id = $1 and holder = $2`, appID, full)
		return err
	})
	if err != nil {
		s.owed.Store(holder, appID)
	}
	return err
}

// EndOwedLeases gives back those that could not be given back when it was time, because the database took nothing: nobody
// need wait for them to run out.
func (s *Store) EndOwedLeases(ctx context.Context) {
	for holder, appID := range s.owed.Range {
		if s.EndLease(ctx, appID.(string), holder.(string)) == nil {
			s.owed.Delete(holder)
		}
	}
}

// EndCycle has the cycle of an application that runs just now end at the next object, if there is one.
func (s *Store) EndCycle(ctx context.Context, appID string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.endCycle(ctx, appID) })
}

func (tx *Tx) endCycle(ctx context.Context, appID string) error {
	_, err := tx.Exec(ctx, `update leases set ends = $1 where app_id = $2`, true, appID)
	return err
}

// mustHold refuses who has not got an application's lease any more. Until the transaction has ended nobody else gets it.
func (tx *Tx) mustHold(ctx context.Context, appID, holder string) error {
	if holder == "" {
		return nil
	}
	held, err := rowsOf(ctx, tx, one[string], "select holder from leases where app_id = $1 and holder = $2"+tx.s.dialect.lockRow, appID, tx.s.instance+"/"+holder)
	if err == nil && len(held) == 0 {
		err = refuse(ErrInUse, "nothing to do: what it sent is looked up", "the application was taken over by another cycle, because this one gave no sign of life")
	}
	return err
}

// leased reports whether a living process has an application's lease.
func (tx *Tx) leased(ctx context.Context, appID string) (bool, error) {
	now, err := tx.databaseTime(ctx)
	if err != nil {
		return false, err
	}
	var n int
	err = tx.QueryRow(ctx, "select count(*) from leases where app_id = $1 and expires_at >= $2 and (not $3 or holder like $4)", appID, now, tx.s.pool == nil, tx.s.instance+"/%").Scan(&n)
	return n > 0, err
}

// databaseTime returns the database's clock in milliseconds.
func (tx *Tx) databaseTime(ctx context.Context) (int64, error) {
	if tx.s.pool == nil {
		return tx.now(), nil // one process, one clock
	}
	var ms sql.NullInt64
	err := tx.QueryRow(ctx, `select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`).Scan(&ms)
	if err == nil && !ms.Valid {
		err = errors.New("the database told no time")
	}
	return ms.Int64, err
}
