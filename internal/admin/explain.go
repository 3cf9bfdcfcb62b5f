package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Explanation is why a person has, or has not, an account.
type Explanation struct {
	Application string           `json:"application"`
	User        string           `json:"user"`
	Verdict     string           `json:"verdict"` // in_scope, out_of_scope
	Account     Account          `json:"account"`
	Rules       []provision.Rule `json:"rules"` // in the order in which they are asked; the first that says no decides
	Pending     []Operation      `json:"pending"`

	Deciding int `json:"-"` // index of the rule that decides, -1 when all of them together do
}

// Account is what the application has of the person.
type Account struct {
	ID    *string `json:"id"`
	State string  `json:"state"` // none, active, disabled
}

// Explain says why a person has, or has not, an account. It asks the directory and what Muster
// knows of the target, never the target.
func (d *Desk) Explain(ctx context.Context, name, user string) (Explanation, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Explanation{}, err
	}
	u, err := d.store.UserByName(ctx, user)
	if err != nil {
		return Explanation{}, err
	}
	engine := *d.engine
	engine.Open = d.silent
	x, err := engine.Explain(ctx, app, u.ID)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Application: app.Name, User: u.UserName, Verdict: "out_of_scope", Account: Account{State: "none"}, Rules: []provision.Rule{}, Pending: []Operation{}, Deciding: -1}
	if x.Verdict.In {
		out.Verdict = "in_scope"
	}
	for i, r := range x.Verdict.Rules {
		out.Rules = append(out.Rules, r)
		if !r.Result && out.Deciding < 0 {
			out.Deciding = i
		}
	}
	if l := x.Link; l != nil {
		out.Account = Account{ID: &l.Account.ID, State: "disabled"}
		switch {
		case l.Enabled:
			out.Account.State = "active"
		case !l.Vanished.IsZero():
			out.Account.State = "vanished"
			out.Rules = append(out.Rules, provision.Rule{Rule: "vanished", Detail: provision.Gone(l.Account) + "; " + provision.InItsPlace})
		}
	}
	if x.Link != nil && x.Link.Enabled && x.Verdict.In {
		off, err := d.deactivatedThere(ctx, app, provision.Subject{ID: u.ID, Name: u.UserName}, x.Link.Account)
		if err != nil {
			return Explanation{}, err
		}
		if off != nil {
			out.Account.State = "disabled"
			out.Rules = append(out.Rules, *off)
		}
	}
	if x.Rejected != nil {
		out.Rules = append(out.Rules, provision.Rule{Rule: "rejected", Detail: x.Rejected.What() + ": " + x.Rejected.Why()})
	}
	if x.Verdict.In || x.Link != nil {
		in, err := d.obstacles(ctx, app, x.Verdict.In)
		if err != nil {
			return Explanation{}, err
		}
		out.Rules = append(out.Rules, in...)
	}
	if x.Kept != nil {
		out.Rules = append(out.Rules, provision.Rule{Rule: keptBy[x.Kept.Cause], Detail: x.Kept.Reason})
	}
	if p := x.Problem; p != nil {
		out.Rules = append(out.Rules, provision.Rule{Rule: "mapping", Detail: p.Reason + ": " + p.Recommendation})
	}
	if e := x.Escrow; e != nil {
		when := "it is tried again at " + utc(e.Next) + ", or at once by `muster sync " + app.Name + "`"
		if e.Parked {
			when = "only a person can mend that: " + e.Problem.Recommendation
		}
		out.Rules = append(out.Rules, provision.Rule{Rule: "escrow", Detail: fmt.Sprintf("the last of %s failed: %s; %s", plural(e.Attempts, "attempt", "attempts"), e.Problem.Reason, when)})
	}
	if x.Link != nil && x.Escrow == nil {
		refused, err := d.refused(ctx, app, u.ID)
		if err != nil {
			return Explanation{}, err
		}
		out.Rules = append(out.Rules, refused...)
	}
	for _, o := range x.Pending {
		out.Pending = append(out.Pending, operationOf(o))
	}
	return out, nil
}

