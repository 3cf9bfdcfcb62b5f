package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Summary counts operations. Held is "of which" in a plan, and what waits in the application after a
// cycle; Skip was considered and needs nothing sent.
type Summary struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Disable int `json:"disable"`
	Enable  int `json:"enable"`
	Delete  int `json:"delete"`
	Skip    int `json:"skip"`
	Held    int `json:"held"`
}

func summaryOf(counts map[string]int) Summary {
	return Summary{
		Create: counts["create"], Update: counts["update"], Disable: counts["disable"], Enable: counts["enable"],
		Delete: counts["delete"], Skip: counts["skip"], Held: counts["held"],
	}
}

// Writes counts the operations that send something.
func (s Summary) Writes() int { return s.Create + s.Update + s.Disable + s.Enable + s.Delete }

// Target is an account as plans and logs name it: without an id while there is none.
type Target struct {
	ID   *string `json:"id"`
	Name string  `json:"name"`
}

// Operation is one operation of a plan.
type Operation struct {
	ID      string             `json:"id"`
	Type    directory.Kind     `json:"type"`
	Action  provision.Action   `json:"action"`
	Source  provision.Subject  `json:"source"`
	Target  Target             `json:"target"`
	Reason  string             `json:"reason"`
	Held    bool               `json:"held"`
	Changes []provision.Change `json:"changes"`

	// Problem is set where it is certain already that it cannot be done. Such an operation sends
	// nothing: its action is skip, and the reason says why.
	Problem *provision.Problem `json:"-"`
	Steps   []provision.Step   `json:"-"`
	Hold    string             `json:"-"` // why it is held; Reason has it too
}

func operationOf(o *store.Operation) Operation {
	out := Operation{
		ID: o.ID, Type: o.Kind, Action: o.Action, Source: o.Source, Target: targetOf(o), Reason: o.Reason,
		Held: o.State == store.Held, Changes: changesOf(o), Problem: o.Error, Steps: o.Steps, Hold: o.Hold,
	}
	if out.Held && o.Hold != "" {
		out.Reason += "; held: " + o.Hold
	}
	if o.Error != nil {
		out.Action, out.Reason = provision.Skip, "cannot be done: "+o.Error.Reason
	}
	return out
}

// changesOf returns the changes of an operation, none where nothing is sent.
func changesOf(o *store.Operation) []provision.Change {
	if o.Action == provision.Skip || o.Error != nil && o.State == store.Failed && o.Started.IsZero() {
		return []provision.Change{}
	}
	return o.Changes()
}

// targetOf names the account; of one that is to be made it tells the name that it is to have.
func targetOf(o *store.Operation) Target {
	t := Target{Name: o.Target.Name}
	if o.Target.ID != "" {
		t.ID = &o.Target.ID
	}
	name := "userName"
	if o.Kind == directory.KindGroup {
		name = "displayName"
	}
	if wanted, ok := o.Want[name].(string); t.Name == "" && ok {
		t.Name = wanted
	}
	return t
}

// Plan is what a cycle would do. Its operations are read page by page, see [Desk.Operations].
type Plan struct {
	ID          string  `json:"id"`
	Application string  `json:"application"`
	Cycle       string  `json:"cycle"` // initial, incremental, reconcile, undo
	Summary     Summary `json:"summary"`
	Undoes      string  `json:"undoes,omitempty"` // the cycle that it takes back
}

// Plan finds out what a cycle would do and keeps it under an id. It writes nothing to the target.
func (d *Desk) Plan(ctx context.Context, name string, reconcile bool, progress func(cycle.Progress)) (Plan, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Plan{}, err
	}
	return d.plan(ctx, app, cycle.Options{Reconcile: reconcile, ByHand: true, Initiator: d.by.Name, Progress: progress})
}

func (d *Desk) plan(ctx context.Context, app *provision.Application, o cycle.Options) (Plan, error) {
	c, err := d.engine.Plan(ctx, app, o)
	if err != nil {
		return Plan{}, err
	}
	return d.planOf(ctx, app, c)
}

// order is how the operations of a plan are told: what makes and changes accounts first, then what
// takes them away, then what needs nothing.
var order = []provision.Action{provision.Create, provision.Enable, provision.Update, provision.Disable, provision.Delete, provision.Skip}

// stretch is a part of a plan that is read in one order.
type stretch struct {
	state  store.State
	action provision.Action
}

// stretches are all parts of a plan, in the order in which they are told.
var stretches = func() (all []stretch) {
	for _, action := range order {
		for _, state := range []store.State{store.Planned, store.Held, store.Skipped} {
			all = append(all, stretch{state, action})
		}
	}
	for _, action := range order {
		all = append(all, stretch{store.Failed, action})
	}
	return all
}()

// Operations yields the operations of a plan by action, those that are held and those that cannot be
// done after the others of their kind.
func (d *Desk) Operations(ctx context.Context, planID string) iter.Seq2[Operation, error] {
	return pages(func(after string) ([]Operation, string, error) {
		return d.OperationsPage(ctx, PlanQuery{Plan: planID}, after, pageSize)
	})
}

