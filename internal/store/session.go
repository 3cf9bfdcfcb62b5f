package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Session is a browser in which an administrator is signed in.
type Session struct {
	ID            string    `json:"id"`
	AdminID       string    `json:"-"`
	Method        string    `json:"method"` // password, passkey, single sign-on, link
	Address       string    `json:"address"`
	Agent         string    `json:"agent"` // the browser, as it calls itself
	Created       time.Time `json:"created"`
	Seen          time.Time `json:"seen"`          // to five minutes
	Authenticated time.Time `json:"authenticated"` // when they last proved who they are
	Expires       time.Time `json:"expires"`
}

// sessionSeen is how exactly the last use of a session is known: a write for every request would
// make readers wait for the database.
const sessionSeen = 5 * time.Minute

const sessionColumns = "s.id, s.admin_id, s.method, s.address, s.agent, s.created_at, s.seen_at, s.authenticated_at, s.expires_at"

// into returns where the columns of a session are scanned to, and what is to be called after.
func (s *Session) into() (dest []any, done func()) {
	var times [4]sql.NullInt64
	dest = []any{&s.ID, &s.AdminID, &s.Method, &s.Address, &s.Agent, &times[0], &times[1], &times[2], &times[3]}
	return dest, func() {
		for i, t := range []*time.Time{&s.Created, &s.Seen, &s.Authenticated, &s.Expires} {
			*t = fromMillis(times[i])
		}
	}
}

func scanSession(row scanner) (s Session, err error) {
	dest, done := s.into()
	err = row.Scan(dest...)
	done()
	return s, err
}

// newToken returns a text that nobody can guess: what a browser holds of a session or a link. Its
// digest alone is kept.
func newToken() string { return rand.Text() + rand.Text() }

// BeginSession signs an administrator in and returns what the browser is to hold. The session named
// before, the one that the browser came with, ends: what somebody planted there leads nowhere.
func (s *Store) BeginSession(ctx context.Context, by Actor, a Administrator, n Session, before, from string) (token string, err error) {
	token = newToken()
	err = s.Write(ctx, func(tx *Tx) error {
		now := tx.now()
		if err := tx.setAdministrator(ctx, a, "signed_in_at = $1", now); err != nil {
			return err
		}
		// After the row was written: whoever disables them meanwhile waits, and finds the session.
		switch now, err := tx.administrator(ctx, a.ID); {
		case err != nil:
			return err
		case now.Disabled:
			return refuse(ErrInvalid, "ask an owner to let you in again", "%s is disabled", a.Name)
		}
		if before != "" {
			if _, err := tx.Exec(ctx, "delete from sessions where hash = $1", digest(before)); err != nil {
				return fmt.Errorf("ending a session: %w", err)
			}
		}
		err := tx.insert(ctx, "sessions", []string{"id", "hash", "admin_id", "method", "address", "agent", "created_at", "seen_at", "authenticated_at", "expires_at"},
			[][]any{{newID(), digest(token), a.ID, n.Method, n.Address, n.Agent, now, now, now, n.Expires.UnixMilli()}}, "")
		if err != nil {
			return err
		}
		return tx.audit(ctx, by, "sign in", a.subject(), nil, map[string]any{"method": n.Method, "from": from})
	})
	return token, err
}

// SessionOf returns the session and the administrator of what a browser holds, and notes that it was
// used, unless a page asks again by itself and nobody need be there. One that has expired, and one that nobody used for longer than idle, is [ErrNotFound].
func (s *Store) SessionOf(ctx context.Context, token string, idle time.Duration, used bool) (n Session, a Administrator, err error) {
	if token == "" {
		return n, a, refuse(ErrNotFound, "", "nobody is signed in")
	}
	err = s.Read(ctx, func(tx *Tx) error {
		first, done := n.into()
		second, done2 := a.into()
		defer func() { done(); done2() }()
		return tx.QueryRow(ctx, "select "+sessionColumns+", "+administratorColumns+" from sessions s join administrators a on a.id = s.admin_id where s.hash = $1", digest(token)).
			Scan(append(first, second...)...)
	})
	now := s.Now()
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!now.Before(n.Expires) || now.Sub(n.Seen) >= idle) {
		return Session{}, Administrator{}, refuse(ErrNotFound, "sign in again", "the session has ended")
	}
	if err != nil {
		return n, a, fmt.Errorf("looking for a session: %w", err)
	}
	if !used || now.Sub(n.Seen) < sessionSeen || s.write == nil {
		return n, a, nil
	}
	n.Seen = now
	return n, a, s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update sessions set seen_at = $1 where id = $2", now.UnixMilli(), n.ID)
		return err
	})
}

// RenewSession gives the browser another token for the same session: who has the old one is out.
// With proved set the administrator has just proved who they are.
func (s *Store) RenewSession(ctx context.Context, id string, proved bool) (token string, err error) {
	token = newToken()
	return token, s.Write(ctx, func(tx *Tx) error {
		set, args := "hash = $1, seen_at = $2", []any{digest(token), tx.now(), id}
		if proved {
			set += ", authenticated_at = $2"
		}
		n, err := tx.Exec(ctx, "update sessions set "+set+" where id = $3", args...)
		if err != nil {
			return fmt.Errorf("renewing a session: %w", err)
		}
		if n == 0 {
			return refuse(ErrNotFound, "sign in again", "the session has ended")
		}
		return nil
	})
}

// Sessions returns the sessions of an administrator that have not expired, the newest first.
func (s *Store) Sessions(ctx context.Context, adminID string, idle time.Duration) ([]Session, error) {
	now := s.Now()
	list, err := read(ctx, s, func(tx *Tx) ([]Session, error) {
		return collect(scanSession)(tx.Query(ctx, "select "+sessionColumns+" from sessions s where s.admin_id = $1 and s.expires_at > $2 and s.seen_at > $3 order by s.id desc",
			adminID, now.UnixMilli(), now.Add(-idle).UnixMilli()))
	})
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	return list, nil
}

// EndSession ends one session of an administrator.
func (s *Store) EndSession(ctx context.Context, by Actor, a Administrator, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, "delete from sessions where id = $1 and admin_id = $2", id, a.ID)
		if err != nil {
			return fmt.Errorf("ending a session: %w", err)
		}
		if n == 0 {
			return refuse(ErrNotFound, "", "%s has no such session", a.Name)
		}
		return tx.audit(ctx, by, "end session", a.subject(), nil, nil)
	})
}

// EndSessions ends every session of an administrator but the one named, and returns how many.
func (s *Store) EndSessions(ctx context.Context, by Actor, a Administrator, but string) (ended int64, err error) {
	return write(ctx, s, func(tx *Tx) (int64, error) {
		n, err := tx.Exec(ctx, "delete from sessions where admin_id = $1 and id <> $2", a.ID, but)
		if err != nil || n == 0 {
			return 0, err
		}
		return n, tx.audit(ctx, by, "end sessions", a.subject(), nil, map[string]any{"sessions": n})
	})
}

func (tx *Tx) dropSessions(ctx context.Context, adminID, but string) error {
	if _, err := tx.Exec(ctx, "delete from sessions where admin_id = $1 and id <> $2", adminID, but); err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	return nil
}

// SessionIdle is after how long a session ends that nobody uses.
const SessionIdle = 8 * time.Hour
