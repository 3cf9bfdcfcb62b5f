package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// NoticeKind sorts what people are told of.
type NoticeKind string

// The kinds of notices, and what their subject is.
const (
	InQuarantine NoticeKind = "quarantine" // the target or its credentials fail
	HeldBack     NoticeKind = "held"       // operations wait for a person
	Failing      NoticeKind = "failing"    // one object fails again and again, or only a person can mend it; its id
	ManyFailures NoticeKind = "failures"   // many objects failed in a cycle
	Expiring     NoticeKind = "expiry"     // a credential ends soon; its name
)

// reminded says which notices are told again, and after how long, while they are open.
var reminded = map[NoticeKind]time.Duration{InQuarantine: 24 * time.Hour, HeldBack: 24 * time.Hour}

// NoticeEvent is what happened to a notice that people are to be told.
type NoticeEvent string

// The events of a notice.
const (
	Began   NoticeEvent = "began"
	Changed NoticeEvent = "changed" // another cause, or twice as large
	Again   NoticeEvent = "again"   // it has been so for long
	Over    NoticeEvent = "over"
)

// Notice is something that people are told of once for each cause: from when it begins until it is
// over there is one notice for a kind, an application and a subject, however often it is found.
type Notice struct {
	ID      string
	Kind    NoticeKind
	AppID   string // "" concerns no application
	Subject string // what of the application, see the kinds; "" is all of it
	Name    string // the subject's, for people
	Cause   string // machine word
	Reason  string // what is the matter; one line, without secrets
	Next    string // what to do
	Size    int    // how many things it is about, where that is counted
	Pending NoticeEvent
	Opened  time.Time
	Told    time.Time // zero for never
	Over    time.Time // zero while it is so
}

const noticeColumns = `id, kind, app_id, subject, name, cause, reason, next, size, pending, opened_at, told_at, resolved_at`

func scanNotice(row scanner) (*Notice, error) {
	n := &Notice{}
	var opened, told, over sql.NullInt64
	err := row.Scan(&n.ID, &n.Kind, &n.AppID, &n.Subject, &n.Name, &n.Cause, &n.Reason, &n.Next, &n.Size, &n.Pending, &opened, &told, &over)
	n.Opened, n.Told, n.Over = fromMillis(opened), fromMillis(told), fromMillis(over)
	return n, err
}

// Notify says that things are so, in the transaction that makes or finds them so. What has been told
// already is not told again, unless its cause is another or it has become twice as large.
func (tx *Tx) Notify(ctx context.Context, notices ...Notice) error {
	type key struct {
		kind         NoticeKind
		app, subject string
	}
	at := map[key]int{}
	var rows [][]any
	for _, n := range notices {
		row := []any{newID(), string(n.Kind), n.AppID, n.Subject, n.Name, n.Cause, n.Reason, n.Next, n.Size, string(Began), tx.now()}
		k := key{n.Kind, n.AppID, n.Subject}
		if i, twice := at[k]; twice { // one statement may touch a row once
			rows[i] = row
			continue
		}
		at[k] = len(rows)
		rows = append(rows, row)
	}
	return tx.insert(ctx, "notices", []string{"id", "kind", "app_id", "subject", "name", "cause", "reason", "next", "size", "pending", "opened_at"}, rows,
		`on conflict (app_id, kind, subject) where resolved_at is null do update set name = excluded.name, cause = excluded.cause, reason = excluded.reason, next = excluded.next, size = excluded.size,
		pending = case when notices.pending <> '' then notices.pending
			when notices.cause <> excluded.cause or excluded.size > notices.told_size and excluded.size >= 2 * notices.told_size then 'changed' else '' end`)
}

// Notify is [Tx.Notify] in a transaction of its own.
func (s *Store) Notify(ctx context.Context, notices ...Notice) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.Notify(ctx, notices...) })
}

// NotifyOver says that something is over, of which nobody needs to have known. Without subjects it is
// everything of the kind in the application.
func (tx *Tx) NotifyOver(ctx context.Context, kind NoticeKind, appID string, subjects ...string) error {
	which, args := "", []any{tx.now(), string(kind), appID}
	if len(subjects) > 0 {
		which, args = " and subject in "+tx.in("$4"), append(args, list(subjects))
	}
	_, err := tx.Exec(ctx, `update notices set resolved_at = $1, pending = 'over' where kind = $2 and app_id = $3 and resolved_at is null`+which, args...)
	if err != nil {
		return fmt.Errorf("noting that a notice is over: %w", err)
	}
	return nil
}

