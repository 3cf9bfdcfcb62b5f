package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
)

// Work is what a cycle has to look at.
type Work struct {
	All    bool // everything: the configuration changed, or nothing is known yet
	Users  []Placed
	Groups map[string][]string // group id → the members to look at; nil looks at the whole group
	Until  int64               // the feed has been read up to here
	More   bool                // the feed goes on beyond Until
	Since  map[string]int64    // when the eldest change of an object was committed, in Unix milliseconds
	Few    map[string]bool     // objects that changed only in commits of a handful of changes
	due    []dueRow            // what was due, exactly as it was read
}

// handful is how many changes a commit may have that a person made by hand: of one member of a group in many
// others there are more than of a title. An import and an assignment of a large group have more.
const handful = 100

type dueRow struct {
	kind           directory.Kind
	object, member string
	at             int64
}

// Later is an object that a pass could not decide about yet.
type Later struct {
	Kind    directory.Kind
	ID      string
	Members []string // of a group, as in [Work].Groups
}

// Add adds objects to look at. Each is looked at once, however many reasons there are: what is decided twice would be done
// twice.
func (w *Work) Add(objects []Later) {
	if len(objects) == 0 {
		return
	}
	here := make(map[string]bool, len(w.Users)+len(objects))
	for _, u := range w.Users {
		here[u.ID] = true
	}
	for _, o := range objects {
		switch {
		case o.Kind == directory.KindGroup:
			w.lookAt(o.ID, o.Members, o.Members == nil)
		case !here[o.ID]:
			here[o.ID] = true
			w.Users = append(w.Users, Placed{ID: o.ID})
		}
	}
}

// Empty reports whether there is nothing to look at.
func (w *Work) Empty() bool { return !w.All && len(w.Users) == 0 && len(w.Groups) == 0 }

// HasDue reports whether something was due: the end of the pass takes it away.
func (w *Work) HasDue() bool { return len(w.due) > 0 }

// Spare drops what is remembered to take it away at the end of the pass: a preview takes nothing away.
func (w *Work) Spare() { w.due = nil }

// Placed is a user with the manager, for putting managers before their reports.
type Placed struct{ ID, ManagerID string }

// dueAll is the object id of a due row that asks for everything to be looked at.
const dueAll = "*"

// feedSlice bounds how much of the feed is looked at in one go.
const feedSlice = 5000

// Which objects in escrow a look takes up.
type Retry int

// The choices of [Retry].
const (
	RetryNone Retry = iota // a pass takes up each object once
	RetryDue               // those whose pause is over
	RetryAll               // all, parked ones too: somebody asked
)

