package store_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// hands is a clock that a test moves.
type hands struct {
	mu sync.Mutex
	at time.Time
}

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hands) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// noticing runs a test on both databases with a clock of its own and one application.
func noticing(t *testing.T, test func(t *testing.T, s *store.Store, clock *hands, app string)) {
	t.Helper()
	t.Parallel()
	storetest.Configs(t, func(t *testing.T, c store.Config) {
		clock := &hands{at: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
		c.Clock = clock.now
		s := storetest.Open(t, c)
		app := application("Slack")
		_, err := s.SaveApplication(t.Context(), admin, app)
		must(t)(err)
		test(t, s, clock, app.ID)
	})
}

var desk = store.Recipient{Channel: "mail", Address: "it@example.org"}

// told gathers and sends what is due, and returns the events of each message.
func told(t *testing.T, s *store.Store, to ...store.Recipient) []string {
	t.Helper()
	ctx := context.Background()
	if to == nil {
		to = []store.Recipient{desk}
	}
	_, err := s.GatherNotices(ctx, func(store.Notice, provision.Notify) []store.Recipient { return to })
	must(t)(err)
	claimed, err := s.ClaimMessages(ctx, 100, time.Minute)
	must(t)(err)
	out := []string{}
	for _, m := range claimed {
		var events []string
		for _, e := range m.Events {
			text := string(e.Kind) + " " + string(e.Event) + " " + e.Cause
			if e.Subject != nil {
				text += " " + e.Subject.Name
			}
			if e.Size > 0 {
				text += fmt.Sprintf(" %d", e.Size)
			}
			events = append(events, text)
		}
		slices.Sort(events)
		out = append(out, strings.Join(events, "; "))
		must(t)(s.MessageSent(ctx, m))
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestOneMessagePerCause(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		quarantine := func(code string) {
			must(t)(s.SetQuarantine(ctx, app, &store.Quarantine{Code: code, Reason: "the target says " + code, Attempts: 1}))
		}
		quarantine("token_wrong")
		same(t, "at once", told(t, s), "quarantine began token_wrong")
		for range 20 {
			clock.move(time.Minute)
			quarantine("token_wrong")
			same(t, "the same again", told(t, s))
		}
		quarantine("unreachable")
		same(t, "another cause", told(t, s), "quarantine changed unreachable")
		clock.move(24 * time.Hour)
		must(t)(s.Remind(ctx))
		same(t, "a day later", told(t, s), "quarantine again unreachable")
		must(t)(s.Remind(ctx))
		same(t, "and not twice", told(t, s))
		clock.move(time.Hour)
		must(t)(s.SetQuarantine(ctx, app, nil))
		same(t, "over", told(t, s), "quarantine over unreachable")
		must(t)(s.SetQuarantine(ctx, app, nil))
		clock.move(time.Hour)
		same(t, "over again", told(t, s))
		quarantine("unreachable")
		same(t, "begun anew", told(t, s), "quarantine began unreachable")
		must(t)(s.DeleteApplication(ctx, admin, app))
		open, err := s.OpenNotices(ctx, "")
		must(t)(err)
		if len(open) > 0 {
			t.Errorf("%d notices of a deleted application are open", len(open))
		}
	})
}

func TestEndsOfQuarantine(t *testing.T) {
	ends := map[string]func(context.Context, *store.Store, string) error{
		"a cycle that goes through": func(ctx context.Context, s *store.Store, app string) error {
			c := &store.Cycle{AppID: app, Type: "incremental", State: "running"}
			if err := s.NewCycle(ctx, c); err != nil {
				return err
			}
			c.State = "done"
			return s.FinishCycle(ctx, c, nil)
		},
		"a restart": func(ctx context.Context, s *store.Store, app string) error { return s.Restart(ctx, app, "watermark") },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
				must(t)(s.SetQuarantine(t.Context(), app, &store.Quarantine{Code: "tls"}))
				told(t, s)
				clock.move(time.Hour)
				must(t)(end(t.Context(), s, app))
				same(t, "the message", told(t, s), "quarantine over tls")
			})
		})
	}
}

