package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// A token lets in until it ends or is revoked; that it is used is written once a minute, and its secret
// never.
func TestTokens(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		var mu sync.Mutex
		now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		advance := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
		s, ctx := storetest.Open(t, c), t.Context()
		ends := now.Add(time.Hour)
		made, secret, err := s.CreateToken(ctx, admin, store.Token{Name: "CI", Role: "operator", Expires: &ends})
		must(t)(err)
		if _, _, err := s.CreateToken(ctx, admin, store.Token{Name: "ci", Role: "reader"}); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second token of that name: %v", err)
		}
		for _, name := range []string{"", " ", "a\nb", "a\x00b"} {
			if _, _, err := s.CreateToken(ctx, admin, store.Token{Name: name, Role: "reader"}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("a token named %q: %v", name, err)
			}
		}
		used := func() *time.Time {
			found, err := s.TokenBySecret(ctx, secret)
			if err != nil || found.ID != made.ID || found.Role != "operator" {
				t.Fatalf("shown %+v, %v", found, err)
			}
			return found.Used
		}
		first := used()
		advance(59 * time.Second)
		asked := s.Queries()
		if again := used(); !again.Equal(*first) || s.Queries() != asked+1 {
			t.Errorf("within a minute it is written again: %v, %d statements", again, s.Queries()-asked)
		}
		advance(time.Second)
		if later := used(); !later.After(*first) {
			t.Errorf("after a minute it was last used %v", later)
		}
		for _, table := range tables(t, s) {
			for _, row := range contents(t, s, "select * from "+table) {
				if strings.Contains(row, secret) {
					t.Errorf("table %s holds the token", table)
				}
			}
		}
		advance(time.Hour)
		if _, err := s.TokenBySecret(ctx, secret); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("an expired token: %v", err)
		}
		if _, err := s.RevokeToken(ctx, admin, "ic"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("revoking nobody's: %v", err)
		}
		_, err = s.RevokeToken(ctx, admin, "ci")
		must(t)(err)
		if _, err := s.TokenBySecret(ctx, secret); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a revoked token: %v", err)
		}
		list, err := s.Tokens(ctx)
		if err != nil || len(list) != 0 {
			t.Errorf("left are %v, %v", list, err)
		}
	})
}

// Of two requests with one key the second learns what became of the first, until a day is over; one whose
// process died may be sent again.
func TestAnswers(t *testing.T) {
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		var mu sync.Mutex
		now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		advance := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
		s, ctx := storetest.Open(t, c), t.Context()
		ask := func(owner, request string) *store.Answer {
			a, err := s.Ask(ctx, owner, "k", request)
			must(t)(err)
			return a
		}
		if a := ask("x", "r"); a != nil {
			t.Errorf("the first learns %+v", a)
		}
		if a := ask("x", "r"); a == nil || !a.Same || a.Text != "" {
			t.Errorf("meanwhile the second learns %+v", a)
		}
		if a := ask("y", "r"); a != nil {
			t.Errorf("another owner learns %+v", a)
		}
		must(t)(s.SaveAnswer(ctx, "x", "k", "done"))
		if a := ask("x", "other"); a == nil || a.Same {
			t.Errorf("another request learns %+v", a)
		}
		advance(11 * time.Minute)
		if a := ask("x", "r"); a == nil || a.Text != "done" {
			t.Errorf("later the same learns %+v", a)
		}
		if a := ask("y", "r"); a != nil {
			t.Errorf("after its process died, the same learns %+v", a)
		}
		advance(24 * time.Hour)
		if a := ask("x", "r"); a != nil {
			t.Errorf("after a day the same learns %+v", a)
		}
		must(t)(s.ForgetAnswer(ctx, "x", "k"))
		if a := ask("x", "r"); a != nil {
			t.Errorf("after it came to nothing, the same learns %+v", a)
		}
	})
}
