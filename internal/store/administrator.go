package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/muster-id/muster/internal/directory"
)

// Administrator is somebody who may use the console. What they prove it with is never in here.
type Administrator struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Role          string     `json:"role"`
	Password      bool       `json:"password"`          // has one
	Authenticator bool       `json:"authenticator_app"` // has one, and is asked for its code
	Passkeys      int        `json:"passkeys"`
	RecoveryCodes int        `json:"recovery_codes"` // that are left
	Issuer        string     `json:"issuer"`         // of the identity provider that they are linked to, or ""
	Subject       string     `json:"-"`              // who they are there
	Invited       bool       `json:"invited"`        // a one-time link waits for them
	Disabled      bool       `json:"disabled"`       // does not get in until somebody enables them
	Created       time.Time  `json:"created"`
	SignedIn      *time.Time `json:"last_sign_in"` // null before the first time
}

// Version names what another owner may have changed of somebody's rights since they were read, as an entity tag.
func (a Administrator) Version() string {
	state := a.Role
	if a.Disabled {
		state += " disabled"
	}
	return `"` + state + `"`
}

// CanSignIn reports whether there is a way in: somebody invited has none until they follow the link, and
// without local sign-in single sign-on alone is one.
func (a Administrator) CanSignIn(local bool) bool {
	return !a.Disabled && (a.Issuer != "" || local && (a.Password || a.Passkeys > 0))
}

func (a Administrator) subject() subject { return subject{"administrator", a.ID, a.Name} }

// ownerRole is the role that somebody must always have.
const ownerRole = "owner"

const administratorColumns = `a.id, a.name, a.role, a.password is not null, a.totp_step is not null,
	(select count(*) from passkeys p where p.admin_id = a.id), (select count(*) from recovery_codes c where c.admin_id = a.id),
	coalesce(a.issuer, ''), coalesce(a.subject, ''), exists (select 1 from one_time_links l where l.admin_id = a.id), a.disabled_at is not null, a.created_at, a.signed_in_at`

const selectAdministrators = "select " + administratorColumns + " from administrators a "

// into returns where the columns of an administrator are scanned to, and what is to be called after.
func (a *Administrator) into() (dest []any, done func()) {
	var created, signedIn sql.NullInt64
	dest = []any{&a.ID, &a.Name, &a.Role, &a.Password, &a.Authenticator, &a.Passkeys, &a.RecoveryCodes, &a.Issuer, &a.Subject, &a.Invited, &a.Disabled, &created, &signedIn}
	return dest, func() {
		a.Created = fromMillis(created)
		if signedIn.Valid {
			at := fromMillis(signedIn)
			a.SignedIn = &at
		}
	}
}

func scanAdministrator(row scanner) (a Administrator, err error) {
	dest, done := a.into()
	err = row.Scan(dest...)
	done()
	return a, err
}

// Administrators returns all administrators by name.
func (s *Store) Administrators(ctx context.Context) ([]Administrator, error) {
	return read(ctx, s, func(tx *Tx) ([]Administrator, error) { return tx.administrators(ctx) })
}

func (tx *Tx) administrators(ctx context.Context) ([]Administrator, error) {
	list, err := collect(scanAdministrator)(tx.Query(ctx, selectAdministrators+"order by a.name_key"))
	if err != nil {
		return nil, fmt.Errorf("reading the administrators: %w", err)
	}
	return list, nil
}

// Administrator returns one administrator, by name or id.
func (s *Store) Administrator(ctx context.Context, name string) (Administrator, error) {
	return read(ctx, s, func(tx *Tx) (Administrator, error) { return tx.administrator(ctx, name) })
}

func (tx *Tx) administrator(ctx context.Context, name string) (Administrator, error) {
	key := directory.Key(name)
	if !storable(name) {
		key = ""
	}
	a, err := scanAdministrator(tx.QueryRow(ctx, selectAdministrators+"where a.id = $1 or a.name_key = $1", key))
	if errors.Is(err, sql.ErrNoRows) {
		var names []string
		list, err := tx.administrators(ctx)
		for _, known := range list {
			names = append(names, known.Name)
		}
		next := didYouMean(directory.Nearest(name, names, 3))
		if next == "" {
			next = "`muster admin list` shows whom there is"
		}
		return Administrator{}, errors.Join(err, refuse(ErrNotFound, next, "there is no administrator %s", name))
	}
	if err != nil {
		return a, fmt.Errorf("reading an administrator: %w", err)
	}
	return a, nil
}

