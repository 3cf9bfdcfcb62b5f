package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LinkKind is what a one-time link is for.
type LinkKind string

// The kinds of one-time links.
const (
	LinkSetUp      LinkKind = "set-up"     // makes the first owner
	LinkInvitation LinkKind = "invitation" // gives a new administrator a password
	LinkReset      LinkKind = "reset"      // gives an administrator another password
)

// linkLifetimes are how long links can be followed.
var linkLifetimes = map[LinkKind]time.Duration{LinkSetUp: 24 * time.Hour, LinkInvitation: 7 * 24 * time.Hour, LinkReset: 24 * time.Hour}

// OneTimeLink is a one-time link as its reader sees it before following it.
type OneTimeLink struct {
	Kind    LinkKind
	Admin   Administrator // none of a set-up
	Expires time.Time
}

// SetUpLink returns the token of a new set-up link while nobody can sign in as owner, "" otherwise.
// Those made before lead nowhere from then on. An owner whose invitation or reset waits counts.
func (s *Store) SetUpLink(ctx context.Context) (token string, expires time.Time, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		token = ""
		open, err := tx.needsOwner(ctx)
		if err != nil || !open {
			return err
		}
		if _, err := tx.Exec(ctx, "delete from one_time_links where kind = $1", LinkSetUp); err != nil {
			return fmt.Errorf("taking old links back: %w", err)
		}
		token, expires, err = tx.issueLink(ctx, LinkSetUp, "")
		return err
	})
	return token, expires, err
}

// needsOwner reports whether nobody can sign in as owner, and nobody has been sent a link to do so.
func (tx *Tx) needsOwner(ctx context.Context) (bool, error) {
	list, err := tx.administrators(ctx)
	if err != nil {
		return false, err
	}
	local, err := tx.localSignIn(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range list {
		if a.Role != ownerRole {
			continue
		}
		if a.CanSignIn(local) {
			return false, nil
		}
		var waiting int
		if err := tx.QueryRow(ctx, "select count(*) from one_time_links where admin_id = $1 and expires_at > $2", a.ID, tx.now()).Scan(&waiting); err != nil {
			return false, fmt.Errorf("looking for links: %w", err)
		}
		if waiting > 0 {
			return false, nil
		}
	}
	return true, nil
}

// IssueLink returns the token of a new link for an administrator; one made before leads nowhere from
// then on. A reset takes the password and every session at once, and with everything set also the
// authenticator app, the recovery codes and the passkeys.
func (s *Store) IssueLink(ctx context.Context, by Actor, name string, everything bool) (a Administrator, token string, expires time.Time, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		if a, err = tx.administrator(ctx, name); err != nil {
			return err
		}
		if a.Disabled {
			return refuse(ErrInvalid, "enable them first", "%s is disabled", a.Name)
		}
		if err := tx.localOnly(ctx); err != nil {
			return err
		}
		kind := LinkReset
		if !a.CanSignIn(true) && a.SignedIn == nil {
			kind = LinkInvitation
		}
		if _, err := tx.Exec(ctx, "delete from one_time_links where admin_id = $1", a.ID); err != nil {
			return fmt.Errorf("taking old links back: %w", err)
		}
		if err := tx.setAdministrator(ctx, a, "password = $1", nil); err != nil {
			return err
		}
		if err := tx.dropSessions(ctx, a.ID, ""); err != nil {
			return err
		}
		if everything {
			if err := tx.dropAuthenticator(ctx, a); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "delete from passkeys where admin_id = $1", a.ID); err != nil {
				return fmt.Errorf("forgetting the passkeys of %s: %w", a.Name, err)
			}
		}
		if token, expires, err = tx.issueLink(ctx, kind, a.ID); err != nil {
			return err
		}
		after := map[string]any{"link": kind, "expires": expires.Format(time.RFC3339)}
		if everything {
			after["second_factors"] = "removed"
		}
		return tx.audit(ctx, by, "issue link", a.subject(), nil, after)
	})
	return a, token, expires, err
}

func (tx *Tx) issueLink(ctx context.Context, kind LinkKind, adminID string) (string, time.Time, error) {
	token, expires := newToken(), tx.s.Now().Add(linkLifetimes[kind])
	return token, expires, tx.insert(ctx, "one_time_links", []string{"hash", "kind", "admin_id", "expires_at"}, [][]any{{digest(token), kind, null(adminID), expires.UnixMilli()}}, "")
}

// LinkOf returns what a token leads to without using it; [ErrNotFound] when it was used, has
// expired, or never was.
func (s *Store) LinkOf(ctx context.Context, token string) (OneTimeLink, error) {
	return read(ctx, s, func(tx *Tx) (OneTimeLink, error) { return tx.link(ctx, token) })
}

