package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/directory"
)

// digest is what the store keeps of something that a browser or a person holds, and that is too long
// to be guessed.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// PasswordOf returns the administrator of a name with the hash of the password, "" when there is
// none, or [ErrNotFound].
func (s *Store) PasswordOf(ctx context.Context, name string) (a Administrator, hash string, err error) {
	if !storable(name) {
		return a, "", refuse(ErrNotFound, "", "there is no such administrator")
	}
	err = s.Read(ctx, func(tx *Tx) error {
		dest, done := a.into()
		defer done()
		return tx.QueryRow(ctx, "select "+administratorColumns+", coalesce(a.password, '') from administrators a where a.name_key = $1", directory.Key(name)).Scan(append(dest, &hash)...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return a, "", refuse(ErrNotFound, "", "there is no such administrator")
	}
	if err != nil {
		return a, "", fmt.Errorf("reading a password's hash: %w", err)
	}
	return a, hash, nil
}

// SetPassword keeps the hash of a new password. Every session but the one named ends.
func (s *Store) SetPassword(ctx context.Context, by Actor, a Administrator, hash, keepSession string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.setAdministrator(ctx, a, "password = $1", hash); err != nil {
			return err
		}
		if err := tx.dropSessions(ctx, a.ID, keepSession); err != nil {
			return err
		}
		return tx.audit(ctx, by, "change password", a.subject(), nil, nil)
	})
}

// Rehash keeps another hash of the same password, unless the password has changed meanwhile.
func (s *Store) Rehash(ctx context.Context, id, old, hash string) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update administrators set password = $1 where id = $2 and password = $3", hash, id, old)
		return err
	})
}

// setAdministrator changes a column of somebody who is there.
func (tx *Tx) setAdministrator(ctx context.Context, a Administrator, set string, value any) error {
	n, err := tx.Exec(ctx, "update administrators set "+set+" where id = $2", value, a.ID)
	if err != nil {
		return fmt.Errorf("changing administrator %s: %w", a.Name, err)
	}
	if n == 0 {
		return refuse(ErrNotFound, "", "administrator %s has been removed", a.Name)
	}
	return nil
}

// The sealed secret of an authenticator app stands among the secrets, under its administrator's id.
const (
	authenticatorSecret = "authenticator app"
	authenticatorOrigin = "muster://authenticator" // it is sent nowhere
)

// SetAuthenticator keeps an authenticator app's secret, the step of the code that proved it, and the
// recovery codes that go with it, in place of what there was.
func (s *Store) SetAuthenticator(ctx context.Context, by Actor, a Administrator, secret string, step int64, codes []string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.setAdministrator(ctx, a, "totp_step = $1", step); err != nil {
			return err
		}
		if _, err := tx.keepSecret(ctx, a.ID, authenticatorSecret, authenticatorOrigin, secret); err != nil {
			return err
		}
		if err := tx.putRecoveryCodes(ctx, a, codes); err != nil {
			return err
		}
		return tx.audit(ctx, by, "add authenticator app", a.subject(), nil, nil)
	})
}

// AuthenticatorSecret returns the secret of an administrator's app.
func (s *Store) AuthenticatorSecret(ctx context.Context, a Administrator) (string, error) {
	return s.Secret(ctx, a.ID, authenticatorSecret, authenticatorOrigin)
}

// UseStep notes that the code of a step was used, and reports whether it is newer than every one
// used before: each code lets somebody in once.
func (s *Store) UseStep(ctx context.Context, id string, step int64) (bool, error) {
	n, err := write(ctx, s, func(tx *Tx) (int64, error) {
		return tx.Exec(ctx, "update administrators set totp_step = $1 where id = $2 and totp_step < $1", step, id)
	})
	if err != nil {
		return false, fmt.Errorf("noting the use of a code: %w", err)
	}
	return n == 1, nil
}

// RemoveAuthenticator forgets an administrator's app and recovery codes.
func (s *Store) RemoveAuthenticator(ctx context.Context, by Actor, a Administrator) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.dropAuthenticator(ctx, a); err != nil {
			return err
		}
		return tx.audit(ctx, by, "remove authenticator app", a.subject(), nil, nil)
	})
}

func (tx *Tx) dropAuthenticator(ctx context.Context, a Administrator) error {
	if err := tx.setAdministrator(ctx, a, "totp_step = $1", nil); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "delete from secrets where app_id = $1 and name = $2", a.ID, authenticatorSecret); err != nil {
		return fmt.Errorf("forgetting the authenticator app of %s: %w", a.Name, err)
	}
	return tx.putRecoveryCodes(ctx, a, nil)
}

// SetRecoveryCodes keeps new recovery codes in place of those there were.
func (s *Store) SetRecoveryCodes(ctx context.Context, by Actor, a Administrator, codes []string) error {
	return s.Write(ctx, func(tx *Tx) error {
		if err := tx.putRecoveryCodes(ctx, a, codes); err != nil {
			return err
		}
		return tx.audit(ctx, by, "new recovery codes", a.subject(), nil, map[string]any{"codes": len(codes)})
	})
}

