package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// DueGrace is the reason of a due row whose time lies ahead on purpose: all others are made to be looked
// at when they are made.
const DueGrace = "the grace period is over"

// dueAside keeps a due row whose time lies ahead on purpose apart from the one that asks for a look now.
const dueAside = "grace"

// ClockSlack is how far the clocks of nodes may be apart without a time looking like one of the future.
const ClockSlack = time.Minute

// RightClock has looked at now what would wait for a time that cannot be meant, because it was written
// before the clock was set back: due rows of the future, and objects in escrow that failed in the future or
// wait longer than any pause is. It returns how many there were. The end of a grace period stays
// when it was announced: nobody's account is removed earlier for a clock.
func (s *Store) RightClock(ctx context.Context) (moved int64, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		now := s.Now()
		future, longest := now.Add(ClockSlack), now.Add(ClockSlack+provision.RetryAfter(math.MaxInt, 1))
		due, err := tx.Exec(ctx, `update due set due_at = $1 where due_at > $2 and reason <> $3`, now.UnixMilli(), future.UnixMilli(), DueGrace)
		if err != nil {
			return fmt.Errorf("righting the times of what is due: %w", err)
		}
		escrow, err := tx.Exec(ctx, `update escrow set next_at = $1, last_at = case when last_at > $1 then $1 else last_at end
			where next_at is not null and (last_at > $2 or next_at > $3)`, now.UnixMilli(), future.UnixMilli(), longest.UnixMilli())
		if err != nil {
			return fmt.Errorf("righting the times of retries: %w", err)
		}
		moved = due + escrow
		return nil
	})
	return moved, err
}
