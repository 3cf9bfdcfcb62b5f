package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// State is where an operation stands on its way from plan to log; the schema draws the arrows.
type State string

// The states of an operation.
const (
	Planned  State = "planned"  // waits for its turn
	Applying State = "applying" // durable before the first request is sent
	Applied  State = "applied"
	Skipped  State = "skipped"
	Failed   State = "failed"
	Unknown  State = "unknown"  // sent, and nobody lives who saw the answer
	Held     State = "held"     // waits for a person
	Approved State = "approved" // let through by a person, planned anew by the next cycle
	Rejected State = "rejected"
	Dropped  State = "dropped" // never sent: the cycle ended or the decision was made anew
)

// Operation is a row of the plan, which is the queue, the crash record and the provisioning log at
// once.
type Operation struct {
	provision.Operation
	ID, AppID, CycleID string
	State              State
	Rank               int // managers before their reports
	Approved           bool
	Hold               string // why it is held
	Status             string // of a finished one: success, failure, skipped, warning
	Verified           bool
	Error              *provision.Problem
	Exchange           *connector.Exchange
	InitiatedBy        string
	Anew               bool      // decided anew since the row was stored; not stored itself
	Changed            time.Time // when the change of the directory was committed that it follows; zero when it follows none
	Created            time.Time
	Started, Finished  time.Time // zero until then
}

// detail is the machine's part of an operation that no query looks into.
type detail struct {
	Edits      []attr.Edit         `json:"edits,omitempty"`
	Add        []provision.Subject `json:"add,omitempty"`
	Remove     []provision.Subject `json:"remove,omitempty"`
	Found      []provision.Subject `json:"found,omitempty"`
	Have       attr.Set            `json:"have,omitempty"`
	References []string            `json:"references,omitempty"`
	Names      map[string]string   `json:"names,omitempty"`
	Hidden     []string            `json:"hidden,omitempty"`
}

func detailOf(o *Operation) detail {
	return detail{Edits: o.Edits, Add: o.Add, Remove: o.Remove, Found: o.Found, Have: o.Have, References: o.References, Names: o.Names, Hidden: o.Hidden}
}

// AppendJSON implements [attr.Appender], as encoding/json writes it: of a hundred thousand operations, and of one
// with as many members, it is most of what is written.
func (d detail) AppendJSON(b []byte) ([]byte, error) {
	start := len(b)
	const subject = 96 // bytes that one with an ordinary name takes
	b = slices.Grow(b, 256+subject*(len(d.Add)+len(d.Remove)+len(d.Found)))
	var err error
	member := func(name string, v any, there bool) {
		if there && err == nil {
			b, err = attr.AppendJSON(append(append(append(b, `,"`...), name...), `":`...), v)
		}
	}
	member("edits", listed[attr.Edit](d.Edits), len(d.Edits) > 0)
	member("add", listed[provision.Subject](d.Add), len(d.Add) > 0)
	member("remove", listed[provision.Subject](d.Remove), len(d.Remove) > 0)
	member("found", listed[provision.Subject](d.Found), len(d.Found) > 0)
	member("have", d.Have, len(d.Have) > 0)
	member("references", d.References, len(d.References) > 0)
	member("names", d.Names, len(d.Names) > 0)
	member("hidden", d.Hidden, len(d.Hidden) > 0)
	if len(b) == start {
		return append(b, "{}"...), err
	}
	b[start] = '{'
	return append(b, '}'), err
}

// listed is a list whose elements append themselves.
type listed[T attr.Appender] []T

