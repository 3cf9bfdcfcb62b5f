package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// LogQuery picks records of the provisioning log. The zero value picks all; every field narrows.
type LogQuery struct {
	AppID   string
	Object  string // id of a user or group of the directory
	Status  string // success, failure, skipped, warning, or [Tried]
	Action  provision.Action
	CycleID string
	Since   time.Time
	Until   time.Time  // only what ended before; zero for no such bound
	After   *Operation // the last record of the page before, in the query's order
	Newest  bool       // newest first; else oldest first, for following
	Limit   int        // 0 is 100
}

// Tried stands for every status but skipped: what was done and what was to be done, without what needed nothing.
const Tried = "tried"

// Log returns records of the provisioning log: what cycles did and considered, with steps, changes
// and failures.
func (s *Store) Log(ctx context.Context, q LogQuery) ([]*Operation, error) {
	var where strings.Builder
	where.WriteString(`finished_at is not null and state in ('applied','skipped','failed','unknown','rejected')`)
	var args []any
	and := func(condition string, v ...any) {
		n := make([]any, len(v))
		for i, x := range v {
			args = append(args, x)
			n[i] = len(args)
		}
		where.WriteString(" and " + fmt.Sprintf(condition, n...))
	}
	// Of several conditions one picks the fewest records. The others are written so that no index is for them, or
	// a database without figures of its own takes the first that it finds.
	picked := false
	pick := func(column string, value string) {
		if value == "" {
			return
		}
		if picked {
			column = "coalesce(" + column + ", '')"
		}
		picked = true
		and(column+" = $%d", value)
	}
	pick("object_id", q.Object)
	pick("cycle_id", q.CycleID)
	rare := slices.Contains([]provision.Action{provision.Create, provision.Disable, provision.Enable, provision.Delete}, q.Action)
	if rare && !picked {
		where.WriteString(" and " + isRare) // so that its index is found
	}
	status := "status"
	if picked || rare {
		status = "coalesce(status, '')"
	}
	if rare || q.Status == "failure" || q.Status == "warning" || q.Status == Tried {
		picked = true
	}
	pick("app_id", q.AppID)
	switch q.Status {
	case "":
	case Tried:
		where.WriteString(" and (" + status + " in ('failure','warning') or " + status + " = 'success')") // so that its index is found: skipped are most
	case "failure", "warning":
		where.WriteString(" and status = '" + q.Status + "'") // so that its index is found: there are few of them
	default:
		and("status = $%d", q.Status)
	}
	if q.Action != "" {
		and("action = $%d", string(q.Action))
	}
	if q.CycleID == "" {
		// What a plan only showed has not happened.
		where.WriteString(" and not exists (select 1 from cycles c where c.id = operations.cycle_id and c.state = 'planned')")
	}
	if !q.Since.IsZero() {
		and("finished_at >= $%d", millis(q.Since))
	}
	if !q.Until.IsZero() {
		and("finished_at < $%d", millis(q.Until))
	}
	order, than := "asc", ">"
	if q.Newest {
		order, than = "desc", "<"
	}
	if q.After != nil {
		and("(finished_at, id) "+than+" ($%d, $%d)", millis(q.After.Finished), q.After.ID)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	and("1 = 1 order by finished_at "+order+", id "+order+" limit $%d", q.Limit)
	return read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where `+where.String(), args...)
	})
}

// OperationByID returns one record; [ErrNotFound] when there is none.
func (s *Store) OperationByID(ctx context.Context, id string) (*Operation, error) {
	ops, err := read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where id = $1`, id)
	})
	if err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, ErrNotFound
	}
	return ops[0], nil
}