// PlanQuery picks operations of a plan.
type PlanQuery struct {
	Plan   string           // its id
	Action provision.Action // "" for all; of skip what needs nothing sent
	Held   bool             // only what is held
	Sent   bool             // leave out what needs nothing sent
	Search string           // in the names of people and groups, case-blind
}

// wants reports whether a stretch of the plan is asked for.
func (q PlanQuery) wants(part stretch) bool {
	skipped := part.state == store.Skipped
	switch {
	case q.Held:
		return part.state == store.Held && (q.Action == "" || part.action == q.Action)
	case q.Action == provision.Skip:
		return skipped
	case q.Action != "":
		return part.action == q.Action && !skipped
	}
	return !q.Sent || !skipped
}

// OperationsPage returns a page of the operations of a plan that a query picks, in the order of
// [Desk.Operations], and where the next one begins, "" after the last.
func (d *Desk) OperationsPage(ctx context.Context, q PlanQuery, after string, limit int) ([]Operation, string, error) {
	at, last, err := planPlace(after)
	if err != nil {
		return nil, "", err
	}
	counts, err := d.store.Counts(ctx, q.Plan)
	if err != nil {
		return nil, "", err
	}
	out := []Operation{}
	for ; at < len(stretches); at, last = at+1, nil {
		part := stretches[at]
		if counts[part.state][part.action] == 0 || !q.wants(part) {
			continue
		}
		page, err := d.store.PlannedOperations(ctx, q.Plan, part.state, part.action, q.Search, last, limit-len(out))
		if err != nil {
			return nil, "", err
		}
		for _, o := range page {
			out = append(out, operationOf(o))
		}
		if len(out) == limit {
			return out, placeInPlan(at, page[len(page)-1]), nil
		}
	}
	return out, "", nil
}

// placeInPlan and planPlace carry the place in a plan out to the caller and back.
func placeInPlan(at int, last *store.Operation) string {
	return place(fmt.Sprint(at), fmt.Sprint(int(last.Urgency)), fmt.Sprint(last.Rank), last.ID)
}

func planPlace(after string) (at int, last *store.Operation, err error) {
	if after == "" {
		return 0, nil, nil
	}
	parts, err := parts(after, 4)
	if err != nil {
		return 0, nil, err
	}
	numbers := make([]int, 3)
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(parts[i]); err != nil || numbers[i] < 0 {
			return 0, nil, errPlace
		}
	}
	return numbers[0], &store.Operation{Operation: provision.Operation{Urgency: provision.Urgency(numbers[1])}, Rank: numbers[2], ID: parts[3]}, nil
}

// FindPlan returns a plan that nobody has run yet, by its id alone.
func (d *Desk) FindPlan(ctx context.Context, id string) (Plan, error) {
	c, err := d.store.PlanByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Plan{}, usage(string(store.ErrNotFound), "make one with `muster plan`", "there is no plan %s", id)
	}
	if err != nil {
		return Plan{}, err
	}
	app, err := d.store.Application(ctx, c.AppID)
	if err != nil {
		return Plan{}, err
	}
	return d.planOf(ctx, app, c)
}

func (d *Desk) planOf(ctx context.Context, app *provision.Application, c *store.Cycle) (Plan, error) {
	p := Plan{ID: c.ID, Application: app.Name, Cycle: c.Type, Summary: summaryOf(c.Summary), Undoes: c.Undoes}
	counts, err := d.store.Counts(ctx, c.ID)
	for _, n := range counts[store.Failed] {
		p.Summary.Skip += n // see Operation.Problem
	}
	return p, err
}

// Run is what a cycle did.
type Run struct {
	Application string  `json:"application"`
	Cycle       string  `json:"cycle"` // initial, incremental, reconcile, on-demand
	CycleID     string  `json:"cycle_id"`
	Summary     Summary `json:"summary"`
	Failed      int     `json:"failed"`
	Requests    int64   `json:"requests"` // every HTTP request, reads and repeats too; 0 where a cycle that ran already did it among others
	DurationMS  int64   `json:"duration_ms"`
	Incomplete  string  `json:"incomplete,omitempty"` // of a reconcile that the target did not list everything to: what was not looked at, and why
}

// Exit is the exit status of a command that ran the cycle.
func (r Run) Exit() int {
	switch {
	case r.Summary.Held > 0:
		return ExitHeld
	case r.Failed > 0:
		return ExitPartly
	}
	return ExitDone
}

// SyncOptions say how a cycle by hand is run.
type SyncOptions struct {
	Reconcile   bool
	ApproveHeld bool   // let through what is held, and what would be
	Plan        string // id of the plan to run as it is
	Progress    func(cycle.Progress)
}