// AppendJSON implements [attr.Appender].
func (l listed[T]) AppendJSON(b []byte) ([]byte, error) {
	if l == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, e := range l {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.AppendJSON(b); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// The conditions of partial indexes. SQLite uses an index only where its condition stands in the query as it does
// in the index, and makes a table of a list of three or more for each row that it writes: so there is none.
var (
	isOpen    = either("state", "planned", "applying", "held", "approved", "unknown") // what is not over
	isWeighed = isOpen + ` and ` + either("action", "disable", "delete", "update")    // what the guard looks at: nobody is removed by anything else
	isRare    = either("action", "create", "disable", "enable", "delete")             // what the log has little of
)

// either is the condition that a column has one of these values.
func either(column string, values ...string) string {
	return "(" + column + " = '" + strings.Join(values, "' or "+column+" = '") + "')"
}

// openOf is isOpen of a table that has a name of its own in a query.
func openOf(name string) string { return strings.ReplaceAll(isOpen, "state", name+".state") }

const operationColumns = `id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, account_id, account_name,
	cause, reason, want, detail, steps, origin, removals, approved, hold, status, verified, error, exchange, initiated_by,
	changed_at, created_at, started_at, finished_at`

func (o *Operation) values() []any {
	d := detailOf(o)
	_, members := o.Removals()
	return []any{
		o.ID, o.AppID, o.CycleID, string(o.Kind), string(o.Action), string(o.State), int64(o.Urgency), int64(o.Rank), o.Source.ID, o.Source.Name, o.Target.ID, o.Target.Name,
		string(o.Cause), o.Reason, jsonText(o.Want), jsonText(d), jsonText(listed[provision.Step](o.Steps)), string(o.Origin), int64(members), o.Approved, o.Hold, o.Status, o.Verified, jsonOrNull(o.Error), jsonOrNull(o.Exchange), o.InitiatedBy,
		millis(o.Changed), millis(o.Created), millis(o.Started), millis(o.Finished),
	}
}

func scanOperation(row scanner) (*Operation, error) {
	o := &Operation{}
	var want, det, steps string
	var removals int64
	var problem, exchange sql.NullString
	var changed, created, started, finished sql.NullInt64
	if err := row.Scan(&o.ID, &o.AppID, &o.CycleID, &o.Kind, &o.Action, &o.State, &o.Urgency, &o.Rank, &o.Source.ID, &o.Source.Name, &o.Target.ID, &o.Target.Name,
		&o.Cause, &o.Reason, &want, &det, &steps, &o.Origin, &removals, &o.Approved, &o.Hold, &o.Status, &o.Verified, &problem, &exchange, &o.InitiatedBy,
		&changed, &created, &started, &finished); err != nil {
		return nil, err
	}
	var d detail
	for _, part := range []struct {
		text string
		into any
	}{{want, &o.Want}, {det, &d}, {steps, &o.Steps}, {problem.String, &o.Error}, {exchange.String, &o.Exchange}} {
		if part.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return nil, fmt.Errorf("read operation %s: %w", o.ID, err)
		}
	}
	o.Edits, o.Add, o.Remove, o.Found, o.Have, o.References, o.Names, o.Hidden = d.Edits, d.Add, d.Remove, d.Found, d.Have, d.References, d.Names, d.Hidden
	o.Changed, o.Created, o.Started, o.Finished = fromMillis(changed), fromMillis(created), fromMillis(started), fromMillis(finished)
	return o, nil
}

var operationColumnNames = columnNames(operationColumns)

// columnNames splits a list of columns.
func columnNames(columns string) []string {
	return strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

func insertOperations(ctx context.Context, tx *Tx, ops ...*Operation) error {
	rows := make([][]any, len(ops))
	for i, o := range ops {
		rows[i] = o.values()
	}
	return tx.insert(ctx, "operations", operationColumnNames, rows, "")
}

// rowsOf runs a query and reads all its rows.
func rowsOf[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	return collect(scan)(tx.Query(ctx, query, args...))
}

// NewID returns a new id for a row: a UUIDv7, whose order is the order of making.
func (s *Store) NewID() string { return newID() }

// jsonText and jsonOrNull carry a value to a text column; what the engine stores always marshals.
func jsonText(v any) string {
	scratch := scratches.Get().(*[]byte)
	b, err := attr.AppendJSON((*scratch)[:0], v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err))
	}
	text := string(b)
	if cap(b) <= 64<<10 { // what is rarely as long is not kept
		*scratch = b
	}
	scratches.Put(scratch)
	return text
}

// scratches are where texts grow before they are copied in their true length.
var scratches = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func jsonOrNull[T any](v *T) sql.NullString {
	if v == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: jsonText(v), Valid: true}
}

