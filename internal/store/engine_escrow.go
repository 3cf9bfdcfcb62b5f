package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Escrow is an object whose operation failed.
type Escrow struct {
	AppID       string
	Kind        directory.Kind
	ObjectID    string
	Name        string
	Parked      bool // only a person can mend it
	Attempts    int
	OperationID string // the last attempt
	Problem     provision.Problem
	First, Last time.Time
	Next        time.Time // of the next attempt; zero when parked
}

const escrowColumns = `app_id, type, object_id, object_name, parked, attempts, operation_id, error, first_at, last_at, next_at`

var escrowNames = columnNames(escrowColumns)

func (e *Escrow) values() []any {
	return []any{e.AppID, string(e.Kind), e.ObjectID, e.Name, e.Parked, e.Attempts, e.OperationID, jsonText(e.Problem), millis(e.First), millis(e.Last), millis(e.Next)}
}

func scanEscrow(row scanner) (*Escrow, error) {
	e := &Escrow{}
	var problem string
	var first, last, next sql.NullInt64
	if err := row.Scan(&e.AppID, &e.Kind, &e.ObjectID, &e.Name, &e.Parked, &e.Attempts, &e.OperationID, &problem, &first, &last, &next); err != nil {
		return nil, err
	}
	e.First, e.Last, e.Next = fromMillis(first), fromMillis(last), fromMillis(next)
	return e, json.Unmarshal([]byte(problem), &e.Problem)
}

// EscrowsOf returns the escrow entries of objects, by object id.
func (s *Store) EscrowsOf(ctx context.Context, appID string, objects []string) (map[string]*Escrow, error) {
	return read(ctx, s, func(tx *Tx) (map[string]*Escrow, error) {
		found, err := rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 and type in ('user','group') and object_id in `+tx.in("$2"), appID, list(objects))
		by := make(map[string]*Escrow, len(found))
		for _, e := range found {
			by[e.ObjectID] = e
		}
		return by, err
	})
}

// Escrows returns the objects of an application that are in escrow, parked ones included.
func (s *Store) Escrows(ctx context.Context, appID string) ([]*Escrow, error) {
	return read(ctx, s, func(tx *Tx) ([]*Escrow, error) {
		return rowsOf(ctx, tx, scanEscrow, `select `+escrowColumns+` from escrow where app_id = $1 order by first_at, object_id`, appID)
	})
}