// Changed returns what the feed after a position, the due rows and the escrow ask an application to
// look at now, without the due rows that the pass has looked at already.
//
// What is asked for again while a pass runs has a due time after the pass began (see setDue): since is
// that time for all looks but the first, so that they do not read what the first one has read. Whoever
// looks at everything anyway says so, and is spared the list of who has changed.
func (s *Store) Changed(ctx context.Context, appID string, after int64, retry Retry, since time.Time, looked []*Work, everything bool) (*Work, error) {
	return read(ctx, s, func(tx *Tx) (*Work, error) {
		w := &Work{Groups: map[string][]string{}, Until: after, All: everything}
		changes, err := tx.changes(ctx, after, feedSlice)
		if err != nil {
			return nil, err
		}
		users, commits := map[string]bool{}, map[int64]int{}
		for _, c := range changes {
			commits[c.At]++ // whose entries have one time
		}
		for _, c := range changes {
			w.Until = c.Seq
			w.few(c.Object, commits[c.At] <= handful)
			if _, older := w.Since[c.Object]; !older {
				if w.Since == nil {
					w.Since = map[string]int64{}
				}
				w.Since[c.Object] = c.At
			}
			switch {
			case c.Type == ChangedUser:
				users[c.Object] = true
			case c.Type == ChangedGroup:
				// A group's own attributes; its members have changes of their own.
				w.lookAt(c.Object, nil, false)
			default:
				w.lookAt(c.Object, []string{c.Member}, c.Member == "")
			}
		}
		w.More = len(changes) == feedSlice
		w.due, err = rowsOf(ctx, tx, func(row scanner) (d dueRow, err error) {
			return d, row.Scan(&d.kind, &d.object, &d.member, &d.at)
		}, `select type, object_id, member_id, due_at from due where app_id = $1 and due_at <= $2 and due_at >= $3`, appID, tx.now(), millis(since).Int64)
		if err != nil {
			return nil, err
		}
		known := map[dueRow]bool{}
		for _, l := range looked {
			for _, d := range l.due {
				if d.at >= millis(since).Int64 {
					known[d] = true
				}
			}
		}
		w.due = slices.Clip(slices.DeleteFunc(w.due, func(d dueRow) bool { return known[d] }))
		var retries []dueRow
		if retry != RetryNone {
			retries, err = rowsOf(ctx, tx, func(row scanner) (d dueRow, err error) {
				return d, row.Scan(&d.kind, &d.object)
			}, `select type, object_id from escrow where app_id = $1 and (next_at <= $2 or $3)`, appID, tx.now(), retry == RetryAll)
			if err != nil {
				return nil, err
			}
		}
		for _, i := range append(retries, w.due...) {
			switch {
			case i.object == dueAll:
				w.All = true
			case i.kind == directory.KindUser:
				users[i.object] = true
			case i.member != "":
				w.lookAt(i.object, []string{i.member}, false)
			default:
				w.lookAt(i.object, nil, true)
			}
		}
		if w.All {
			return w, nil // everybody is looked at: who has changed is among them
		}
		w.Users, err = tx.placed(ctx, users)
		return w, err
	})
}

// few notes whether a change of an object came with few others.
func (w *Work) few(object string, few bool) {
	if w.Few == nil {
		w.Few = map[string]bool{}
	}
	if was, known := w.Few[object]; !known || was {
		w.Few[object] = few
	}
}

// LinkedAmongChanged returns the users whom the feed after a position speaks of, themselves or as members of a group, and who
// have an account that is on, and how far it has read.
func (s *Store) LinkedAmongChanged(ctx context.Context, appID string, after int64) (users []string, until int64, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		changes, err := tx.changes(ctx, after, feedSlice)
		if err != nil || len(changes) == 0 {
			until = after
			return err
		}
		until = changes[len(changes)-1].Seq
		ids := make([]string, len(changes))
		for i, c := range changes {
			if ids[i] = c.Member; c.Type == ChangedUser {
				ids[i] = c.Object
			}
		}
		users, err = tx.enabledAmong(ctx, appID, ids)
		return err
	})
	return users, until, err
}

// lookAt adds members of a group to look at; whole looks at all of them.
func (w *Work) lookAt(group string, members []string, whole bool) {
	have, known := w.Groups[group]
	switch {
	case whole, known && have == nil:
		w.Groups[group] = nil
	case known:
		w.Groups[group] = append(have, members...)
	default:
		w.Groups[group] = append(make([]string, 0, len(members)), members...)
	}
}

func (tx *Tx) placed(ctx context.Context, ids map[string]bool) ([]Placed, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	names := make([]string, 0, len(ids))
	for id := range ids {
		names = append(names, id)
	}
	found, err := rowsOf(ctx, tx, scanPlaced, `select id, coalesce(manager_id, '') from users where id in `+tx.in("$1"), list(names))
	for _, p := range found {
		delete(ids, p.ID)
	}
	// Whoever is not in the directory any more may still have an account.
	for id := range ids {
		found = append(found, Placed{ID: id})
	}
	return found, err
}

func scanPlaced(row scanner) (p Placed, err error) { return p, row.Scan(&p.ID, &p.ManagerID) }

