package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/muster-id/muster/internal/directory"
)

// Request asks the cycle of an application that runs just now, on whatever node, to provision one
// object at once. It is a wish and no promise: a cycle that ends without having taken it leaves it to
// whoever asked, and one whose asker is gone has its object looked at once more, as it then is.
type Request struct {
	ID        string
	AppID     string
	Kind      directory.Kind
	ObjectID  string
	Initiator string // who asked, for the log
}

// AddRequest stores a request and gives it its id.
func (s *Store) AddRequest(ctx context.Context, r *Request) error {
	r.ID = newID()
	return s.Write(ctx, func(tx *Tx) error {
		return tx.insert(ctx, "requests", []string{"id", "app_id", "type", "object_id", "initiated_by", "created_at"},
			[][]any{{r.ID, r.AppID, string(r.Kind), r.ObjectID, r.Initiator, tx.now()}}, "")
	})
}

// TakeRequests hands the requests that wait to the cycle that has the application's lease, each to one
// cycle. It costs one query when there are none; else it calls ready before: what was recorded by then is
// older than the requests, and no part of their answer.
func (s *Store) TakeRequests(ctx context.Context, appID, cycleID string, ready func(context.Context) error) ([]Request, error) {
	const waiting = "app_id = $1 and cycle_id = ''"
	some, err := read(ctx, s, func(tx *Tx) (some bool, err error) {
		return some, tx.QueryRow(ctx, "select exists (select 1 from requests where "+waiting+")", appID).Scan(&some)
	})
	if err != nil || !some {
		return nil, err
	}
	if err := ready(ctx); err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *Tx) ([]Request, error) {
		return rowsOf(ctx, tx, func(row scanner) (r Request, err error) {
			return r, row.Scan(&r.ID, &r.AppID, &r.Kind, &r.ObjectID, &r.Initiator)
		}, "update requests set cycle_id = $2, taken_at = $3 where "+waiting+" returning id, app_id, type, object_id, initiated_by", appID, cycleID, tx.now())
	})
}

// RequestsDecided notes that the cycle which took requests has planned what they need.
func (s *Store) RequestsDecided(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update requests set decided = $2 where id in "+tx.in("$1"), list(ids), true)
		return err
	})
}

// Reply is what has become of a request.
type Reply struct {
	CycleID string // which has taken it, "" for none
	Over    bool   // its cycle has dealt with it; else, without a lease, nobody is going to
	Leased  bool   // a cycle of the application runs, on a living node
	// Operations are those of the object which ended since the request was taken, or are held; none
	// when nothing had to be done.
	Operations []*Operation
}

// Reply tells what has become of a request.
func (s *Store) Reply(ctx context.Context, r *Request) (*Reply, error) {
	return read(ctx, s, func(tx *Tx) (*Reply, error) {
		a := &Reply{}
		var taken sql.NullInt64
		var decided bool
		var state sql.NullString
		err := tx.QueryRow(ctx, `select q.cycle_id, q.taken_at, q.decided, c.state from requests q left join cycles c on c.id = q.cycle_id where q.id = $1`, r.ID).
			Scan(&a.CycleID, &taken, &decided, &state)
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // with the application
			return nil, err
		}
		if a.Leased, err = tx.leased(ctx, r.AppID); err != nil || !decided {
			return a, err
		}
		found, err := rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where cycle_id = $1 and object_id = $2 and type = $3
			and (state in ('planned','applying','held') or state in ('applied','skipped','failed','unknown') and finished_at >= $4) order by id`, a.CycleID, r.ObjectID, string(r.Kind), taken.Int64)
		if err != nil {
			return nil, err
		}
		a.Over = true
		for _, o := range found {
			a.Over = a.Over && o.State != Planned && o.State != Applying && o.State != Unknown
		}
		// What a cycle that was stopped had planned is dropped: nothing to be seen is then not nothing to do.
		a.Over = a.Over && (len(found) > 0 || state.String != "stopped")
		if a.Over {
			a.Operations = found
		}
		return a, nil
	})
}

// Withdraw removes a request. A cycle that has taken it goes on with it.
func (s *Store) Withdraw(ctx context.Context, r *Request) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "delete from requests where id = $1", r.ID)
		return err
	})
}
