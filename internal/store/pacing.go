package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/connector"
)

// pacingKept is how long the level of a connection's limits is kept: no target's limit takes longer to fill
// again, and no pause is longer.
const pacingKept = 24 * time.Hour

// Pacing returns the level of a connection's limits as it was last written down, and how long ago that was
// by the database's clock; nil when nobody has.
func (s *Store) Pacing(ctx context.Context, connection string) (level *connector.Level, ago time.Duration, err error) {
	err = s.Read(ctx, func(tx *Tx) error {
		var state string
		var saved int64
		err := tx.QueryRow(ctx, `select state, saved_at from pacing where connection = $1`, connection).Scan(&state, &saved)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the level of a connection's limits: %w", err)
		}
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return err
		}
		level, ago = &connector.Level{}, time.Duration(now-saved)*time.Millisecond
		return json.Unmarshal([]byte(state), level)
	})
	return level, ago, err
}

// SavePacing writes down the level of a connection's limits.
func (s *Store) SavePacing(ctx context.Context, connection string, level connector.Level) error {
	return s.Write(ctx, func(tx *Tx) error {
		now, err := tx.databaseTime(ctx)
		if err != nil {
			return err
		}
		err = tx.insert(ctx, "pacing", []string{"connection", "state", "saved_at"}, [][]any{{connection, jsonText(level), now}},
			"on conflict (connection) do update set state = excluded.state, saved_at = excluded.saved_at")
		if err != nil {
			return fmt.Errorf("writing the level of a connection's limits: %w", err)
		}
		_, err = tx.Exec(ctx, `delete from pacing where saved_at < $1`, now-pacingKept.Milliseconds())
		return err
	})
}

// Pseudonym turns what must not be stored readable into a name for it: the same for the same parts and the
// same key that secrets are sealed with.
func (s *Store) Pseudonym(parts ...string) (string, error) {
	key, err := s.theKey()
	if err != nil {
		return "", err
	}
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte("muster pseudonym\x00" + strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
