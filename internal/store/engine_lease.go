package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// LeaseTime is how long a lease holds without a heartbeat; [Heartbeat] is how often its holder
// renews it.
const (
	LeaseTime = 12 * time.Second
	Heartbeat = 3 * time.Second
)

// Lease takes the right to write to an application's target, or renews it for its holder. It
// returns the node that has it: ours when we got it, the other's when not. The clock is the
// database's, so that nodes with different clocks agree.
func (s *Store) Lease(ctx context.Context, appID, holder, node string) (ours bool, who string, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into leases (app_id, holder, node, expires_at) values ($1, $2, $3, $4)
			on conflict (app_id) do update set holder = excluded.holder, node = excluded.node, expires_at = excluded.expires_at
			where leases.holder = excluded.holder or leases.expires_at < $5`, appID, holder, node, now+LeaseTime.Milliseconds(), now)
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
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `delete from leases where app_id = $1 and holder = $2`, appID, holder)
		return err
	})
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