func (tx *Tx) putRecoveryCodes(ctx context.Context, a Administrator, codes []string) error {
	if _, err := tx.Exec(ctx, "delete from recovery_codes where admin_id = $1", a.ID); err != nil {
		return fmt.Errorf("forgetting the recovery codes of %s: %w", a.Name, err)
	}
	rows := make([][]any, len(codes))
	for i, code := range codes {
		rows[i] = []any{digest(a.ID, code), a.ID}
	}
	return tx.insert(ctx, "recovery_codes", []string{"hash", "admin_id"}, rows, "")
}

// UseRecoveryCode takes a recovery code away and reports whether it was there.
func (s *Store) UseRecoveryCode(ctx context.Context, by Actor, a Administrator, code string) (bool, error) {
	return write(ctx, s, func(tx *Tx) (bool, error) {
		n, err := tx.Exec(ctx, "delete from recovery_codes where hash = $1", digest(a.ID, code))
		if err != nil || n == 0 {
			return false, err
		}
		return true, tx.audit(ctx, by, "use recovery code", a.subject(), nil, map[string]any{"left": a.RecoveryCodes - 1})
	})
}

// Passkey is one that an administrator registered.
type Passkey struct {
	ID         string // of the credential, base64url
	AdminID    string
	Name       string // given by the administrator
	Credential []byte // JSON
	Created    time.Time
	Used       time.Time // zero before the first time
}

const selectPasskeys = "select id, admin_id, name, credential, created_at, used_at from passkeys "

func scanPasskey(row scanner) (p Passkey, err error) {
	var created, used sql.NullInt64
	err = row.Scan(&p.ID, &p.AdminID, &p.Name, &p.Credential, &created, &used)
	p.Created, p.Used = fromMillis(created), fromMillis(used)
	return p, err
}

// Passkeys returns those of one administrator, the oldest first.
func (s *Store) Passkeys(ctx context.Context, adminID string) ([]Passkey, error) {
	list, err := read(ctx, s, func(tx *Tx) ([]Passkey, error) {
		return collect(scanPasskey)(tx.Query(ctx, selectPasskeys+"where admin_id = $1 order by created_at, id", adminID))
	})
	if err != nil {
		return nil, fmt.Errorf("reading passkeys: %w", err)
	}
	return list, nil
}

// AddPasskey keeps a new passkey.
func (s *Store) AddPasskey(ctx context.Context, by Actor, a Administrator, p Passkey) error {
	return s.Write(ctx, func(tx *Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "select count(*) from passkeys where id = $1", p.ID).Scan(&n); err != nil {
			return fmt.Errorf("looking for a passkey: %w", err)
		}
		if n > 0 {
			return refuse(ErrExists, "use another device", "this passkey is already registered")
		}
		err := tx.insert(ctx, "passkeys", []string{"id", "admin_id", "name", "credential", "created_at"}, [][]any{{p.ID, a.ID, p.Name, string(p.Credential), tx.now()}}, "")
		if err != nil {
			return err
		}
		return tx.audit(ctx, by, "add passkey", a.subject(), nil, map[string]any{"passkey": p.Name})
	})
}

// UsePasskey keeps what a passkey's signature changed of it: its counter and flags.
func (s *Store) UsePasskey(ctx context.Context, id string, credential []byte) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update passkeys set credential = $1, used_at = $2 where id = $3", string(credential), tx.now(), id)
		return err
	})
}

// RemovePasskey forgets one passkey of an administrator.
func (s *Store) RemovePasskey(ctx context.Context, by Actor, a Administrator, id string) error {
	return s.Write(ctx, func(tx *Tx) error {
		var name string
		err := tx.QueryRow(ctx, "select name from passkeys where id = $1 and admin_id = $2", id, a.ID).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(ErrNotFound, "", "there is no such passkey")
		}
		if err != nil {
			return fmt.Errorf("looking for a passkey: %w", err)
		}
		if _, err := tx.Exec(ctx, "delete from passkeys where id = $1", id); err != nil {
			return fmt.Errorf("forgetting a passkey: %w", err)
		}
		return tx.audit(ctx, by, "remove passkey", a.subject(), map[string]any{"passkey": name}, nil)
	})
}

// SetIdentity links an administrator to who they are at an identity provider; empty texts unlink.
func (s *Store) SetIdentity(ctx context.Context, by Actor, a Administrator, issuer, subject string) error {
	return s.Write(ctx, func(tx *Tx) error {
		var other string
		err := tx.QueryRow(ctx, "select name from administrators where issuer = $1 and subject = $2 and id <> $3", issuer, subject, a.ID).Scan(&other)
		if err == nil {
			return refuse(ErrExists, "remove that administrator first", "that account of the identity provider belongs to administrator %s", other)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("looking for an administrator: %w", err)
		}
		if err := tx.setAdministrator(ctx, a, "issuer = $1", null(issuer)); err != nil {
			return err
		}
		if err := tx.setAdministrator(ctx, a, "subject = $1", null(subject)); err != nil {
			return err
		}
		return tx.audit(ctx, by, "link identity", a.subject(), map[string]any{"issuer": a.Issuer}, map[string]any{"issuer": issuer})
	})
}