// Sync runs one cycle now. What is in escrow is tried at once, and a quarantined target is probed.
func (d *Desk) Sync(ctx context.Context, name string, o SyncOptions) (Run, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Run{}, err
	}
	if o.Plan != "" {
		if _, err := d.store.CycleByID(ctx, app.ID, o.Plan); errors.Is(err, store.ErrNotFound) {
			return Run{}, usage(string(store.ErrNotFound), "make one with `muster plan "+app.Name+"`", "%s has no plan %s", app.Name, o.Plan)
		} else if err != nil {
			return Run{}, err
		}
	}
	return d.run(ctx, app, cycle.Options{
		Reconcile: o.Reconcile, ApproveHeld: o.ApproveHeld, PlanID: o.Plan, ByHand: true, Initiator: d.by.Name, Progress: o.Progress,
	})
}

func (d *Desk) run(ctx context.Context, app *provision.Application, o cycle.Options) (Run, error) {
	report, err := d.engine.Run(ctx, app, o)
	if err != nil {
		return Run{}, err
	}
	return d.ran(ctx, app, o, report)
}

// ran writes down who had a cycle run, and tells what it did.
func (d *Desk) ran(ctx context.Context, app *provision.Application, o cycle.Options, report *cycle.Report) (Run, error) {
	c := report.Cycle
	run := Run{
		Application: app.Name, Cycle: c.Type, CycleID: c.ID, Summary: summaryOf(report.Summary), Failed: report.Failed,
		Requests: c.Requests, DurationMS: c.Finished.Sub(c.Started).Milliseconds(),
	}
	if report.Stopped == nil {
		run.Incomplete = c.Error
	}
	entry := store.Entry{Action: "sync", Type: "application", Object: app.ID, Name: app.Name, After: map[string]any{"cycle": c.ID, "type": c.Type}}
	if o.ApproveHeld {
		entry.After["approve_held"] = true
	}
	if aerr := d.store.Audit(context.WithoutCancel(ctx), d.by, entry); aerr != nil {
		return run, aerr
	}
	if perr := d.store.PruneDaily(ctx); perr != nil && ctx.Err() == nil {
		d.log.Warn("old log rows were not pruned", "error", perr) // it is tried again after the next cycle
	}
	if report.Stopped != nil {
		return run, stopped(app, report.Stopped)
	}
	return run, nil
}

// stopped says why the target ended a cycle.
func stopped(app *provision.Application, e *connector.Error) *Problem {
	p := Explain(e)
	p.Message = fmt.Sprintf("%s: %s", app.Name, p.Message)
	if p.Next == "" {
		p.Next = "`muster test " + app.Name + "` tells more; what is due stays due"
	}
	return p
}

// Provision is what on-demand provisioning did, or would do, step by step.
type Provision struct {
	Run
	DryRun     bool     `json:"dry_run"`
	Operations []Record `json:"operations"`
}

// Provision runs the whole of a cycle for one user or one group.
func (d *Desk) Provision(ctx context.Context, name string, kind directory.Kind, object string, dryRun bool) (Provision, error) {
	return d.ProvisionWatched(ctx, name, kind, object, dryRun, nil)
}

// ProvisionWatched is [Desk.Provision] for somebody who watches.
func (d *Desk) ProvisionWatched(ctx context.Context, name string, kind directory.Kind, object string, dryRun bool, progress func(cycle.Progress)) (Provision, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Provision{}, err
	}
	id, err := d.object(ctx, kind, object)
	if err != nil {
		return Provision{}, err
	}
	o := cycle.Options{Kind: kind, Object: id, ByHand: true, Initiator: d.by.Name, Progress: progress}
	out := Provision{DryRun: dryRun, Operations: []Record{}}
	if dryRun {
		begin := time.Now()
		plan, err := d.plan(ctx, app, o)
		if err != nil {
			return out, err
		}
		out.Run = Run{Application: app.Name, Cycle: plan.Cycle, CycleID: plan.ID, Summary: plan.Summary, DurationMS: time.Since(begin).Milliseconds()}
		return d.steps(ctx, app, out, id)
	}
	report, err := d.engine.Run(ctx, app, o)
	if err != nil {
		return out, err
	}
	if out.Run, err = d.ran(ctx, app, o, report); err != nil {
		return out, err
	}
	if report.Operations == nil {
		return d.steps(ctx, app, out, id)
	}
	for _, op := range report.Operations {
		out.Operations = append(out.Operations, recordOf(op, app.Name))
	}
	return out, nil
}

// steps fills in the operations of a cycle that was for one object. A plan also has what is held of others.
func (d *Desk) steps(ctx context.Context, app *provision.Application, out Provision, id string) (Provision, error) {
	ops, err := d.store.OperationsOn(ctx, out.CycleID, id)
	for _, op := range ops {
		out.Operations = append(out.Operations, recordOf(op, app.Name))
	}
	return out, err
}

// object finds the id of a user or a group.
func (d *Desk) object(ctx context.Context, kind directory.Kind, name string) (string, error) {
	if kind == directory.KindGroup {
		g, err := d.store.GroupByName(ctx, name)
		return g.ID, err
	}
	u, err := d.store.UserByName(ctx, name)
	return u.ID, err
}