func (tx *Tx) link(ctx context.Context, token string) (l OneTimeLink, err error) {
	gone := refuse(ErrNotFound, "ask an owner for a new one", "this link has been used, has expired, or never was one")
	var admin string
	var expires sql.NullInt64
	err = tx.QueryRow(ctx, "select kind, coalesce(admin_id, ''), expires_at from one_time_links where hash = $1", digest(token)).Scan(&l.Kind, &admin, &expires)
	l.Expires = fromMillis(expires)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !l.Expires.After(tx.s.Now()) {
		return OneTimeLink{}, gone
	}
	if err == nil && admin != "" {
		l.Admin, err = tx.administrator(ctx, admin)
	}
	if err != nil {
		return OneTimeLink{}, fmt.Errorf("looking for a one-time link: %w", err)
	}
	return l, nil
}

// FollowLink uses a link, once: it gives the administrator a password, by its hash, and for a set-up
// makes the first owner, by name.
func (s *Store) FollowLink(ctx context.Context, via, token, name, hash string) (Administrator, error) {
	return write(ctx, s, func(tx *Tx) (Administrator, error) {
		l, err := tx.link(ctx, token)
		if err != nil {
			return l.Admin, err
		}
		if n, err := tx.Exec(ctx, "delete from one_time_links where hash = $1", digest(token)); err != nil || n != 1 {
			return l.Admin, errors.Join(err, refuse(ErrNotFound, "", "this link has just been used"))
		}
		if l.Kind == LinkSetUp {
			open, err := tx.needsOwner(ctx)
			if err != nil {
				return l.Admin, err
			}
			if !open {
				return l.Admin, refuse(ErrNotFound, "sign in", "Muster has an owner already")
			}
			return tx.addAdministrator(ctx, Actor{Via: via}, Administrator{Name: name, Role: ownerRole}, hash)
		}
		if err := tx.setAdministrator(ctx, l.Admin, "password = $1", hash); err != nil {
			return l.Admin, err
		}
		if err := tx.dropSessions(ctx, l.Admin.ID, ""); err != nil {
			return l.Admin, err
		}
		l.Admin.Password, l.Admin.Invited = true, false
		return l.Admin, tx.audit(ctx, Actor{Name: l.Admin.Name, Via: via}, "follow link", l.Admin.subject(), nil, map[string]any{"link": l.Kind})
	})
}

// BeginChallenge keeps what a step of signing in has to know when the next one comes, sealed, and
// returns what the browser is to hold meanwhile.
func (s *Store) BeginChallenge(ctx context.Context, kind string, data any, lifetime time.Duration) (token string, err error) {
	text, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("keeping a challenge: %w", err)
	}
	token = newToken()
	return token, s.Write(ctx, func(tx *Tx) error {
		key, err := tx.sealingKey()
		if err != nil {
			return err
		}
		sealed, err := seal(key, text, challengeContext(kind, token))
		if err != nil {
			return fmt.Errorf("keeping a challenge: %w", err)
		}
		// Those that nobody came back for go with the next one that is made.
		if _, err := tx.Exec(ctx, "delete from challenges where expires_at <= $1", tx.now()); err != nil {
			return fmt.Errorf("forgetting old challenges: %w", err)
		}
		return tx.insert(ctx, "challenges", []string{"hash", "kind", "data", "expires_at"}, [][]any{{digest(token), kind, sealed, s.Now().Add(lifetime).UnixMilli()}}, "")
	})
}

func challengeContext(kind, token string) string {
	return "muster challenge\x00" + kind + "\x00" + digest(token)
}

