package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	answerKept = 24 * time.Hour
	// answerLost is when a request whose answer never came is taken to have died with its process.
	answerLost = 10 * time.Minute
)

// Answer is what became of an earlier request with the same key.
type Answer struct {
	Same bool   // the request was the same
	Text string // "" while it is still being done
}

// Ask notes that somebody begins a request under a key and returns nil, or what became of the
// earlier one with that key. Whoever gets nil ends with [Store.SaveAnswer] or [Store.ForgetAnswer].
func (s *Store) Ask(ctx context.Context, owner, key, request string) (*Answer, error) {
	earlier, err := write(ctx, s, func(tx *Tx) (*Answer, error) {
		if _, err := tx.Exec(ctx, "delete from answers where created_at < $1 or (answer is null and created_at < $2)",
			tx.now()-answerKept.Milliseconds(), tx.now()-answerLost.Milliseconds()); err != nil {
			return nil, err
		}
		n, err := tx.Exec(ctx, "insert into answers (owner, key, request, created_at) values ($1, $2, $3, $4) on conflict (owner, key) do nothing",
			owner, key, request, tx.now())
		if err != nil || n == 1 {
			return nil, err
		}
		var was string
		var text sql.NullString
		err = tx.QueryRow(ctx, "select request, answer from answers where owner = $1 and key = $2", owner, key).Scan(&was, &text)
		return &Answer{Same: was == request, Text: text.String}, err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for an earlier answer: %w", err)
	}
	return earlier, nil
}

// SaveAnswer keeps the answer to a request for a day.
func (s *Store) SaveAnswer(ctx context.Context, owner, key, text string) error {
	err := s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update answers set answer = $1 where owner = $2 and key = $3", text, owner, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	return nil
}

// ForgetAnswer lets a request that came to nothing be sent again under its key.
func (s *Store) ForgetAnswer(ctx context.Context, owner, key string) error {
	err := s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "delete from answers where owner = $1 and key = $2", owner, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting a request: %w", err)
	}
	return nil
}

// forgetAnswers drops all answers, uploads, and what tasks that are over tell: some may tell of a person who is to be erased.
func (tx *Tx) forgetAnswers(ctx context.Context) error {
	for _, statement := range []string{"delete from answers", "delete from tasks where ended_at is not null"} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("dropping kept answers: %w", err)
		}
	}
	return tx.dropUploads(ctx, "true")
}