func TestDigestRatherThanStorm(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		tell := func(from, to int) {
			for i := from; i < to; i++ {
				must(t)(s.Notify(ctx, store.Notice{Kind: store.Failing, AppID: app, Subject: fmt.Sprint("id", i), Name: fmt.Sprint(i), Cause: "forbidden"}))
			}
		}
		tell(0, 1)
		same(t, "the first", told(t, s), "failing began forbidden 0")
		for i := 1; i < 4; i++ {
			clock.move(time.Minute)
			tell(i, i+1)
			same(t, "within the window", told(t, s))
		}
		must(t)(s.SetQuarantine(ctx, app, &store.Quarantine{Code: "tls"}))
		same(t, "another kind", told(t, s), "quarantine began tls")
		clock.move(store.DigestWindow - 3*time.Minute - time.Millisecond)
		same(t, "just before the end", told(t, s))
		clock.move(time.Millisecond)
		same(t, "the digest", told(t, s), "failing began forbidden 1; failing began forbidden 2; failing began forbidden 3")
		clock.move(time.Hour)
		tell(100, 1000)
		if _, err := s.GatherNotices(ctx, func(store.Notice, provision.Notify) []store.Recipient { return []store.Recipient{desk} }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.GatherNotices(ctx, func(store.Notice, provision.Notify) []store.Recipient { return []store.Recipient{desk} }); err != nil {
			t.Fatal(err)
		}
		claimed, err := s.ClaimMessages(ctx, 100, time.Minute)
		must(t)(err)
		if len(claimed) != 1 || len(claimed[0].Events) != 100 || claimed[0].More != 800 {
			t.Fatalf("of 900 events %d messages were made, the first with %d and %d more", len(claimed), len(claimed[0].Events), claimed[0].More)
		}
		must(t)(s.MessageSent(ctx, claimed[0]))

		// Another recipient has heard of nothing lately, and each hears what concerns them.
		other := store.Recipient{Channel: "webhook", Address: "w1"}
		tell(1000, 1001)
		same(t, "another recipient", told(t, s, desk, other), "failing began forbidden 1000")
	})
}

