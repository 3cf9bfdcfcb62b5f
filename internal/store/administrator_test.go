package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// administrator adds an administrator who can sign in.
func administrator(t *testing.T, s *store.Store, name, role string) store.Administrator {
	t.Helper()
	a, err := s.AddAdministrator(t.Context(), admin, store.Administrator{Name: name, Role: role})
	must(t)(err)
	must(t)(s.SetPassword(t.Context(), admin, a, "hash", ""))
	return a
}

// Somebody has to be able to give rights: the last owner stays, and one who never came in counts for
// nobody.
func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		administrator(t, s, "Ada", "owner")
		_, err := s.AddAdministrator(ctx, admin, store.Administrator{Name: "invited", Role: "owner"})
		must(t)(err)
		administrator(t, s, "admin", "admin")
		if _, err := s.RemoveAdministrator(ctx, admin, "ada"); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("the last owner was removed: %v", err)
		}
		if _, err := s.SetAdministratorRole(ctx, admin, "ada", "admin"); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("the last owner was demoted: %v", err)
		}
		_, err = s.SetAdministratorRole(ctx, admin, "admin", "owner")
		must(t)(err)
		_, err = s.RemoveAdministrator(ctx, admin, "ada")
		must(t)(err)
		_, err = s.RemoveAdministrator(ctx, admin, "invited")
		must(t)(err)
	})
}

// Owners who demote each other at the same moment do not both succeed.
func TestOwnersDoNotDemoteEachOther(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := context.WithoutCancel(t.Context())
		const owners = 6
		for i := range owners {
			administrator(t, s, fmt.Sprintf("owner%d", i), "owner")
		}
		var wait sync.WaitGroup
		for i := range owners {
			wait.Go(func() {
				if i%2 == 0 {
					_, _ = s.SetAdministratorRole(ctx, admin, fmt.Sprintf("owner%d", i), "reader")
				} else {
					_, _ = s.RemoveAdministrator(ctx, admin, fmt.Sprintf("owner%d", i))
				}
			})
		}
		wait.Wait()
		list, err := s.Administrators(ctx)
		must(t)(err)
		left := 0
		for _, a := range list {
			if a.Role == "owner" {
				left++
			}
		}
		if left != 1 {
			t.Errorf("%d owners are left, want 1", left)
		}
	})
}

func TestAdministratorNames(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		administrator(t, s, " Ada@example.org ", "owner")
		for _, name := range []string{"ada@EXAMPLE.org", "", " ", "two\nlines", "a\x00b", string(make([]byte, 300))} {
			if a, err := s.AddAdministrator(ctx, admin, store.Administrator{Name: name, Role: "reader"}); err == nil {
				t.Errorf("%q was taken: %+v", name, a)
			}
		}
		if a, err := s.Administrator(ctx, "ADA@example.org"); err != nil || a.Name != "Ada@example.org" {
			t.Errorf("%+v, %v", a, err)
		}
		for _, name := range []string{"nobody", "a\x00b", ""} {
			if _, err := s.Administrator(ctx, name); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
			if _, _, err := s.PasswordOf(ctx, name); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

// A step that waits is taken by one, whichever node it comes to.
func TestChallengeIsTakenOnce(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := context.WithoutCancel(t.Context())
		token, err := s.BeginChallenge(ctx, "kind", map[string]string{"secret": "hush"}, time.Minute)
		must(t)(err)
		var doc map[string]string
		if err := s.Challenge(ctx, "other kind", token, &doc, true); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("as another kind: %v", err)
		}
		must(t)(s.Challenge(ctx, "kind", token, &doc, false))
		if doc["secret"] != "hush" {
			t.Errorf("it holds %v", doc)
		}
		for _, row := range contents(t, s, "select * from challenges") {
			if strings.Contains(row, "hush") || strings.Contains(row, token) {
				t.Errorf("it is kept in clear text: %s", row)
			}
		}
		var wait sync.WaitGroup
		var got [8]error
		for i := range got {
			wait.Go(func() {
				var mine map[string]string
				got[i] = s.Challenge(ctx, "kind", token, &mine, true)
			})
		}
		wait.Wait()
		taken := 0
		for _, err := range got {
			if err == nil {
				taken++
			}
		}
		if taken != 1 {
			t.Errorf("%d took it", taken)
		}
	})
}