// Challenge reads what was kept into data; with take set nobody else gets it. One that was taken,
// has expired, or is of another kind is [ErrNotFound].
func (s *Store) Challenge(ctx context.Context, kind, token string, data any, take bool) error {
	gone := refuse(ErrNotFound, "begin again", "this took too long, or was done already")
	if token == "" {
		return gone
	}
	const which = " from challenges where hash = $1 and kind = $2 and expires_at > $3"
	run, query := read[string], "select data"+which
	if take {
		run, query = write[string], "delete"+which+" returning data"
	}
	sealed, err := run(ctx, s, func(tx *Tx) (string, error) {
		return one[string](tx.QueryRow(ctx, query, digest(token), kind, tx.now()))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return gone
	}
	if err != nil {
		return fmt.Errorf("reading a challenge: %w", err)
	}
	key, err := s.theKey()
	if err != nil {
		return err
	}
	text, err := unseal(key, sealed, challengeContext(kind, token))
	if err != nil {
		return fmt.Errorf("opening a challenge: %w", err)
	}
	return json.Unmarshal(text, data)
}

// Failures is how often signing in failed for one account or address, one after the other.
type Failures struct {
	Count int64
	Last  time.Time // zero when there was none
	Until time.Time // before then nobody is let try
}

// TrySignIn asks whether another attempt may be made for all of some accounts and addresses, and
// counts it for each as if it had failed, by next: attempts that come at the same time cannot get
// past the limit together. The time returned is when to try again, zero when now is right.
func (s *Store) TrySignIn(ctx context.Context, subjects []string, next func(i int, f Failures) Failures) (time.Time, error) {
	blocked, err := read(ctx, s, func(tx *Tx) (time.Time, error) { // a flood of attempts is refused without writing
		list, err := tx.failures(ctx, subjects, "")
		return latest(list, s.Now()), err
	})
	if err != nil || !blocked.IsZero() {
		return blocked, err
	}
	return write(ctx, s, func(tx *Tx) (time.Time, error) {
		for _, subject := range subjects {
			err := tx.insert(ctx, "sign_in_failures", []string{"subject", "failures", "last_at", "blocked_until"}, [][]any{{digest(subject), 0, tx.now(), 0}}, "on conflict (subject) do nothing")
			if err != nil {
				return time.Time{}, err
			}
		}
		list, err := tx.failures(ctx, subjects, tx.s.dialect.lockRow)
		if err != nil {
			return time.Time{}, err
		}
		if blocked := latest(list, s.Now()); !blocked.IsZero() {
			return blocked, nil
		}
		for i, subject := range subjects {
			f := next(i, list[i])
			if _, err := tx.Exec(ctx, "update sign_in_failures set failures = $1, last_at = $2, blocked_until = $3 where subject = $4", f.Count, tx.now(), f.Until.UnixMilli(), digest(subject)); err != nil {
				return time.Time{}, fmt.Errorf("counting attempts: %w", err)
			}
		}
		return time.Time{}, nil
	})
}

// latest is the last of the times before which somebody is blocked, zero when none is to come.
func latest(list []Failures, now time.Time) (until time.Time) {
	for _, f := range list {
		if f.Until.After(now) && f.Until.After(until) {
			until = f.Until
		}
	}
	return until
}

func (tx *Tx) failures(ctx context.Context, subjects []string, lock string) ([]Failures, error) {
	list := make([]Failures, len(subjects))
	for i, subject := range subjects {
		var last, until sql.NullInt64
		err := tx.QueryRow(ctx, "select failures, last_at, blocked_until from sign_in_failures where subject = $1"+lock, digest(subject)).Scan(&list[i].Count, &last, &until)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("reading failed attempts: %w", err)
		}
		list[i].Last, list[i].Until = fromMillis(last), fromMillis(until)
	}
	return list, nil
}

// TakeBack takes one attempt back that [Store.TrySignIn] counted, for an address from which it
// succeeded: others may have failed from there.
func (s *Store) TakeBack(ctx context.Context, subject string) error {
	return s.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "update sign_in_failures set failures = failures - 1, blocked_until = 0 where subject = $1 and failures > 0", digest(subject))
		return err
	})
}

// ForgetFailures takes back all that [Store.TrySignIn] counted for accounts that got in.
func (s *Store) ForgetFailures(ctx context.Context, subjects ...string) error {
	return s.Write(ctx, func(tx *Tx) error {
		for _, subject := range subjects {
			if _, err := tx.Exec(ctx, "delete from sign_in_failures where subject = $1", digest(subject)); err != nil {
				return fmt.Errorf("forgetting failed attempts: %w", err)
			}
		}
		return nil
	})
}

const publicURLSetting = "public_url"

// SetPublicURL remembers where people reach the console, for links that are made elsewhere.
func (s *Store) SetPublicURL(ctx context.Context, base string) error {
	if have, err := s.Setting(ctx, publicURLSetting); err != nil || have == base {
		return err
	}
	return s.SetSetting(ctx, publicURLSetting, base)
}

// PublicURL returns where people reach the console, without a slash at the end, or "".
func (s *Store) PublicURL(ctx context.Context) (string, error) {
	return s.Setting(ctx, publicURLSetting)
}

// failuresKept is how long failed attempts are remembered at the least: longer than whoever counts
// them looks back.
const failuresKept = 48 * time.Hour

// pruneDoors removes what leads nowhere any more: sessions, links and steps that have ended, and
// attempts that nobody counts.
func (s *Store) pruneDoors(ctx context.Context, now time.Time) (total int64, err error) {
	for statement, before := range map[string]time.Time{
		"delete from sessions where expires_at < $1":                             now,
		"delete from one_time_links where expires_at < $1":                       now,
		"delete from challenges where expires_at < $1":                           now,
		"delete from sign_in_failures where last_at < $1 and blocked_until < $1": now.Add(-failuresKept),
	} {
		n, err := write(ctx, s, func(tx *Tx) (int64, error) { return tx.Exec(ctx, statement, before.UnixMilli()) })
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
