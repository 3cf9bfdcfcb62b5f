package signin_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
)

func TestFirstOwnerComesInBySetUpLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	url, expires, err := w.gate.SetUpLink(w.ctx)
	w.ok(err)
	token := strings.TrimPrefix(url, "https://muster.example.org/link/")
	if token == url || !expires.Equal(w.store.Now().Add(24*time.Hour)) {
		t.Fatalf("link %q until %v", url, expires)
	}
	_, err = w.gate.FollowLink(w.ctx, w.here, token, "ada@example.org", "short")
	w.refused(err, "at least 12")
	_, err = w.gate.FollowLink(w.ctx, w.here, token, " ", good)
	w.refused(err, "needs a name")
	in, err := w.gate.FollowLink(w.ctx, w.here, token, "ada@example.org", good)
	w.ok(err)
	if v := w.visitor(in); v.Admin.Role != "owner" || v.Admin.Name != "ada@example.org" {
		t.Errorf("%+v came in", v.Admin)
	}
	_, err = w.gate.FollowLink(w.ctx, w.here, token, "eve@example.org", good)
	w.refused(err, "has been used")
	if again, _, err := w.gate.SetUpLink(w.ctx); again != "" || err != nil {
		t.Errorf("there is an owner, and still the link %q, %v", again, err)
	}
}

func TestSetUpLinkEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	first, _, err := w.gate.SetUpLink(w.ctx)
	w.ok(err)
	second, _, err := w.gate.SetUpLink(w.ctx)
	w.ok(err)
	_, token, _ := strings.Cut(first, "/link/")
	_, err = w.gate.Link(w.ctx, token)
	w.refused(err, "has been used") // the second start took it back
	_, token, _ = strings.Cut(second, "/link/")
	_, err = w.gate.Link(w.ctx, token)
	w.ok(err)
	w.clock.pass(24 * time.Hour)
	_, err = w.gate.FollowLink(w.ctx, w.here, token, "eve", good)
	w.refused(err, "expired")
	if third, _, err := w.gate.SetUpLink(w.ctx); third == "" || err != nil {
		t.Errorf("no new link: %v", err)
	}
}

// Two people who were given the same link: one of them gets in.
func TestLinkIsFollowedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	url, _, err := w.gate.SetUpLink(w.ctx)
	w.ok(err)
	_, token, _ := strings.Cut(url, "/link/")
	var wait sync.WaitGroup
	got := make([]error, 8)
	for i := range got {
		wait.Go(func() {
			_, got[i] = w.gate.FollowLink(context.WithoutCancel(w.ctx), w.here, token, fmt.Sprintf("admin%d", i), good)
		})
	}
	wait.Wait()
	in := 0
	for _, err := range got {
		if err == nil {
			in++
		} else {
			w.refused(err, "")
		}
	}
	if list, err := w.store.Administrators(w.ctx); in != 1 || len(list) != 1 || err != nil {
		t.Errorf("%d got in, %d administrators, %v", in, len(list), err)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	try := func(name, password string, from int) error {
		c := signin.Client{Address: netip.AddrFrom4([4]byte{198, 51, byte(from >> 8), byte(from)})}
		_, err := w.gate.Password(w.ctx, c, name, password)
		return err
	}
	// Each attempt from another address: the account is what slows down. A name that nobody has
	// answers word for word the same.
	for i := range 5 {
		known, unknown := try("ada", "wrong", i), try("nobody", "wrong", 100+i)
		if w.refused(known, "not right").Error() != w.refused(unknown, "not right").Error() {
			t.Fatalf("the name shows: %v, %v", known, unknown)
		}
	}
	for from, name := range []string{"ada", "ADA ", "nobody"} {
		r := w.refused(try(name, good, 200+from), "Too many attempts. Try again in 30 seconds.")
		if r.Retry != 30*time.Second {
			t.Errorf("%s is to wait %v", name, r.Retry)
		}
	}
	w.clock.pass(30*time.Second - time.Millisecond)
	w.refused(try("ada", good, 300), "Too many attempts")
	w.clock.pass(time.Millisecond)
	w.refused(try("ada", "wrong", 301), "not right")
	if r := w.refused(try("ada", good, 302), "Too many"); r.Retry != time.Minute {
		t.Errorf("the second pause is %v", r.Retry)
	}
	// It grows to a quarter of an hour and no further: about a hundred guesses a day.
	var last time.Duration
	for range 8 {
		w.clock.pass(15 * time.Minute)
		w.refused(try("ada", "wrong", 303), "not right")
		last = w.refused(try("ada", good, 304), "Too many").Retry
	}
	if last != 15*time.Minute {
		t.Errorf("the longest pause is %v", last)
	}
	// The right password ends it, and all is forgotten.
	w.clock.pass(15 * time.Minute)
	w.ok(try("ada", good, 305))
	for range 4 {
		w.refused(try("ada", "wrong", 306), "not right")
	}
	w.ok(try("ada", good, 307))
	if n := w.audited("fail to sign in"); n != 5+5+1+8+4 {
		t.Errorf("the audit log has %d failures", n)
	}
}

