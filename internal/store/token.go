package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/directory"
)

// Token lets a program in with a role. What is sent as the token stands nowhere: only its hash does.
type Token struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	CreatedBy string     `json:"created_by"`
	Created   time.Time  `json:"created"`
	Expires   *time.Time `json:"expires"`   // null is never
	Used      *time.Time `json:"last_used"` // to the minute; null before the first time
}

// tokenPrefix begins every token, so that people and scanners know one where it should not be.
const tokenPrefix = "muster_"

// CreateToken adds a token and returns it with its secret, which cannot be had again.
func (s *Store) CreateToken(ctx context.Context, by Actor, t Token) (Token, string, error) {
	secret := tokenPrefix + rand.Text() + rand.Text()
	if directory.Key(t.Name) == "" || !storable(t.Name) || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' }) {
		return t, "", refuse(ErrInvalid, "", "a token needs a name of one line")
	}
	t, err := write(ctx, s, func(tx *Tx) (Token, error) {
		t.ID, t.CreatedBy, t.Created, t.Used = newID(), by.Name, tx.s.Now(), nil
		if t.Expires != nil {
			at := t.Expires.UTC().Truncate(time.Millisecond)
			if t.Expires = &at; !at.After(t.Created) {
				return t, refuse(ErrInvalid, "", "token %s would expire before it is there", t.Name)
			}
		}
		same, err := collect(one[string])(tx.Query(ctx, "select id from tokens where name_key = $1", directory.Key(t.Name)))
		if err != nil {
			return t, fmt.Errorf("looking for tokens of that name: %w", err)
		}
		if len(same) > 0 {
			return t, refuse(ErrExists, "revoke it, or take another name", "there is already a token %s", t.Name)
		}
		err = tx.insert(ctx, "tokens", []string{"id", "name", "name_key", "role", "hash", "created_by", "created_at", "expires_at"},
			[][]any{{t.ID, t.Name, directory.Key(t.Name), t.Role, tokenHash(secret), t.CreatedBy, t.Created.UnixMilli(), expiry(t)}}, "")
		if err != nil {
			return t, err
		}
		return t, tx.audit(ctx, by, "create", subject{"token", t.ID, t.Name}, nil, tokenDocument(t))
	})
	if err != nil {
		return t, "", err
	}
	return t, secret, nil
}

func tokenHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func expiry(t Token) sql.NullInt64 {
	if t.Expires == nil {
		return sql.NullInt64{}
	}
	return millis(*t.Expires)
}

func tokenDocument(t Token) map[string]any {
	doc := map[string]any{"role": t.Role}
	if t.Expires != nil {
		doc["expires"] = t.Expires.Format(time.RFC3339)
	}
	return doc
}

const selectTokens = "select id, name, role, created_by, created_at, expires_at, used_at from tokens "

func scanToken(row scanner) (t Token, err error) {
	var created, expires, used sql.NullInt64
	err = row.Scan(&t.ID, &t.Name, &t.Role, &t.CreatedBy, &created, &expires, &used)
	t.Created = fromMillis(created)
	for from, to := range map[*sql.NullInt64]**time.Time{&expires: &t.Expires, &used: &t.Used} {
		if from.Valid {
			at := fromMillis(*from)
			*to = &at
		}
	}
	return t, err
}

// Tokens returns all tokens by name, those that have expired too.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	list, err := read(ctx, s, func(tx *Tx) ([]Token, error) {
		return collect(scanToken)(tx.Query(ctx, selectTokens+"order by name_key"))
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tokens: %w", err)
	}
	return list, nil
}

// tokenUse is how exactly the last use of a token is known: a write for every request would make
// readers wait for the database.
const tokenUse = time.Minute

// TokenBySecret returns the token that a program has shown and notes that it was used. Unknown,
// revoked and expired ones are [ErrNotFound].
func (s *Store) TokenBySecret(ctx context.Context, secret string) (Token, error) {
	t, err := read(ctx, s, func(tx *Tx) (Token, error) {
		return scanToken(tx.QueryRow(ctx, selectTokens+"where hash = $1", tokenHash(secret)))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return t, refuse(ErrNotFound, "", "the token is unknown or was revoked")
	}
	if err != nil {
		return t, fmt.Errorf("looking for a token: %w", err)
	}
	now := s.Now()
	if t.Expires != nil && !t.Expires.After(now) {
		return t, refuse(ErrNotFound, "", "token %s has expired", t.Name)
	}
	if t.Used != nil && now.Sub(*t.Used).Abs() < tokenUse || s.write == nil {
		return t, nil
	}
	err = s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update tokens set used_at = $1 where id = $2", now.UnixMilli(), t.ID)
		return err
	})
	if err != nil {
		return t, fmt.Errorf("noting the use of token %s: %w", t.Name, err)
	}
	t.Used = &now
	return t, nil
}

// RevokeToken takes a token away, by name or id.
func (s *Store) RevokeToken(ctx context.Context, by Actor, name string) (Token, error) {
	return write(ctx, s, func(tx *Tx) (Token, error) {
		list, err := collect(scanToken)(tx.Query(ctx, selectTokens+"order by name_key"+tx.s.dialect.lockRow))
		if err != nil {
			return Token{}, fmt.Errorf("reading the tokens: %w", err)
		}
		names := make([]string, len(list))
		for i, t := range list {
			if names[i] = t.Name; t.ID != name && directory.Key(t.Name) != directory.Key(name) {
				continue
			}
			if _, err := tx.Exec(ctx, "delete from tokens where id = $1", t.ID); err != nil {
				return t, fmt.Errorf("revoking token %s: %w", t.Name, err)
			}
			return t, tx.audit(ctx, by, "revoke", subject{"token", t.ID, t.Name}, tokenDocument(t), nil)
		}
		next := didYouMean(directory.Nearest(name, names, 3))
		if next == "" {
			next = "`muster token list` shows what there is"
		}
		return Token{}, refuse(ErrNotFound, next, "there is no token %s", name)
	})
}