// AdministratorOf returns the administrator who is linked to a person at an identity provider, or
// [ErrNotFound].
func (s *Store) AdministratorOf(ctx context.Context, issuer, subject string) (Administrator, error) {
	a, err := read(ctx, s, func(tx *Tx) (Administrator, error) {
		return scanAdministrator(tx.QueryRow(ctx, selectAdministrators+"where a.issuer = $1 and a.subject = $2", issuer, subject))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return a, refuse(ErrNotFound, "", "no administrator is linked to that account")
	}
	if err != nil {
		return a, fmt.Errorf("looking for an administrator: %w", err)
	}
	return a, nil
}

// AddAdministrator adds somebody by name and role, linked to an identity provider where issuer and
// subject are given. Without them nobody gets in by that name until [Store.IssueLink] and
// [Store.FollowLink] have given them a password.
func (s *Store) AddAdministrator(ctx context.Context, by Actor, a Administrator) (Administrator, error) {
	return write(ctx, s, func(tx *Tx) (Administrator, error) { return tx.addAdministrator(ctx, by, a, "") })
}

func (tx *Tx) addAdministrator(ctx context.Context, by Actor, a Administrator, password string) (Administrator, error) {
	name, err := administratorName(a.Name)
	if err != nil {
		return a, err
	}
	if same, err := tx.administrator(ctx, name); err == nil {
		return a, refuse(ErrExists, "take another name", "there is already an administrator %s", same.Name)
	} else if !errors.Is(err, ErrNotFound) {
		return a, err
	}
	if a.Issuer == "" && password == "" { // only a link would let them in
		if err := tx.localOnly(ctx); err != nil {
			return a, err
		}
	}
	a = Administrator{ID: newID(), Name: name, Role: a.Role, Password: password != "", Issuer: a.Issuer, Subject: a.Subject, Created: tx.s.Now()}
	if by.Name == "" && by.Via != "" { // who sets Muster up, and who comes from an identity provider, is who is added
		by.Name = name
	}
	err = tx.insert(ctx, "administrators", []string{"id", "name", "name_key", "role", "password", "issuer", "subject", "created_at"},
		[][]any{{a.ID, a.Name, directory.Key(a.Name), a.Role, null(password), null(a.Issuer), null(a.Subject), a.Created.UnixMilli()}}, "")
	if err != nil {
		return a, err
	}
	after := map[string]any{"role": a.Role}
	if a.Issuer != "" {
		after["issuer"] = a.Issuer
	}
	return a, tx.audit(ctx, by, "create", a.subject(), nil, after)
}

// SetAdministratorRole gives somebody another role and ends their sessions: rights that are taken
// are gone at once. The last owner stays one.
func (s *Store) SetAdministratorRole(ctx context.Context, by Actor, name, role string) (Administrator, error) {
	return s.SetAdministratorRoleIf(ctx, by, "", name, role)
}

// SetAdministratorRoleIf is [Store.SetAdministratorRole] while their rights are at a version that match names, as If-Match writes
// them, see [Administrator.Version]: an edit over that of another owner is refused. "" asks for nothing.
func (s *Store) SetAdministratorRoleIf(ctx context.Context, by Actor, match, name, role string) (Administrator, error) {
	return write(ctx, s, func(tx *Tx) (Administrator, error) {
		if err := tx.LockSettings(ctx); err != nil {
			return Administrator{}, err
		}
		a, err := tx.administrator(ctx, name)
		if err != nil {
			return a, err
		}
		if match != "" {
			if err := sameVersion(match, a.Version(), "what "+a.Name+" may do"); err != nil {
				return a, err
			}
		}
		if a.Role == role {
			return a, nil
		}
		if err := tx.mustLeaveOwner(ctx, a, "stay owner"); err != nil {
			return a, err
		}
		if _, err := tx.Exec(ctx, "update administrators set role = $1 where id = $2", role, a.ID); err != nil {
			return a, fmt.Errorf("changing the role of %s: %w", a.Name, err)
		}
		if err := tx.dropSessions(ctx, a.ID, ""); err != nil {
			return a, err
		}
		before := map[string]any{"role": a.Role}
		a.Role = role
		return a, tx.audit(ctx, by, "update", a.subject(), before, map[string]any{"role": role})
	})
}

// DisableAdministrator keeps somebody out, or lets them in again. What they sign in with stays; their
// sessions and links end at once. The last owner is not disabled.
func (s *Store) DisableAdministrator(ctx context.Context, by Actor, name string, disabled bool) (Administrator, error) {
	return write(ctx, s, func(tx *Tx) (Administrator, error) {
		a, err := tx.administrator(ctx, name)
		if err != nil || a.Disabled == disabled {
			return a, err
		}
		action, at := "enable", any(nil)
		if disabled {
			action, at = "disable", tx.now()
			if err := tx.mustLeaveOwner(ctx, a, "stay"); err != nil {
				return a, err
			}
		}
		if err := tx.setAdministrator(ctx, a, "disabled_at = $1", at); err != nil {
			return a, err
		}
		if disabled {
			if err := tx.dropSessions(ctx, a.ID, ""); err != nil {
				return a, err
			}
			if _, err := tx.Exec(ctx, "delete from one_time_links where admin_id = $1", a.ID); err != nil {
				return a, fmt.Errorf("taking the links of %s back: %w", a.Name, err)
			}
			a.Invited = false
		}
		a.Disabled = disabled
		return a, tx.audit(ctx, by, action, a.subject(), nil, nil)
	})
}

// RemoveAdministrator removes somebody with everything that lets them in: their sessions end. The
// last owner stays.
func (s *Store) RemoveAdministrator(ctx context.Context, by Actor, name string) (Administrator, error) {
	return write(ctx, s, func(tx *Tx) (Administrator, error) {
		a, err := tx.administrator(ctx, name)
		if err != nil {
			return a, err
		}
		if err := tx.mustLeaveOwner(ctx, a, "stay"); err != nil {
			return a, err
		}
		for _, part := range []string{
			"delete from sessions where admin_id = $1", "delete from one_time_links where admin_id = $1", "delete from passkeys where admin_id = $1",
			"delete from recovery_codes where admin_id = $1", "delete from secrets where app_id = $1", "delete from administrators where id = $1",
		} {
			if _, err := tx.Exec(ctx, part, a.ID); err != nil {
				return a, fmt.Errorf("removing administrator %s: %w", a.Name, err)
			}
		}
		return a, tx.audit(ctx, by, "delete", a.subject(), map[string]any{"role": a.Role}, nil)
	})
}

// mustLeaveOwner refuses to take the last owner who can sign in. The owners' rows are locked, so that
// two owners cannot demote each other at the same moment.
func (tx *Tx) mustLeaveOwner(ctx context.Context, a Administrator, stay string) error {
	local, err := tx.localSignIn(ctx)
	if err != nil || a.Role != ownerRole || !a.CanSignIn(local) {
		return err
	}
	owners, err := collect(one[string])(tx.Query(ctx, "select id from administrators where role = '"+ownerRole+"' order by id"+tx.s.dialect.lockRow))
	if err != nil {
		return fmt.Errorf("counting the owners: %w", err)
	}
	for _, id := range owners {
		if id == a.ID {
			continue
		}
		if other, err := tx.administrator(ctx, id); err != nil {
			return err
		} else if other.CanSignIn(local) {
			return nil
		}
	}
	return refuse(ErrInvalid, "make somebody else owner first; an invitation counts once it has been accepted", "%s is the last owner who can sign in, and has to %s", a.Name, stay)
}

// administratorName checks and trims a name: what people sign in with, often their e-mail address.
func administratorName(name string) (string, error) {
	if name = strings.TrimSpace(name); name == "" || len(name) > 254 || !storable(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", refuse(ErrInvalid, "take the e-mail address, for example", "an administrator needs a name of one line and at most 254 bytes")
	}
	return name, nil
}