// Guessing one password for many names comes from somewhere.
func TestAddressIsSlowedDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	attacker := func(i int) signin.Client {
		return signin.Client{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i+1))} // one /64
	}
	for i := range 30 {
		_, err := w.gate.Password(w.ctx, attacker(i), fmt.Sprintf("user%d", i), "Spring 2026")
		w.refused(err, "not right")
	}
	_, err := w.gate.Password(w.ctx, attacker(99), "ada", good)
	w.refused(err, "Too many attempts")
	w.enter("ada") // from elsewhere
	w.clock.pass(time.Minute)
	_, err = w.gate.Password(w.ctx, attacker(99), "ada", good)
	w.ok(err)
}

// An office behind one address signs in all day.
func TestSuccessesDoNotSlowAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	for range 40 {
		w.enter("ada")
	}
}

func TestAttemptsAtTheSameTimeCountEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	var wait sync.WaitGroup
	var mu sync.Mutex
	looked := 0
	for range 40 {
		wait.Go(func() {
			_, err := w.gate.Password(context.WithoutCancel(w.ctx), w.here, "ada", "wrong")
			if err != nil && strings.Contains(err.Error(), "not right") {
				mu.Lock()
				looked++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if looked != 5 {
		t.Errorf("%d guesses were looked at, want 5", looked)
	}
}

func TestLockOutSurvivesARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	for range 5 {
		_, _ = w.gate.Password(w.ctx, w.here, "ada", "wrong")
	}
	again, err := signin.New(w.store, signin.Options{Hashing: cheap})
	w.ok(err)
	_, err = again.Password(w.ctx, w.here, "ada", good)
	w.refused(err, "Too many")
	// A reset link lets the owner back in at once: a stranger's guessing keeps nobody out for long.
	_, token, _, err := w.store.IssueLink(w.ctx, root, "ada", false)
	w.ok(err)
	_, err = again.FollowLink(w.ctx, w.here, token, "", good+" too")
	w.ok(err)
	_, err = again.Password(w.ctx, w.here, "ada", good+" too")
	w.ok(err)
}

func TestCostOfHashesIsRaisedOnSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	w.join("ada", "owner")
	_, before, err := w.store.PasswordOf(w.ctx, "ada")
	w.ok(err)
	dearer, err := signin.New(w.store, signin.Options{Hashing: signin.Hashing{MemoryKiB: 16, Passes: 2, Threads: 1}})
	w.ok(err)
	_, err = dearer.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	_, after, err := w.store.PasswordOf(w.ctx, "ada")
	w.ok(err)
	if !strings.HasPrefix(before, "$argon2id$v=19$m=8,t=1,p=1$") || !strings.HasPrefix(after, "$argon2id$v=19$m=16,t=2,p=1$") {
		t.Errorf("%s became %s", before, after)
	}
	_, err = dearer.Password(w.ctx, w.here, "ada", good)
	w.ok(err)
	_, same, err := w.store.PasswordOf(w.ctx, "ada")
	w.ok(err)
	if same != after {
		t.Error("a hash at today's cost was replaced")
	}
}

func TestPasswordsThatLookTheSameAreTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signin.Options{})
	_, err := w.store.AddAdministrator(w.ctx, root, store.Administrator{Name: "zoë", Role: "owner"})
	w.ok(err)
	_, token, _, err := w.store.IssueLink(w.ctx, root, "zoë", false)
	w.ok(err)
	_, err = w.gate.FollowLink(w.ctx, w.here, token, "", "café au lait à midi") // composed
	w.ok(err)
	_, err = w.gate.Password(w.ctx, w.here, "zoë", "cafe\u0301 au lait a\u0300 midi") // decomposed
	w.ok(err)
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for password, says := range map[string]string{
		good:                            "",
		"ÄÖÜßäöüéèêàç":                  "",
		"correct horse battery":         "",
		"elevenchars":                   "has 11 characters, and needs at least 12",
		"qwerty123456":                  "everybody tries first",
		"QWERTY123456":                  "everybody tries first",
		"Password2026!":                 "everybody tries first",
		"aaaaaaaaaaaaaaaa":              "over and over",
		"abcabcabcabcabc":               "over and over",
		"ada.lovelace1":                 "hardly more than a name",
		"Muster-Muster-1":               "hardly more than a name",
		strings.Repeat("otter ", 200):   "too long",
		"not text \xff, but much of it": "not text",
	} {
		err := signin.CheckPassword(password, "ada.lovelace@example.org")
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%.40q: %v, want %q", password, err, says)
		}
	}
}