// OpenNotices returns what is so and people are told of, the newest first; of one application, or of
// all with "".
func (s *Store) OpenNotices(ctx context.Context, appID string) ([]*Notice, error) {
	return read(ctx, s, func(tx *Tx) ([]*Notice, error) {
		return rowsOf(ctx, tx, scanNotice, `select `+noticeColumns+` from notices where resolved_at is null and ($1 = '' or app_id = $1) order by id desc limit 500`, appID)
	})
}

// quarantined keeps the quarantine of an application, nil for none, and tells people of it.
func (tx *Tx) quarantined(ctx context.Context, appID string, q *Quarantine) error {
	tx.notable = true
	if _, err := tx.Exec(ctx, `update applications set quarantine = $1 where id = $2`, jsonOrNull(q), appID); err != nil {
		return err
	}
	if q == nil {
		return tx.NotifyOver(ctx, InQuarantine, appID)
	}
	return tx.Notify(ctx, Notice{Kind: InQuarantine, AppID: appID, Cause: q.Code, Reason: q.Reason, Next: q.Next})
}

// held tells people of what waits for them in an application, as it stands.
func (tx *Tx) held(ctx context.Context, appID string) error {
	var n int
	var why sql.NullString
	err := tx.QueryRow(ctx, `select count(*), max(hold) from operations where app_id = $1 and `+isOpen+` and state = 'held' and `+waits, appID).Scan(&n, &why)
	if err != nil {
		return fmt.Errorf("counting what is held: %w", err)
	}
	if n == 0 {
		return tx.NotifyOver(ctx, HeldBack, appID)
	}
	return tx.Notify(ctx, Notice{
		Kind: HeldBack, AppID: appID, Cause: "held", Size: n, Reason: why.String,
		Next: "look at them with `muster held list`, then approve or reject",
	})
}

const (
	// failsInARow is how often an object fails before people are told: by then an hour has gone, see
	// provision.RetryAfter.
	failsInARow = 4
	// manyFailures of a cycle, and this part of its objects, are told of as one.
	manyFailures     = 10
	manyFailuresPart = 10 // per cent
)

// failing tells people of the objects of a batch that fail again and again. That it is over shows at
// the end of the cycle, see ended: an object leaves the escrow in many ways.
func (tx *Tx) failing(ctx context.Context, results []Result) error {
	var notices []Notice
	for _, r := range results {
		e := r.Escrow
		if e == nil || !e.Parked && e.Attempts < failsInARow {
			continue
		}
		notices = append(notices, Notice{
			Kind: Failing, AppID: e.AppID, Subject: e.ObjectID, Name: e.Name, Cause: e.Problem.Code, Reason: e.Problem.Reason, Next: e.Problem.Recommendation,
		})
	}
	return tx.Notify(ctx, notices...)
}

// ended tells people what a cycle that ended leaves them to know.
func (tx *Tx) ended(ctx context.Context, c *Cycle) error {
	open, err := collect(one[NoticeKind])(tx.Query(ctx, `select distinct kind from notices where app_id = $1 and resolved_at is null`, c.AppID))
	if err != nil {
		return fmt.Errorf("reading the open notices: %w", err)
	}
	if c.Summary["held"] > 0 || slices.Contains(open, HeldBack) {
		if err := tx.held(ctx, c.AppID); err != nil {
			return err
		}
	}
	if slices.Contains(open, Failing) {
		if _, err := tx.Exec(ctx, `update notices set resolved_at = $1, pending = 'over' where kind = 'failing' and app_id = $2 and resolved_at is null
			and not exists (select 1 from escrow e where e.app_id = notices.app_id and e.object_id = notices.subject)`, tx.now(), c.AppID); err != nil {
			return err
		}
	}
	if c.State != "done" || c.Type == "on-demand" {
		return nil
	}
	if slices.Contains(open, InQuarantine) {
		if err := tx.NotifyOver(ctx, InQuarantine, c.AppID); err != nil {
			return err
		}
	}
	done := c.Failed
	for action, n := range c.Summary {
		if action != "held" && action != "skip" {
			done += n
		}
	}
	switch many := c.Failed >= manyFailures && c.Failed*100 >= done*manyFailuresPart; {
	case many:
		return tx.Notify(ctx, Notice{
			Kind: ManyFailures, AppID: c.AppID, Cause: "failures", Size: c.Failed, Reason: fmt.Sprintf("%d of %d objects failed in one cycle", c.Failed, done),
			Next: "`muster logs --cycle " + c.ID + " --status failure` shows each with what to do; they are tried again by themselves",
		})
	case slices.Contains(open, ManyFailures):
		return tx.NotifyOver(ctx, ManyFailures, c.AppID)
	}
	return nil
}