// deactivatedThere tells of an account that somebody deactivated at the target, where the last reconcile has found that, it is only
// reported, and nobody has had Muster switch it on since.
func (d *Desk) deactivatedThere(ctx context.Context, app *provision.Application, user, account provision.Subject) (*provision.Rule, error) {
	found, err := d.store.Drift(ctx, store.DriftQuery{AppID: app.ID, Kind: provision.DriftDeactivated, Of: account.ID})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	totals, err := d.store.DriftTotals(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	since, err := d.store.Log(ctx, store.LogQuery{AppID: app.ID, Object: user.ID, Status: "success", Action: provision.Enable, Since: totals.At, Newest: true, Limit: 1})
	if err != nil || len(since) > 0 {
		return nil, err
	}
	detail := fmt.Sprintf("account %s (%s) was deactivated at the target, as the reconcile of %s found, and is left so: `muster provision %s --user %s` switches it on again, drift.accounts: repair does so for everybody", account.Name, account.ID, utc(totals.At), app.Name, user.Name)
	return &provision.Rule{Rule: "drift", Detail: detail}, nil
}

// looked is how many records refused looks at: those of cycles that found nothing to send lie above the
// one that counts.
const looked = 50

// refused tells of the last request for a person when it failed and is not in escrow: the target took
// it and kept something else, and asking again would change nothing.
func (d *Desk) refused(ctx context.Context, app *provision.Application, userID string) ([]provision.Rule, error) {
	records, err := d.store.Log(ctx, store.LogQuery{AppID: app.ID, Object: userID, Newest: true, Limit: looked})
	if err != nil {
		return nil, fmt.Errorf("reading the log of a person: %w", err)
	}
	for _, r := range records {
		switch {
		case r.Action == provision.Skip:
		case r.Error == nil:
			return nil, nil
		default:
			return []provision.Rule{{Rule: "last", Detail: fmt.Sprintf("the %s of %s failed: %s; %s", r.Action, utc(r.Finished), r.Error.Reason, r.Error.Recommendation)}}, nil
		}
	}
	return nil, nil
}

// keptBy names the rule that keeps what is due from being done.
var keptBy = map[provision.Cause]string{provision.NotAllowed: "actions", provision.Leaving: "grace"}

// obstacles are what keeps a person's data from reaching the target although the scope says yes, or that of a leaver
// although it says no.
func (d *Desk) obstacles(ctx context.Context, app *provision.Application, in bool) ([]provision.Rule, error) {
	p, err := d.store.Standing(ctx, app.ID)
	if err != nil {
		return nil, fmt.Errorf("reading how %s stands: %w", app.Name, err)
	}
	var rules []provision.Rule
	no := func(rule, detail string) { rules = append(rules, provision.Rule{Rule: rule, Detail: detail}) }
	if in && app.Provisioning.Status != "on" {
		no("status", "provisioning is off: only `muster sync "+app.Name+"` brings changes to the target (provisioning.status)")
	}
	if p.Paused {
		until := "until somebody resumes it: `muster app resume " + app.Name + "`"
		if !p.PausedTill.IsZero() {
			until = "until " + utc(p.PausedTill)
		}
		no("paused", "the application is paused "+until)
	}
	if q := p.Quarantine; q != nil {
		no("quarantine", fmt.Sprintf("the connection has failed since %s: %s; it is tried again at %s, or at once by `muster sync %s`", utc(q.Since), clauses(q.Reason, q.Next), utc(q.NextProbe), app.Name))
	}
	if t := d.trouble(app, p); t != nil && t.Pause {
		no("pause", fmt.Sprintf("nothing is sent at the moment: %s", clauses(t.Reason, t.Next)))
	} else if t != nil {
		no("trouble", fmt.Sprintf("Muster itself could not run it since %s: %s", utc(t.Since), clauses(t.Reason, t.Next)))
	}
	return rules, nil
}

// utc writes a moment within a sentence.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clauses puts sentences that may be empty into one.
func clauses(sentences ...string) string {
	var out []string
	for _, s := range sentences {
		if s = strings.TrimSuffix(strings.TrimSpace(s), "."); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}