// Nothing that a browser or a link holds, and no secret of an app, stands in the database.
func TestSignInKeepsNothingToSteal(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		a := administrator(t, s, "ada", "owner")
		session, err := s.BeginSession(ctx, admin, a, store.Session{Method: "password", Expires: s.Now().Add(time.Hour)}, "", "private")
		must(t)(err)
		must(t)(s.SetAuthenticator(ctx, admin, a, "APPSECRET", 1, []string{"RECOVERYCODE"}))
		if secret, err := s.AuthenticatorSecret(ctx, a); err != nil || secret != "APPSECRET" {
			t.Errorf("%q, %v", secret, err)
		}
		_, link, _, err := s.IssueLink(ctx, admin, "ada", false)
		must(t)(err)
		oidc := store.SingleSignOn{Issuer: "https://id.example.org", ClientID: "muster"}
		secret := "CLIENTSECRET"
		must(t)(s.SetSingleSignOn(ctx, admin, &oidc, &secret))
		for _, table := range tables(t, s) {
			for _, row := range contents(t, s, "select * from "+table) {
				for _, hidden := range []string{session, "APPSECRET", "RECOVERYCODE", link, "CLIENTSECRET"} {
					if strings.Contains(row, hidden) {
						t.Errorf("table %s holds %s", table, hidden)
					}
				}
			}
		}
		// The client secret goes to its issuer and to nobody else.
		oidc.Issuer = "https://evil.example"
		if err := s.SetSingleSignOn(ctx, admin, &oidc, nil); !errors.Is(err, store.ErrNeedsSecret) {
			t.Errorf("another issuer got the secret: %v", err)
		}
		if got, err := s.ClientSecret(ctx, &oidc); err == nil {
			t.Errorf("another issuer got %q", got)
		}
		// Whoever is removed leaves no way in.
		administrator(t, s, "grace", "owner")
		_, err = s.RemoveAdministrator(ctx, admin, "ada")
		must(t)(err)
		for _, table := range []string{"sessions", "one_time_links", "passkeys", "recovery_codes"} {
			if rows := contents(t, s, "select * from "+table); len(rows) > 0 {
				t.Errorf("table %s holds %v", table, rows)
			}
		}
	})
}

// Attempts that come at once are each counted, whichever node they come to.
func TestAttemptsAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := context.WithoutCancel(t.Context())
		var wait sync.WaitGroup
		var mu sync.Mutex
		let := 0
		for range 30 {
			wait.Go(func() {
				until, err := s.TrySignIn(ctx, []string{"account ada", "address x"}, func(_ int, f store.Failures) store.Failures {
					f.Count++
					if f.Count >= 4 {
						f.Until = s.Now().Add(time.Hour)
					}
					return f
				})
				if err != nil {
					t.Error(err)
				}
				if until.IsZero() {
					mu.Lock()
					let++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		if let != 4 {
			t.Errorf("%d attempts were let through, want 4", let)
		}
		must(t)(s.ForgetFailures(ctx, "account ada"))
		if until, err := s.TrySignIn(ctx, []string{"account ada"}, func(_ int, f store.Failures) store.Failures { return f }); err != nil || !until.IsZero() {
			t.Errorf("still blocked until %v, %v", until, err)
		}
	})
}

func TestPruneForgetsWhatLeadsNowhere(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		ctx := t.Context()
		now := time.Now()
		c.Clock = func() time.Time { return now }
		s := storetest.Open(t, c)
		a := administrator(t, s, "ada", "owner")
		for _, lasts := range []time.Duration{time.Hour, 90 * time.Hour} {
			_, err := s.BeginSession(ctx, admin, a, store.Session{Expires: now.Add(lasts)}, "", "")
			must(t)(err)
			_, err = s.BeginChallenge(ctx, "kind", 1, lasts)
			must(t)(err)
		}
		_, err := s.AddAdministrator(ctx, admin, store.Administrator{Name: "grace", Role: "reader"})
		must(t)(err)
		_, _, _, err = s.IssueLink(ctx, admin, "grace", false)
		must(t)(err)
		try := func(who string) {
			_, err := s.TrySignIn(ctx, []string{who}, func(_ int, f store.Failures) store.Failures { return f })
			must(t)(err)
		}
		try("long ago")
		now = now.Add(50 * time.Hour)
		try("lately")
		_, err = s.Prune(ctx)
		must(t)(err)
		for table, want := range map[string]int{"sessions": 1, "challenges": 1, "sign_in_failures": 1, "one_time_links": 1} {
			if rows := contents(t, s, "select * from "+table); len(rows) != want {
				t.Errorf("table %s holds %d rows, want %d: %v", table, len(rows), want, rows)
			}
		}
		now = now.Add(8 * 24 * time.Hour)
		_, err = s.Prune(ctx)
		must(t)(err)
		if rows := contents(t, s, "select * from one_time_links"); len(rows) > 0 {
			t.Errorf("an old link is still there: %v", rows)
		}
	})
}
