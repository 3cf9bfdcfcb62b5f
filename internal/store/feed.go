package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/muster-id/muster/internal/directory"
)

// ChangeType says what an entry of the feed is about.
type ChangeType string

// The types of changes.
const (
	ChangedUser    ChangeType = "user"    // Object is a user whose attributes or groups changed, or who is gone
	ChangedGroup   ChangeType = "group"   // Object is a group that was made, renamed or is gone
	ChangedMembers ChangeType = "members" // Object is a group whose effective members changed
)

// Change is one entry of the feed: an object to look at again. It says nothing of what changed, so
// entries about the same object may be taken together.
type Change struct {
	Seq    int64
	Type   ChangeType
	Object string // id
	Member string // of members: the user who came or went; "" for "look at all of them"
	At     int64  // when it was committed, in Unix milliseconds; 0 before
}

// changed remembers that an object is to be looked at; [Tx.flush] gives the entry its number.
func (tx *Tx) changed(kind ChangeType, object, member string) {
	tx.pending = append(tx.pending, Change{Type: kind, Object: object, Member: member})
}

// flush gives the transaction's changes their numbers, writes them into the feed and queues a job for
// every application that may run and has none coming: the change and the job commit together.
//
// It must be the last thing before the commit. The numbers come from the one row of table feed, and
// the lock on that row is held until the transaction has ended: so the order of numbers is the order
// of commits, and whoever has seen number n has seen all that will ever be below it. (A sequence
// gives numbers out before the commit; a reader then passes the number of a transaction that is
// still open, and never comes back for it.) Held only at the end, the lock costs the others little.
func (tx *Tx) flush(ctx context.Context) error {
	entries := tx.entries()
	if tx.shadow || len(entries)+len(tx.waking) == 0 {
		return nil
	}
	if tx.arrival != "" && len(entries) > 0 {
		return tx.arrive(ctx, entries)
	}
	last, err := tx.lockFeed(ctx, len(entries))
	if err != nil {
		return err
	}
	now, first := tx.now(), last-int64(len(entries))+1
	rows := make([][]any, len(entries))
	for i, c := range entries {
		rows[i] = []any{first + int64(i), string(c.Type), c.Object, c.Member, now}
	}
	if err := tx.insert(ctx, "changes", []string{"seq", "type", "object_id", "member_id", "at"}, rows, ""); err != nil {
		return err
	}
	return tx.wakeUp(ctx, len(entries) > 0)
}

// entries returns the pending changes, each once, in the order they came.
func (tx *Tx) entries() []Change {
	seen := make(map[Change]bool, len(tx.pending))
	return slices.DeleteFunc(tx.pending, func(c Change) bool {
		was := seen[c]
		seen[c] = true
		return was
	})
}

// Changes returns the entries after a number, at most limit, and the number of the last one (after
// itself when there is none).
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]Change, int64, error) {
	changes, err := read(ctx, s, func(tx *Tx) ([]Change, error) { return tx.changes(ctx, after, limit) })
	if err != nil {
		return nil, after, fmt.Errorf("reading the change feed after %d: %w", after, err)
	}
	if n := len(changes); n > 0 {
		after = changes[n-1].Seq
	}
	return changes, after, nil
}

func (tx *Tx) changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	return collect(func(row scanner) (c Change, err error) {
		err = row.Scan(&c.Seq, &c.Type, &c.Object, &c.Member, &c.At)
		return c, err
	})(tx.Query(ctx, "select seq, type, object_id, member_id, at from changes where seq > $1 order by seq limit $2", after, limit))
}

// FeedSeq returns the number of the last committed change, 0 when there was none.
func (s *Store) FeedSeq(ctx context.Context) (int64, error) {
	return read(ctx, s, func(tx *Tx) (int64, error) { return tx.feedSeq(ctx) })
}

func (tx *Tx) feedSeq(ctx context.Context) (seq int64, err error) {
	err = tx.QueryRow(ctx, "select seq from feed where id = 1").Scan(&seq)
	return seq, err
}

// storable reports whether both databases can hold a text: PostgreSQL refuses NUL and what is not
// UTF-8.
func storable(s string) bool { return directory.CleanText(s) }
