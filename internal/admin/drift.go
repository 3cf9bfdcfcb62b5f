package admin

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// DriftCounts say how much the last complete reconcile of an application found at the target that Muster did
// not make. What was mended is counted too: it was there.
type DriftCounts struct {
	Reconciled    *time.Time `json:"reconciled"` // null before the first complete reconcile
	Stranger      int        `json:"stranger"`
	Vanished      int        `json:"vanished"`
	Deactivated   int        `json:"deactivated"`
	Reactivated   int        `json:"reactivated"`
	Changed       int        `json:"changed"`
	ExtraMember   int        `json:"extra_member"`
	MissingMember int        `json:"missing_member"`
}

// Drift is what the last complete reconcile of an application found. Its findings are read page by page, see
// [Desk.Findings].
type Drift struct {
	Application string      `json:"application"`
	Totals      DriftCounts `json:"totals"` // of each kind at most store.DriftKept are listed
}

// DriftFinding is one difference at a target.
type DriftFinding struct {
	Kind       provision.DriftKind `json:"kind"`
	Type       directory.Kind      `json:"type"`
	Account    provision.Subject   `json:"account"`
	Member     *provision.Subject  `json:"member"` // of a member: the account that is, or is not, in the group
	Source     *provision.Subject  `json:"source"` // whom the account is linked to, null for a stranger
	Attributes []string            `json:"attributes"`
	State      string              `json:"state"` // reported, due, held, repaired, failed
	Since      time.Time           `json:"since"`
	Active     bool                `json:"active"`              // of a stranger
	Protected  string              `json:"protected,omitempty"` // why the target lets nobody change a stranger
}

// Drift returns how much the last complete reconcile of an application found.
func (d *Desk) Drift(ctx context.Context, name string) (Drift, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Drift{}, err
	}
	counts, err := d.driftCounts(ctx, app)
	return Drift{Application: app.Name, Totals: counts}, err
}

func (d *Desk) driftCounts(ctx context.Context, app *provision.Application) (DriftCounts, error) {
	t, err := d.store.DriftTotals(ctx, app.ID)
	if err != nil {
		return DriftCounts{}, fmt.Errorf("reading what was found in %s: %w", app.Name, err)
	}
	n := t.Totals
	counts := DriftCounts{
		Stranger: n[provision.DriftStranger], Vanished: n[provision.DriftVanished], Deactivated: n[provision.DriftDeactivated], Reactivated: n[provision.DriftReactivated],
		Changed: n[provision.DriftChanged], ExtraMember: n[provision.DriftExtra], MissingMember: n[provision.DriftMissing],
	}
	if !t.At.IsZero() {
		counts.Reconciled = &t.At
	}
	return counts, nil
}

// Findings yields what the last complete reconcile of an application found, by kind and account; kind narrows
// it to one of [provision.DriftKinds], "" is all.
func (d *Desk) Findings(ctx context.Context, name string, kind provision.DriftKind) iter.Seq2[DriftFinding, error] {
	return pages(func(after string) ([]DriftFinding, string, error) {
		return d.FindingsPage(ctx, name, kind, after, pageSize)
	})
}

// FindingsPage returns one page of [Desk.Findings], and where the next one begins, "" after the last.
func (d *Desk) FindingsPage(ctx context.Context, name string, kind provision.DriftKind, after string, limit int) ([]DriftFinding, string, error) {
	app, err := d.store.Application(ctx, name)
	if err == nil && kind != "" && !slices.Contains(provision.DriftKinds, kind) {
		err = usage("usage", "use one of "+driftKinds(), "there is no kind of drift %q", kind)
	}
	if err != nil {
		return nil, "", err
	}
	kinds := provision.DriftKinds
	if kind != "" {
		kinds = []provision.DriftKind{kind}
	}
	var last *store.Drift
	if after != "" {
		parts, err := parts(after, 4)
		if err != nil {
			return nil, "", err
		}
		last = &store.Drift{Kind: provision.DriftKind(parts[0]), Type: directory.Kind(parts[1]), Account: provision.Subject{ID: parts[2]}, Member: provision.Subject{ID: parts[3]}}
		if i := slices.Index(kinds, last.Kind); i >= 0 {
			kinds = kinds[i:]
		} else {
			return nil, "", errPlace
		}
	}
	out := []DriftFinding{}
	for _, k := range kinds {
		page, err := d.store.Drift(ctx, store.DriftQuery{AppID: app.ID, Kind: k, After: last, Limit: limit - len(out)})
		if err != nil {
			return nil, "", err
		}
		for _, f := range page {
			out = append(out, findingOf(f))
		}
		if len(out) == limit {
			end := page[len(page)-1]
			return out, place(string(end.Kind), string(end.Type), end.Account.ID, end.Member.ID), nil
		}
		last = nil
	}
	return out, "", nil
}

func driftKinds() string {
	names := make([]string, len(provision.DriftKinds))
	for i, k := range provision.DriftKinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

func findingOf(f *store.Drift) DriftFinding {
	out := DriftFinding{
		Kind: f.Kind, Type: f.Type, Account: f.Account, Attributes: f.Attributes, State: f.State, Since: f.Since, Active: f.Active, Protected: f.Protected,
	}
	if f.Member.ID != "" {
		out.Member = &f.Member
	}
	if f.Source.ID != "" {
		out.Source = &f.Source
	}
	return out
}
