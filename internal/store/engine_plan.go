package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-id/muster/internal/provision"
)

// PlanByID returns a plan that nobody has run yet; [ErrNotFound] when there is none.
func (s *Store) PlanByID(ctx context.Context, id string) (*Cycle, error) {
	if !storable(id) {
		return nil, ErrNotFound
	}
	return read(ctx, s, func(tx *Tx) (*Cycle, error) {
		c, err := scanCycle(tx.QueryRow(ctx, `select `+cycleColumns+` from cycles where state = 'planned' and id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, ErrNotFound
		}
		return c, err
	})
}

// PlannedOperations returns a page of the operations of a plan that are in one state and do one
// action: planned ones in the order of the queue, others in the order in which they were planned,
// from after an operation on; a search leaves those whose person or group has it in the name. All
// read along an index: the last page of a plan for a hundred thousand people costs what the first one does.
func (s *Store) PlannedOperations(ctx context.Context, cycleID string, state State, action provision.Action, search string, after *Operation, limit int) ([]*Operation, error) {
	urgency, rank, id := int64(-1), int64(-1), ""
	if after != nil {
		urgency, rank, id = int64(after.Urgency), int64(after.Rank), after.ID
	}
	args := []any{cycleID, string(action)}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where, order := "state = "+arg(string(state))+" and id > "+arg(id), "id"
	if state == Planned {
		args = args[:2]
		where, order = "state = 'planned' and (urgency, rank, id) > ("+arg(urgency)+", "+arg(rank)+", "+arg(id)+")", "urgency, rank, id"
	}
	if search != "" {
		part, err := pattern(search)
		if err != nil {
			return nil, err
		}
		where += ` and lower(object_name) like ` + arg(part) + ` escape '\'`
	}
	where += " order by " + order + " limit " + arg(limit)
	ops, err := read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where cycle_id = $1 and action = $2 and `+where, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("reading plan %s: %w", cycleID, err)
	}
	return ops, nil
}

// Replan keeps the rank and the edits of planned operations as they are now.
func (s *Store) Replan(ctx context.Context, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	return s.Write(ctx, func(tx *Tx) error {
		for _, o := range ops {
			if _, err := tx.Exec(ctx, `update operations set urgency = $1, rank = $2, detail = $3 where id = $4 and state = 'planned'`, int64(o.Urgency), o.Rank, jsonText(detailOf(o)), o.ID); err != nil {
				return fmt.Errorf("putting operation %s in order: %w", o.ID, err)
			}
		}
		return nil
	})
}