// stringsOf turns named strings into plain ones, for [list].
func stringsOf[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// AddOperations stores newly planned operations and drops what they replace: an operation of the
// same cycle that has not been sent, and one that is held, approved or unknown for the same object.
// adopts are the links of accounts that matching found: they are durable before anything is sent to
// those accounts, so that whatever happens then, they are not forgotten. It is refused when holder, of the
// application's lease, does not hold it any more: another cycle has planned since; "" is a plan that writes to no target.
func (s *Store) AddOperations(ctx context.Context, appID, holder string, ops []*Operation, replaces []string, adopts []*Link) error {
	if len(ops)+len(replaces)+len(adopts) == 0 {
		return nil
	}
	return s.writeAhead(ctx, func(tx *Tx) error {
		if err := tx.mustHold(ctx, appID, holder); err != nil {
			return err
		}
		if len(replaces) > 0 {
			// What is unknown has ended, and was counted in the hour in which it did.
			if _, err := tx.Exec(ctx, `update operations set state = case when state = 'unknown' then 'failed' else 'dropped' end, want = '{}', detail = '{}', finished_at = coalesce(finished_at, $1)
				where id in `+tx.in("$2")+` and state in ('planned','held','approved','unknown')`, millis(s.Now()), list(replaces)); err != nil {
				return err
			}
		}
		if err := tx.replaceAccounts(ctx, adopts, ops); err != nil {
			return err
		}
		if err := tx.writeLinks(ctx, adopts); err != nil {
			return err
		}
		// What an interrupted operation did shows here alone: the operation that follows finds nothing left to do.
		for _, l := range adopts {
			if l.Kind == directory.KindUser && !l.Enabled {
				if err := tx.doubtMembershipsOf(ctx, l.AppID, l.ObjectID); err != nil {
					return err
				}
			}
		}
		if err := tx.wake(ctx, adopts); err != nil {
			return err
		}
		return insertOperations(ctx, tx, ops...)
	})
}

// TakeOperations marks the most urgent planned operations of a cycle as applying and returns their
// ids. When it returns they are durable: whatever happens next, the next cycle knows that they may
// have been sent.
func (s *Store) TakeOperations(ctx context.Context, cycleID string, limit int) ([]string, error) {
	return write(ctx, s, func(tx *Tx) ([]string, error) {
		return rowsOf(ctx, tx, one[string], `update operations set state = 'applying', started_at = $1
			where id in (select id from operations where cycle_id = $2 and state = 'planned' order by urgency, rank, id limit $3)
			returning id`, millis(s.Now()), cycleID, limit)
	})
}

// TakeRemovals is [Store.TakeOperations] for the removals of these users alone, and returns the users by operation.
func (s *Store) TakeRemovals(ctx context.Context, cycleID string, users []string) (map[string]string, error) {
	return write(ctx, s, func(tx *Tx) (map[string]string, error) {
		taken, err := rowsOf(ctx, tx, func(row scanner) (v provision.Subject, err error) { return v, row.Scan(&v.ID, &v.Name) }, `update operations set state = 'applying', started_at = $1
			where cycle_id = $2 and state = 'planned' and type = 'user' and action in ('disable','delete') and object_id in `+tx.in("$3")+` returning id, object_id`,
			millis(s.Now()), cycleID, list(users))
		by := make(map[string]string, len(taken))
		for _, t := range taken {
			by[t.ID] = t.Name
		}
		return by, err
	})
}

// OperationsByID returns operations by their ids, in no order.
func (s *Store) OperationsByID(ctx context.Context, ids []string) ([]*Operation, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations where id in `+tx.in("$1"), list(ids))
	})
}

// ReturnOperations puts operations that were taken and not sent back into the queue.
func (s *Store) ReturnOperations(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update operations set state = 'planned', started_at = null where id in `+tx.in("$1")+` and state = 'applying'`, list(ids))
		return err
	})
}

// Operations returns the operations of a cycle in the given states, in the order in which they were
// planned, from after one on. An empty list of states means all but the dropped ones.
func (s *Store) Operations(ctx context.Context, cycleID string, states []State, after *Operation, limit int) ([]*Operation, error) {
	if len(states) == 0 {
		states = []State{Planned, Applying, Applied, Skipped, Failed, Unknown, Held, Approved, Rejected}
	}
	from := ""
	if after != nil {
		from = after.ID
	}
	return read(ctx, s, func(tx *Tx) ([]*Operation, error) {
		return rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations
			where cycle_id = $1 and id > $2 and state in `+tx.in("$3")+` order by id limit $4`, cycleID, from, list(stringsOf(states)), limit)
	})
}

// OpenOperation is an operation of an object that a new decision must take into account.
type OpenOperation struct {
	ID       string
	CycleID  string
	ObjectID string
	Action   provision.Action
	Cause    provision.Cause
	State    State
	Origin   provision.Origin
	Approved bool
	Removals int
	Want     attr.Set            // of a create that ended without an answer: what to look for it by
	Remove   []provision.Subject // of an approved change of a group's members
}

func openOperations(ctx context.Context, tx *Tx, appID string, ids string) (map[string][]OpenOperation, error) {
	scan := func(row scanner) (OpenOperation, error) {
		var o OpenOperation
		var want, members string
		if err := row.Scan(&o.ID, &o.CycleID, &o.ObjectID, &o.Action, &o.Cause, &o.State, &o.Origin, &o.Approved, &o.Removals, &want, &members); err != nil {
			return o, err
		}
		if members != "" {
			var d detail
			if err := json.Unmarshal([]byte(members), &d); err != nil {
				return o, err
			}
			o.Remove = d.Remove
		}
		if want == "" {
			return o, nil
		}
		return o, json.Unmarshal([]byte(want), &o.Want)
	}
	found, err := rowsOf(ctx, tx, scan, `select o.id, o.cycle_id, o.object_id, o.action, o.cause, o.state, o.origin, o.approved, o.removals, case when o.state = 'unknown' then o.want else '' end,
			case when o.state = 'approved' and o.removals > 0 then o.detail else '' end
		from operations o join cycles c on c.id = o.cycle_id
		where o.app_id = $1 and o.object_id in `+tx.in("$2")+` and `+openOf("o")+` and c.state <> 'planned'`, appID, ids)
	if err != nil {
		return nil, err
	}
	by := map[string][]OpenOperation{}
	for _, o := range found {
		by[o.ObjectID] = append(by[o.ObjectID], o)
	}
	return by, nil
}

// waits tells what is held in an application from the copies of it that plans show.
const waits = `cycle_id in (select id from cycles where state <> 'planned')`

// SetWant replaces the wanted attributes of a planned operation.
func (s *Store) SetWant(ctx context.Context, id string, want attr.Set) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update operations set want = $1 where id = $2 and state = 'planned'`, jsonText(want), id)
		return err
	})
}