// Two nodes gather and send at once: everybody hears of everything once.
func TestNodesShareMessages(t *testing.T) {
	t.Parallel()
	c := storetest.Postgres(t)
	nodes := []*store.Store{storetest.Open(t, c), storetest.Open(t, c), storetest.Open(t, c)}
	ctx := t.Context()
	const notices, recipients = 60, 20
	var mu sync.Mutex
	heard := map[string]int{}
	var wg sync.WaitGroup
	for i := range notices {
		must(t)(nodes[0].Notify(ctx, store.Notice{Kind: store.Failing, Subject: fmt.Sprint("id", i), Name: fmt.Sprint(i), Cause: "x"}))
	}
	to := make([]store.Recipient, recipients)
	for i := range to {
		to[i] = store.Recipient{Channel: "mail", Address: fmt.Sprint(i)}
	}
	for _, s := range nodes {
		wg.Go(func() {
			for range 5 {
				if _, err := s.GatherNotices(ctx, func(store.Notice, provision.Notify) []store.Recipient { return to }); err != nil {
					t.Error(err)
				}
				claimed, err := s.ClaimMessages(ctx, 4, time.Minute)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, m := range claimed {
					for _, e := range m.Events {
						heard[m.Address+" of "+e.Subject.Name]++
					}
				}
				mu.Unlock()
				for _, m := range claimed {
					if err := s.MessageSent(ctx, m); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for what, n := range heard {
		if n != 1 {
			t.Errorf("%s %d times", what, n)
		}
	}
	if len(heard) != notices*recipients {
		t.Errorf("%d of %d were told", len(heard), notices*recipients)
	}
}

func TestAttempts(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		claim := func() *store.Message {
			t.Helper()
			m, err := s.ClaimMessages(ctx, 10, time.Minute)
			must(t)(err)
			if len(m) == 0 {
				return nil
			}
			return m[0]
		}
		must(t)(s.SetQuarantine(ctx, app, &store.Quarantine{Code: "tls"}))
		_, err := s.GatherNotices(ctx, func(store.Notice, provision.Notify) []store.Recipient { return []store.Recipient{desk} })
		must(t)(err)
		first := claim()
		if first == nil || first.Attempts != 1 {
			t.Fatalf("the first claim is %v", first)
		}
		if claim() != nil {
			t.Error("a message was claimed twice")
		}
		clock.move(time.Minute) // whoever had it has died
		second := claim()
		if second == nil || second.ID != first.ID || second.Attempts != 2 {
			t.Fatalf("after the claim has ended: %v", second)
		}
		must(t)(s.MessageSent(ctx, first)) // the dead come late: the claim is another's
		must(t)(s.MessageFailed(ctx, second, "no route", clock.now().Add(time.Hour)))
		if claim() != nil {
			t.Error("claimed before its next attempt")
		}
		clock.move(time.Hour)
		third := claim()
		must(t)(s.MessageFailed(ctx, third, "no route", time.Time{}))
		clock.move(100 * time.Hour)
		if claim() != nil {
			t.Error("claimed after it was given up")
		}
		last, err := s.LastMessages(ctx, 5)
		must(t)(err)
		if len(last) != 1 || last[0].State != "failed" || last[0].Error != "no route" || last[0].Attempts != 3 {
			t.Errorf("what is left is %+v", last[0])
		}
	})
}

// row is an operation of an application's plan.
func row(app, cycle, object string, state store.State) *store.Operation {
	o := &store.Operation{ID: object + "-" + cycle, AppID: app, CycleID: cycle, State: state, Hold: "12 removals are more than 10", Created: time.Now()}
	o.Kind, o.Action, o.Source = directory.KindUser, provision.Disable, provision.Subject{ID: object, Name: object}
	return o
}

func TestHeldAreToldOnce(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		n := 0
		cycle := func(hold int) {
			t.Helper()
			c := &store.Cycle{AppID: app, Type: "incremental", State: "running"}
			must(t)(s.NewCycle(ctx, c))
			for range hold {
				n++
				must(t)(s.AddOperations(ctx, "", "", []*store.Operation{row(app, c.ID, fmt.Sprint("p", n), store.Held)}, nil, nil))
			}
			c.State, c.Summary = "done", map[string]int{"held": n}
			must(t)(s.FinishCycle(ctx, c, nil))
			clock.move(time.Hour)
		}
		cycle(3)
		same(t, "held", told(t, s), "held began held 3")
		cycle(0)
		cycle(1)
		same(t, "one more", told(t, s))
		cycle(2)
		same(t, "twice as many", told(t, s), "held changed held 6")
		held, err := s.HeldOperations(ctx, app)
		must(t)(err)
		must(t)(s.Approve(ctx, app, held[:3], "root"))
		same(t, "some are approved", told(t, s))
		clock.move(time.Hour)
		must(t)(s.Reject(ctx, app, held[3:], "root"))
		same(t, "none is left", told(t, s), "held over held 3")
	})
}

func TestFailuresAreTold(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		fail := func(object string, attempts int, parked bool) {
			t.Helper()
			c := &store.Cycle{AppID: app, Type: "incremental", State: "running"}
			must(t)(s.NewCycle(ctx, c))
			o := row(app, c.ID, object, store.Planned)
			must(t)(s.AddOperations(ctx, "", "", []*store.Operation{o}, nil, nil))
			p := provision.Problem{Code: "forbidden", Reason: "is an owner", Recommendation: "leave them"}
			o.State, o.Status, o.Error = store.Failed, "failure", &p
			must(t)(s.Record(ctx, "", []store.Result{{Op: o, Escrow: &store.Escrow{AppID: app, Kind: o.Kind, ObjectID: object, Name: object, Parked: parked, Attempts: attempts, Problem: p, First: clock.now(), Last: clock.now()}}}))
			c.State, c.Failed = "done", 1
			must(t)(s.FinishCycle(ctx, c, nil))
			clock.move(time.Hour)
		}
		for i := 1; i < 4; i++ {
			fail("ada", i, false)
			same(t, "too few", told(t, s))
		}
		fail("ada", 4, false)
		same(t, "four in a row", told(t, s), "failing began forbidden ada")
		fail("ada", 5, false)
		same(t, "and on", told(t, s))
		fail("bob", 1, true)
		same(t, "only a person can mend it", told(t, s), "failing began forbidden bob")
		must(t)(s.Restart(ctx, app, "escrow"))
		clock.move(time.Hour)
		c := &store.Cycle{AppID: app, Type: "incremental", State: "running"}
		must(t)(s.NewCycle(ctx, c))
		c.State, c.Failed, c.Summary = "done", 20, map[string]int{"create": 80, "skip": 4000}
		must(t)(s.FinishCycle(ctx, c, nil))
		same(t, "out of escrow, and many failed", told(t, s), "failing over forbidden ada; failing over forbidden bob", "failures began failures 20")
		clock.move(time.Hour)
		c.Failed = 0
		must(t)(s.FinishCycle(ctx, c, nil))
		same(t, "all well", told(t, s), "failures over failures 20")
	})
}