// reachable is the recursive part that finds all users who belong to assigned groups, nested ones
// included. $1 is the application; only roles that give an account count.
const reachable = `down(id, type) as (
		select m.member_id, m.member_type from members m join assignments a on a.app_id = $1 and a.subject_type = 'group' and a.subject_id = m.group_id and a.role <> '` + provision.RoleDefaultAccess + `'
		union
		select m.member_id, m.member_type from down join members m on m.group_id = down.id and down.type = 'group'
	)`

// Everyone returns everything that an application may have to do with: who is or may be in scope,
// who is linked, and of whom something was turned down, which may be over; read together with the position of the feed.
func (s *Store) Everyone(ctx context.Context, appID string, everybody bool) (*Work, error) {
	return read(ctx, s, func(tx *Tx) (*Work, error) {
		w := &Work{All: true, Groups: map[string][]string{}}
		var err error
		if w.Until, err = tx.feedSeq(ctx); err != nil {
			return nil, err
		}
		who := `select id from down where type = 'user'
			union select subject_id from assignments where app_id = $1 and subject_type = 'user' and role <> '` + provision.RoleDefaultAccess + `'`
		if everybody {
			who = `select id from users where deleted_at is null`
		}
		w.Users, err = rowsOf(ctx, tx, scanPlaced, `with recursive `+reachable+`
			select x.id, coalesce(u.manager_id, '') from (`+who+` union select object_id as id from links where app_id = $1 and type = 'user'
			union select object_id from rejections where app_id = $1 and type = 'user') x left join users u on u.id = x.id order by x.id`, appID)
		if err != nil {
			return nil, err
		}
		groups := `select subject_id from assignments where app_id = $1 and subject_type = 'group'`
		if everybody {
			groups = `select id from groups where deleted_at is null`
		}
		ids, err := rowsOf(ctx, tx, one[string], groups+` union select object_id from links where app_id = $1 and type = 'group'
			union select object_id from rejections where app_id = $1 and type = 'group'`, appID)
		for _, id := range ids {
			w.Groups[id] = nil
		}
		return w, err
	})
}

// Waiting is an object that waits for a user to be linked.
type Waiting struct {
	Kind      directory.Kind
	ObjectID  string
	MissingID string
}

// AddWaiting notes who waits for whom. Who waits for somebody who has been linked meanwhile is due.
func (s *Store) AddWaiting(ctx context.Context, appID string, waiting []Waiting) error {
	if len(waiting) == 0 {
		return nil
	}
	rows, missing := make([][]any, len(waiting)), make([]string, len(waiting))
	for i, w := range waiting {
		missing[i] = w.MissingID
		rows[i] = []any{appID, w.MissingID, string(w.Kind), w.ObjectID}
	}
	return s.writeAhead(ctx, func(tx *Tx) error {
		if err := tx.insert(ctx, "waiting", []string{"app_id", "missing_id", "type", "object_id"}, rows, "on conflict do nothing"); err != nil {
			return err
		}
		there, err := tx.enabledAmong(ctx, appID, missing)
		if err != nil {
			return err
		}
		return tx.wakeFor(ctx, map[string][]string{appID: there})
	})
}

// consumed is how many due rows are removed with one statement: PostgreSQL compares each with all.
const consumed = 1000

// consume removes the due rows that a cycle has looked at, exactly as it read them: one that was
// asked for again since has another time, and stays (see setDue).
func (tx *Tx) consume(ctx context.Context, appID string, due []dueRow) error {
	for some := range slices.Chunk(due, consumed) {
		objects, rows := make([]string, len(some)), make([]string, len(some))
		for i, d := range some {
			objects[i] = d.object
			rows[i] = fmt.Sprintf("%s %s %s %d", d.kind, d.object, d.member, d.at)
		}
		// The objects find the rows by the table's key; the second list says which of them.
		if _, err := tx.Exec(ctx, `delete from due where app_id = $1 and type in ('all','user','group') and object_id in `+tx.in("$2")+`
			and type || ' ' || object_id || ' ' || member_id || ' ' || due_at in `+tx.in("$3"), appID, list(objects), list(rows)); err != nil {
			return err
		}
	}
	return nil
}