// Expiry is the end of a credential.
type Expiry struct {
	AppID string // "" belongs to no application
	ID    string
	Name  string // for people: "token", "API token ci"
	At    time.Time
	Next  string // what to do about it
}

// expiries are the times before the end of a credential when people are told, the last first.
var expiries = []struct {
	within time.Duration
	cause  string
}{{0, "expired"}, {24 * time.Hour, "a_day"}, {7 * 24 * time.Hour, "a_week"}, {30 * 24 * time.Hour, "a_month"}}

// NotifyExpiry tells people of credentials that are about to end. It is for once in a while: the
// times are days.
func (s *Store) NotifyExpiry(ctx context.Context) error {
	return s.Write(ctx, func(tx *Tx) error {
		ends, err := tx.expiring(ctx)
		if err != nil {
			return err
		}
		soon := map[[2]string]bool{}
		var notices []Notice
		for _, e := range ends {
			left := e.At.Sub(tx.s.Now())
			for _, step := range expiries {
				if left > step.within {
					continue
				}
				reason := fmt.Sprintf("the %s ends on %s", e.Name, e.At.Format("2006-01-02 15:04 UTC"))
				if left <= 0 {
					reason = fmt.Sprintf("the %s ended on %s", e.Name, e.At.Format("2006-01-02 15:04 UTC"))
				}
				notices = append(notices, Notice{Kind: Expiring, AppID: e.AppID, Subject: e.ID, Name: e.Name, Cause: step.cause, Reason: reason, Next: e.Next})
				soon[[2]string{e.AppID, e.ID}] = true
				break
			}
		}
		open, err := rowsOf(ctx, tx, scanNotice, `select `+noticeColumns+` from notices where resolved_at is null and kind = $1`, string(Expiring))
		if err != nil {
			return err
		}
		for _, n := range open {
			if !soon[[2]string{n.AppID, n.Subject}] {
				if err := tx.NotifyOver(ctx, Expiring, n.AppID, n.Subject); err != nil {
					return err
				}
			}
		}
		return tx.Notify(ctx, notices...)
	})
}

// expiring returns the credentials whose end is known: those of applications, and the API's tokens.
func (tx *Tx) expiring(ctx context.Context) ([]Expiry, error) {
	scan := func(next string) func(scanner) (Expiry, error) {
		return func(row scanner) (e Expiry, err error) {
			var at sql.NullInt64
			err = row.Scan(&e.AppID, &e.ID, &e.Name, &at)
			e.At, e.Next = fromMillis(at), next
			return e, err
		}
	}
	secrets, err := rowsOf(ctx, tx, scan("give a new one with `muster config apply` before then; the accounts stay as they are"),
		`select app_id, name, name, expires_at from secrets where expires_at is not null and app_id in (select id from applications)`)
	if err != nil {
		return nil, err
	}
	tokens, err := rowsOf(ctx, tx, scan("make another with `muster token create` and give it to whoever uses this one"),
		`select '', id, 'API token ' || name, expires_at from tokens where expires_at is not null`)
	return append(secrets, tokens...), err
}

// noticeApps are names and notify settings of applications, by id.
func (tx *Tx) noticeApps(ctx context.Context) (map[string]provision.Application, error) {
	apps, err := collect(func(row scanner) (a provision.Application, err error) {
		var config string
		if err := row.Scan(&a.ID, &a.Name, &config); err != nil {
			return a, err
		}
		var only struct {
			Provisioning struct {
				Notify provision.Notify `json:"notify"`
			} `json:"provisioning"`
		}
		err = json.Unmarshal([]byte(config), &only)
		a.Provisioning.Notify = only.Provisioning.Notify
		return a, err
	})(tx.Query(ctx, `select id, name, config from applications`))
	by := make(map[string]provision.Application, len(apps))
	for _, a := range apps {
		by[a.ID] = a
	}
	return by, err
}