// A quiet cycle pays one query for notices.
func TestNoticesCostAQuietCycleOneQuery(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		c := &store.Cycle{AppID: app, Type: "incremental", State: "running"}
		must(t)(s.NewCycle(t.Context(), c))
		c.State = "done"
		before := s.Queries()
		must(t)(s.FinishCycle(t.Context(), c, nil))
		if n := s.Queries() - before; n != 4 { // drop, cycle, notices, watermark
			t.Errorf("the end of a quiet cycle took %d queries", n)
		}
	})
}

// jwt is a token that ends at a time.
func jwt(at time.Time) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"exp":%d}`, at.Unix())) + ".x"
}

func TestExpiryIsTold(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		const endpoint = "https://scim.example.org/"
		look := func() []string {
			t.Helper()
			must(t)(s.NotifyExpiry(ctx))
			return told(t, s)
		}
		must(t)(s.SetSecret(ctx, admin, app, "token", endpoint, jwt(clock.now().Add(40*24*time.Hour))))
		same(t, "far", look())
		clock.move(11 * 24 * time.Hour)
		same(t, "a month", look(), "expiry began a_month token")
		clock.move(24 * time.Hour)
		same(t, "no news", look())
		clock.move(22 * 24 * time.Hour)
		same(t, "a week", look(), "expiry changed a_week token")
		clock.move(7 * 24 * time.Hour)
		same(t, "ended", look(), "expiry changed expired token")
		must(t)(s.SetSecret(ctx, admin, app, "token", endpoint, "xoxp-says-nothing"))
		clock.move(time.Hour)
		same(t, "another token", look(), "expiry over expired token")
		soon := clock.now().Add(20 * time.Hour)
		_, _, err := s.CreateToken(ctx, admin, store.Token{Name: "ci", Role: "reader", Expires: &soon})
		must(t)(err)
		clock.move(time.Hour)
		same(t, "a token of the API", look(), "expiry began a_day API token ci")
		_, err = s.RevokeToken(ctx, admin, "ci")
		must(t)(err)
		clock.move(time.Hour)
		same(t, "revoked", look(), "expiry over a_day API token ci")
	})
}

func TestOldNoticesGo(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		must(t)(s.SetQuarantine(ctx, app, &store.Quarantine{Code: "tls"}))
		must(t)(s.SetQuarantine(ctx, app, nil))
		told(t, s)
		must(t)(s.Notify(ctx, store.Notice{Kind: store.HeldBack, AppID: app, Cause: "held", Size: 3}))
		told(t, s)
		for _, step := range []struct {
			days, notices, messages int
		}{{29, 2, 2}, {2, 1, 0}} {
			clock.move(time.Duration(step.days) * 24 * time.Hour)
			_, err := s.Prune(ctx)
			must(t)(err)
			if n, m := len(contents(t, s, "select * from notices")), len(contents(t, s, "select * from messages")); n != step.notices || m != step.messages {
				t.Errorf("%d days later %d notices and %d messages are left", step.days, n, m)
			}
		}
	})
}

func TestEraseReachesNotices(t *testing.T) {
	noticing(t, func(t *testing.T, s *store.Store, clock *hands, app string) {
		ctx := t.Context()
		ada := person(t, s, "ada.byron")
		must(t)(s.Notify(ctx, store.Notice{Kind: store.Failing, AppID: app, Subject: ada, Name: "ada.byron", Cause: "conflict", Reason: "ada.byron is taken"},
			store.Notice{Kind: store.Failing, AppID: app, Subject: "bob", Name: "bob", Cause: "conflict", Reason: "both Ada.Byron and bob match"}))
		told(t, s)
		must(t)(s.Notify(ctx, store.Notice{Kind: store.Failing, AppID: app, Subject: "eve", Name: "eve", Cause: "conflict", Reason: "ada.byron is her manager"}))
		_, err := s.EraseUser(ctx, admin, ada, true)
		must(t)(err)
		for _, table := range []string{"notices", "messages"} {
			for _, row := range contents(t, s, "select * from "+table) {
				if strings.Contains(strings.ToLower(row), "byron") {
					t.Errorf("%s still tell: %s", table, row)
				}
			}
		}
	})
}

func TestMailSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.Open(t, store.Config{Data: dir})
	ctx := t.Context()
	m := store.Mail{Host: "mail.example.org", Port: 587, TLS: "starttls", Username: "muster", From: "muster@example.org", To: []string{"it@example.org"}}
	if err := s.SetMail(ctx, admin, &m, ""); !errors.Is(err, store.ErrNeedsSecret) {
		t.Errorf("without a password: %v", err)
	}
	must(t)(s.SetMail(ctx, admin, &m, "hush-hush-hush"))
	m.From = "noreply@example.org"
	must(t)(s.SetMail(ctx, admin, &m, ""))
	password, err := s.MailPassword(ctx, m)
	must(t)(err)
	if password != "hush-hush-hush" {
		t.Errorf("the password came back as %q", password)
	}
	for _, elsewhere := range []store.Mail{{Host: "evil.example.org", Port: 587}, {Host: "mail.example.org", Port: 25}} {
		moved := m
		moved.Host, moved.Port = elsewhere.Host, elsewhere.Port
		if err := s.SetMail(ctx, admin, &moved, ""); !errors.Is(err, store.ErrNeedsSecret) {
			t.Errorf("moved to %s:%d: %v", moved.Host, moved.Port, err)
		}
		if _, err := s.MailPassword(ctx, moved); !errors.Is(err, store.ErrNeedsSecret) {
			t.Errorf("the password for %s:%d: %v", moved.Host, moved.Port, err)
		}
	}
	hook := &store.Webhook{Name: "Pager", URL: "https://hooks.example.org/services/hush-hush?key=hush-hush"}
	must(t)(s.AddWebhook(ctx, admin, hook, "whsec_hush-hush-hush"))
	listed, err := s.Webhooks(ctx)
	must(t)(err)
	if listed[0].URL != "https://hooks.example.org/…" {
		t.Errorf("the list shows %s", listed[0].URL)
	}
	address, secret, err := s.OpenWebhook(ctx, listed[0])
	must(t)(err)
	if address != "https://hooks.example.org/services/hush-hush?key=hush-hush" || secret != "whsec_hush-hush-hush" {
		t.Errorf("opened as %s with %s", address, secret)
	}
	if err := s.AddWebhook(ctx, admin, &store.Webhook{Name: "PAGER", URL: "https://hooks.example.org/y"}, "s"); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t)(err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t)(err)
		if strings.Contains(string(b), "hush-hush") {
			t.Errorf("%s holds a secret in clear text", filepath.Base(file))
		}
	}
	if _, err := s.RemoveWebhook(ctx, admin, "pagr"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "Pager") {
		t.Errorf("removing what is not there: %v", err)
	}
	_, err = s.RemoveWebhook(ctx, admin, "pager")
	must(t)(err)
	must(t)(s.SetMail(ctx, admin, nil, ""))
	if rows := contents(t, s, "select * from secrets"); len(rows) > 0 {
		t.Errorf("%d secrets are left", len(rows))
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add("a.b.c")
	f.Add(jwt(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	f.Add("x." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e300}`)) + ".y")
	f.Fuzz(func(t *testing.T, token string) {
		at := store.ExpiryOf(token)
		if !at.IsZero() && (at.Year() < 1970 || at.Year() > 9999) {
			t.Errorf("%q ends in %d", token, at.Year())
		}
	})
}