// FailPlanned turns the planned operation of an object into a failure that a person must mend.
func (s *Store) FailPlanned(ctx context.Context, cycleID, objectID string, p provision.Problem) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `update operations set error = $1, reason = $2 where cycle_id = $3 and object_id = $4 and state in ('planned','skipped')`,
			jsonText(p), p.Reason, cycleID, objectID)
		return err
	})
}

// RecoverOperations puts right what a process left that died in the middle of a cycle: what it had
// not begun is dropped, what it may have sent becomes unknown and its object due at once. It
// returns how many of each. Only the holder of the application's lease may call it.
func (s *Store) RecoverOperations(ctx context.Context, appID string) (dropped, unknown int, err error) {
	now := s.Now()
	err = s.writeAhead(ctx, func(tx *Tx) error {
		sent, err := rowsOf(ctx, tx, scanOperation, `select `+operationColumns+` from operations o where o.app_id = $1 and `+openOf("o")+` and o.state = 'applying'`, appID)
		if err != nil {
			return err
		}
		for _, r := range sent {
			if _, err := tx.Exec(ctx, `update operations set state = 'unknown', status = 'warning', finished_at = $1, error = $2 where id = $3`, millis(now),
				jsonText(provision.Problem{Code: "interrupted", Reason: "Muster stopped between sending this and recording the answer", Recommendation: "Nothing to do: the account is looked up before anything is repeated."}), r.ID); err != nil {
				return err
			}
			if r.Kind == directory.KindGroup {
				if err := tx.doubtMembers(ctx, r); err != nil {
					return err
				}
			}
			if err := setDue(ctx, tx, appID, r.Kind, r.Source.ID, "", now, "interrupted"); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `update operations set state = 'dropped', want = '{}', detail = '{}', finished_at = $1
			where app_id = $2 and `+isOpen+` and state = 'planned' and exists (select 1 from cycles c where c.id = operations.cycle_id and c.state <> 'planned')`, millis(now), appID)
		if err != nil {
			return err
		}
		dropped, unknown = int(n), len(sent)
		if err != nil {
			return err
		}
		return tx.interrupted(ctx, appID)
	})
	return dropped, unknown, err
}

// ByItself is who began a cycle that nobody asked for, in logs.
const ByItself = "schedule"

// interrupted ends the cycles whose process ended before them. What a person had begun is in the audit log, as it would
// have been at its end.
func (tx *Tx) interrupted(ctx context.Context, appID string) error {
	type cycle struct{ id, kind, by, app string }
	ended, err := rowsOf(ctx, tx, func(row scanner) (c cycle, err error) { return c, row.Scan(&c.id, &c.kind, &c.by, &c.app) },
		`update cycles set state = 'stopped', finished_at = $1, error = 'the process ended before the cycle did' where app_id = $2 and state = 'running'
		returning id, type, initiated_by, coalesce((select name from applications where id = $2), '')`, tx.now(), appID)
	if err != nil {
		return err
	}
	for _, c := range ended {
		if c.by == "" || c.by == ByItself {
			continue
		}
		if err := tx.audit(ctx, Actor{Name: c.by}, "sync", subject{"application", appID, c.app}, nil, map[string]any{"cycle": c.id, "type": c.kind, "interrupted": true}); err != nil {
			return err
		}
	}
	return nil
}
