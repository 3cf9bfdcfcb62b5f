package console

import (
	"context"
	"slices"
	"strings"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// heldShown is how many held operations a page lists.
const heldShown = 100

// planView is the plan of the next cycle, or what is held.
type planView struct {
	appPage
	Plan           admin.Plan        // zero before one is made
	Gone           bool              // the one that was asked for is no more, or never was
	Making         *state            // a plan that is being made
	Held           []admin.Operation // a page of what is held
	HeldNext       string            // where the next page of it begins
	HeldAfter      string            // where this one does
	Operations     []admin.Operation
	Action, Search string
	Next, After    string
}

// says is what is told to whoever does not see that a plan is made.
func (v planView) says() string {
	if v.Making.Running {
		return "The plan is being made"
	}
	return "The plan is there"
}

func (c *console) plan(rq *request) error {
	a, err := rq.app("plan", "Plan")
	if err != nil {
		return err
	}
	v := planView{appPage: a, Action: rq.FormValue("action"), Search: rq.FormValue("q"), After: rq.FormValue("after")}
	held, next, err := rq.desk.HeldPage(rq.Context(), a.App.ID, rq.FormValue("held_after"), heldShown)
	if err != nil {
		return err
	}
	v.Held, v.HeldNext, v.HeldAfter = held.Operations, next, rq.FormValue("held_after")
	id := rq.FormValue("id")
	if id == "" {
		if v.Making, err = stateOf(rq.Context(), rq.desk, "plan", a.App.ID); err != nil {
			return err
		}
		if v.Making != nil {
			id = v.Making.Result
		}
	}
	if err := v.read(rq, id); err != nil {
		return err
	}
	switch {
	case rq.partial("list"):
		return rq.ok(planTable(v))
	case rq.partial("making"):
		return rq.ok(planBody(v))
	}
	return rq.ok(planPage(v))
}

// read reads a plan and a page of its operations, if there still is one.
func (v *planView) read(rq *request, id string) (err error) {
	if id == "" {
		return nil
	}
	v.Plan, err = rq.desk.FindPlan(rq.Context(), id)
	if gone(err) || err == nil && v.Plan.Application != v.App.Name {
		v.Plan, v.Gone = admin.Plan{}, rq.FormValue("id") != ""
		return nil
	}
	if err != nil {
		return err
	}
	q := admin.PlanQuery{Plan: id, Action: provision.Action(v.Action), Sent: true, Search: v.Search}
	if v.Action == "held" {
		q.Action, q.Held = "", true
	}
	v.Operations, v.Next, err = rq.desk.OperationsPage(rq.Context(), q, v.After, pageSize)
	return err
}

// makePlan begins a plan and shows how far it is.
func (c *console) makePlan(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	a, err := rq.app("plan", "Plan")
	if err != nil {
		return err
	}
	desk, reconcile := rq.desk, get("reconcile") != ""
	_, err = c.work.start(rq.Context(), wish{desk, "plan", a.App.ID, nil, func(ctx context.Context, t *task) (string, error) {
		p, err := desk.Plan(ctx, a.App.ID, reconcile, t.report)
		return p.ID, err
	}})
	if err != nil {
		return err
	}
	return rq.seeOther(a.to("plan"))
}

// judge approves or rejects held operations: those whose boxes are ticked, one, or all.
func (c *console) judge(rq *request) error {
	if _, err := rq.form(); err != nil {
		return err
	}
	pick := admin.Selection{IDs: rq.PostForm["id"], All: rq.PostForm.Get("all") != ""}
	do, past := rq.desk.Approve, "approved"
	if rq.PostForm.Get("verdict") == "reject" {
		do, past = rq.desk.Reject, "rejected"
	}
	to := at("applications", rq.PathValue("app"), "plan")
	if len(pick.IDs) == 0 && !pick.All {
		setFlash(rq.w, flash{Kind: "warn", Text: "Nothing was ticked.", Next: "Tick the operations that you mean, or take all."})
		return rq.seeOther(to)
	}
	done, err := do(rq.Context(), rq.PathValue("app"), pick)
	if err != nil {
		return err
	}
	next := "They are not proposed again until what speaks for them changes."
	if past == "approved" {
		next = "The next cycle carries them out; Run now does so at once."
	}
	return rq.done(to, counted(len(done.Operations), "operation", "operations")+" "+past+".", next)
}

type onDemandView struct {
	appPage
	User, Group string
	Running     *state // while it is being done
	Result      *admin.Provision
	DryRun      bool
	Problem     *admin.Problem
}

// demanded is what somebody has asked to be provisioned, and what came of it.
type demanded struct {
	User, Group string
	Dry         bool
	Result      admin.Provision // when it has ended without a problem
}

// onDemandTask is the kind of task that provisioning one object is.
const onDemandTask = "on-demand"

// demandOf keeps what one visitor asked for apart from what others did.
func (rq *request) demandOf(app string) string { return app + " " + rq.page.Visitor.Name }

// onDemand asks for whom, and shows the steps of what is being done as they happen, and then what came of it.
func (c *console) onDemand(rq *request) error {
	a, err := rq.app("provisioning", "Provision on demand")
	if err != nil {
		return err
	}
	v := onDemandView{appPage: a, User: rq.FormValue("user"), Group: rq.FormValue("group")}
	if rq.FormValue("asked") != "" {
		if err := v.read(rq); err != nil {
			return err
		}
	}
	if rq.partial("demanded") {
		return rq.ok(demandedPart(v))
	}
	return rq.ok(onDemandPage(v))
}

// read reads how far it is with what the visitor has asked for, and what came of it.
func (v *onDemandView) read(rq *request) error {
	s, err := stateOf(rq.Context(), rq.desk, onDemandTask, rq.demandOf(v.App.ID))
	if err != nil || s == nil {
		return err
	}
	var d demanded
	if err := s.read(&d); err != nil {
		return err
	}
	v.User, v.Group, v.DryRun, v.Problem = d.User, d.Group, d.Dry, s.Problem
	switch {
	case s.Running:
		v.Running = s
	case s.Problem == nil:
		v.Result = &d.Result
	}
	return nil
}

// provisionNow begins with one object. Whoever asked may watch; it goes on without them.
func (c *console) provisionNow(rq *request) error {
	get, err := rq.form()
	if err != nil {
		return err
	}
	a, err := rq.app("provisioning", "Provision on demand")
	if err != nil {
		return err
	}
	d := demanded{User: strings.TrimSpace(get("user")), Group: strings.TrimSpace(get("group")), Dry: get("dry") != ""}
	kind, name := directory.KindUser, d.User
	if name == "" {
		kind, name = directory.KindGroup, d.Group
	}
	desk := rq.desk
	_, err = c.work.start(rq.Context(), wish{desk, onDemandTask, rq.demandOf(a.App.ID), d, func(ctx context.Context, t *task) (string, error) {
		done := d
		var err error
		done.Result, err = desk.ProvisionWatched(ctx, a.App.ID, kind, name, d.Dry, t.report)
		t.tell(done)
		return done.Result.CycleID, err
	}})
	if err != nil {
		return err
	}
	return rq.seeOther(with(a.to("on-demand"), "asked", "yes"))
}

// demandSteps are the steps of provisioning one object, each with the stages of a cycle that it stands for.
var demandSteps = []struct {
	name, does string
	stages     []string
}{
	{"Import", "Read the person or group from the directory, and whether it is in scope", []string{""}},
	{"Matching", "Find the account at the target, and compare", []string{"reading", "planning"}},
	{"Processing", "Send what is to be changed", []string{"applying"}},
	{"Verifying", "See that the target has kept it", []string{"verifying"}},
}

// demandStep is the index of the step that a stage of a cycle belongs to.
func demandStep(stage string) int {
	for i, s := range demandSteps {
		if slices.Contains(s.stages, stage) {
			return i
		}
	}
	return 0
}

// says is what is told to whoever does not see the steps, at each of them and at the end.
func (v onDemandView) says() string {
	switch {
	case v.Running != nil:
		return demandSteps[demandStep(v.Running.Stage)].name
	case v.Result == nil:
		return ""
	case len(v.Result.Operations) == 0:
		return "Nothing to do"
	}
	var done []string
	for _, r := range v.Result.Operations {
		done = append(done, string(r.Action)+" "+r.Source.Name+": "+r.Status)
	}
	return strings.Join(done, ", ")
}

type explainView struct {
	appPage
	User    string
	Result  *admin.Explanation
	Problem *admin.Problem
}

// explain says why a person has, or has not, an account.
func (c *console) explain(rq *request) error {
	a, err := rq.app("accounts", "Why?")
	if err != nil {
		return err
	}
	v := explainView{appPage: a, User: strings.TrimSpace(rq.FormValue("user"))}
	if v.User != "" {
		result, err := rq.desk.Explain(rq.Context(), a.App.ID, v.User)
		if v.Problem = admin.Explain(err); v.Problem == nil {
			v.Result, v.User = &result, result.User
		}
	}
	return rq.ok(explainPage(v))
}

// ruled is the page where what a rule says can be changed.
type ruled struct{ text, page string } // page "" is the person's

// of is the address of the page.
func (p ruled) of(a appPage, user string) string {
	if p.page == "" {
		return at("users", user)
	}
	return a.to() + p.page
}

// ruledAts are those pages by rule; filters are numbered.
var ruledAts = map[string]ruled{
	"exists": {"The person", ""}, "active": {"The person", ""}, "assigned": {"Users and groups", "/assignments"}, "users": {"Mappings", "/mappings"},
	"filter": {"Scoping filters", "/provisioning#filters"}, "actions": {"Mappings: what may be done", "/mappings"}, "grace": {"Grace", "/provisioning#grace"}, "mapping": {"Mappings", "/mappings"},
	"status": {"Provisioning Status", "/provisioning#status"}, "quarantine": {"Connection", "/provisioning#connection"},
	"escrow": {"Failures", "/failures"}, "vanished": {"Drift", "/drift"}, "drift": {"Drift", "/drift"},
}

// scoping are the rules that say whether somebody is to have an account; all others say what keeps that from being so.
var scoping = []string{"exists", "active", "users", "assigned", "filter"}

// keeps reports whether anything keeps what is due from being done.
func keeps(rules []provision.Rule) bool {
	return slices.ContainsFunc(rules, func(r provision.Rule) bool {
		name, _, _ := strings.Cut(r.Rule, " ")
		return !r.Result && !slices.Contains(scoping, name)
	})
}

func ruledAt(rule string) ruled {
	rule, _, _ = strings.Cut(rule, " ")
	return ruledAts[rule]
}

// signs are how a plan tells its actions apart.
var signs = map[provision.Action]struct{ sign, class string }{
	provision.Create: {"+", "good-text"}, provision.Enable: {"^", "good-text"}, provision.Update: {"~", "warn-text"},
	provision.Disable: {"!", "bad-text"}, provision.Delete: {"−", "bad-text"}, provision.Skip: {"=", "muted"},
}

// plannedPart is one kind of what a plan would do.
type plannedPart struct{ action, text string }

// plannedParts are a plan in one line, each part with the action to filter by.
func plannedParts(sum admin.Summary) (parts []plannedPart) {
	for _, a := range []struct {
		n      int
		action provision.Action
	}{{sum.Create, provision.Create}, {sum.Update, provision.Update}, {sum.Enable, provision.Enable}, {sum.Disable, provision.Disable}, {sum.Delete, provision.Delete}} {
		if a.n > 0 {
			parts = append(parts, plannedPart{string(a.action), number(a.n) + " to " + string(a.action)})
		}
	}
	return parts
}

// didText is what a cycle did, in one line.
func didText(c *store.Cycle) string {
	var parts []string
	for _, a := range []struct{ action, past string }{{"create", "created"}, {"update", "updated"}, {"enable", "enabled"}, {"disable", "disabled"}, {"delete", "deleted"}, {"skip", "skipped"}} {
		if n := c.Summary[a.action]; n > 0 {
			parts = append(parts, number(n)+" "+a.past)
		}
	}
	if c.Failed > 0 {
		parts = append(parts, number(c.Failed)+" failed")
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

func finished(c *admin.CycleStatus) string { return stamp(ended(c)) }

// heldBecause is why everything that is shown is held, "" when that is not the same for all.
func heldBecause(held []admin.Operation) string {
	for _, o := range held {
		if o.Hold != held[0].Hold {
			return ""
		}
	}
	if len(held) < 2 {
		return ""
	}
	return held[0].Hold
}

// heldReason is why an operation is due, and why it is held where that does not stand above all of them.
func heldReason(held []admin.Operation, o admin.Operation) string {
	if why := heldBecause(held); why != "" {
		return strings.TrimSuffix(o.Reason, "; held: "+why)
	}
	return o.Reason
}

// nextHeld leads to the next page of what is held.
func nextHeld(v planView) string {
	if v.HeldNext == "" {
		return ""
	}
	return with(v.to("plan"), "held_after", v.HeldNext)
}
