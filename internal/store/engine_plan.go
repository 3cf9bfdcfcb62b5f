package store

import (
	"context"
	"fmt"

	"github.com/muster-id/muster/internal/provision"
)

// PlannedOperations returns a page of the operations of a plan that are in one state and do one
// action, in the order of the queue, from after an operation on. It reads along an index: the last
// page of a plan for a hundred thousand people costs what the first one does.
func (s *Store) PlannedOperations(ctx context.Context, cycleID string, state State, action provision.Action, after *Operation, limit int) ([]*Operation, error) {
	urgency, rank, id := int64(-1), int64(-1), ""
	if after != nil {
		urgency, rank, id = int64(after.Urgency), int64(after.Rank), after.ID
	}
	ops, err := read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations
			where cycle_id = $1 and state = $2 and action = $3 and (urgency, rank, id) > ($4, $5, $6)
			order by urgency, rank, id limit $7`, cycleID, string(state), string(action), urgency, rank, id, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("reading plan %s: %w", cycleID, err)
	}
	return ops, nil
}
