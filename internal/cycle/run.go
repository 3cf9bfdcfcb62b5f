package cycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// run is one pass over one application.
type run struct {
	engine   *Engine
	app      *application
	opts     Options
	cycle    *store.Cycle
	holder   string                // of the lease
	approves bool                  // what is planned now is let through: whoever said so saw that it is due
	preview  bool                  // a plan is made and nothing is sent
	obsolete map[string]heldBefore // of a plan: what is held and no longer due, by the operation's id
	now      time.Time
	sending  context.Context // of requests that change something, see hold.requests
	restored bool            // first cycle after a restore

	movedFrom string // what accounts were linked at, see settleIn

	position int64                   // how far the feed has been read
	looked   []*store.Work           // what has been decided about
	began    time.Time               // before anything was read of the target
	walked   map[directory.Kind]bool // listed completely in this pass
	cutShort error                   // why a list was not read to its end, nil when all were
	unlisted map[directory.Kind]bool // a walk was given up, or may have missed some
	coming   map[string]bool         // users who are about to get an account in this pass
	claims   map[string]string       // who of this pass claims an account, or an identity for a new one: directory ids
	matched  []*candidate            // the slice of objects that is being matched

	making     map[string][]provision.Subject // who makes an account with a matching value, by identity; guarded by mu
	storing    chan error                     // the slice of the plan that is being stored, see storeBehind
	waiting    []store.Waiting                // who of the objects just decided about waits for whom
	since      map[string]int64               // when the changes were committed that the pass follows, by object
	few        map[string]bool                // objects that somebody changed by hand
	everything bool                           // whatever is there is looked at, not what has changed
	unchanged  int                            // of everything: those who are as they should be, of whom no record is kept
	hurried    map[string]provision.Urgency   // objects with an operation under way that something more urgent waits for
	asked      map[demand][]store.Request     // what somebody wants at once and is not decided about
	later      []store.Later                  // objects whose turn comes when what is under way for them has ended

	drift  *drift   // of a reconcile
	undone *undoing // of an undo

	ahead     *ahead   // set while the pass reads and plans
	unsettled []*check // of leavers who went ahead

	renames []*rename // planned and not put in order yet

	reading, writing *provision.Breaker // of questions about single objects, see unread; of operations
	rule             string             // by which the pass was stopped

	asking   sync.Mutex // one question at a time whether a refusal is meant for all, see lockedOut
	refusals int        // in a row
	locked   *connector.Error

	conflicts atomic.Int64 // updates that were refused because of another account, see whoHas

	rows                    map[string]*store.Operation // planned rows, to spare reading them back; nil when rows were changed since
	planned, done, failures int
	held                    int // of the planned ones: the pass does not carry them out
	startRequests           int64
	requests                int64 // counted here when the connector does not count
	stopped                 *connector.Error
	early                   bool         // stopped before the probe of a quarantined target was due
	mu                      sync.Mutex   // guards requests
	traces                  atomic.Int64 // operations that got a span
}

// ErrPlanStale says that a plan cannot be run as it is, with what changed since it was made.
type ErrPlanStale struct {
	ID      string
	Changes []string
}

func (e *ErrPlanStale) Error() string {
	return fmt.Sprintf("plan %s no longer holds: %s", e.ID, e.Changes[0])
}

// Run makes one pass over an application and carries it out. The error is nil when the pass went
// through its work, whatever became of single objects; Report.Stopped says that the target or its
// credentials ended it early.
func (e *Engine) Run(ctx context.Context, app *provision.Application, opts Options) (*Report, error) {
	for {
		a, err := e.open(ctx, app)
		if err != nil {
			return nil, err
		}
		report, err := e.carryOn(ctx, a, opts)
		var halted *ErrHalted
		if !errors.As(err, &halted) || halted.Why != store.Reconfigured {
			return report, err
		}
		// Whoever asked wants what is due by the configuration as it is.
		if app, err = e.Store.BareApplication(ctx, app.ID); err != nil {
			return nil, err
		}
	}
}

// carryOn is [Engine.Run] for an application that has been opened.
func (e *Engine) carryOn(ctx context.Context, app *application, opts Options) (*Report, error) {
	held, done, err := e.mayWrite(ctx, &app.Application, opts)
	if err != nil || done != nil {
		return done, err
	}
	defer held.release()
	if _, _, err := e.Store.RecoverOperations(held.open, app.ID); err != nil {
		return nil, err
	}
	r, err := e.begin(held.open, app, opts, "running")
	if err != nil {
		return nil, err
	}
	r.holder = held.holder
	open, span := r.traced(held.open, "cycle")
	r.sending = trace.ContextWithSpan(held.requests(), span)
	// Reading is given up at once when the cycle has to end; what changes something is waited for.
	reading := connector.WithGate(open, connector.Gate{Open: open, Check: held.check})
	rest, err := e.Pace(reading, app.target)
	if err == nil {
		err = r.pass(reading)
	}
	rest()
	report, err := r.finish(reading, err)
	r.endTrace(span, err)
	return report, err
}

// mayWrite takes the lease for a pass. A pass for one object may turn out to be done by another.
func (e *Engine) mayWrite(ctx context.Context, app *provision.Application, opts Options) (*hold, *Report, error) {
	if opts.Object != "" {
		return e.onDemand(ctx, app, opts)
	}
	wait := leaseWait
	if opts.Scheduled {
		wait = 0
	}
	held, err := e.lease(ctx, app, e.Store.NewID(), wait, !opts.Scheduled)
	return held, nil, err
}

// Plan makes one pass that decides everything and sends no write. The plan is stored and can be run
// by its id as long as it holds.
func (e *Engine) Plan(ctx context.Context, app *provision.Application, opts Options) (plan *store.Cycle, failed error) {
	if err := e.putRight(ctx, app); err != nil {
		return nil, err
	}
	a, err := e.open(ctx, app)
	if err != nil {
		return nil, err
	}
	r, err := e.begin(ctx, a, opts, "planned")
	if err != nil {
		return nil, err
	}
	r.preview, r.obsolete = true, map[string]heldBefore{}
	ctx, span := r.traced(ctx, "plan")
	defer func() { r.endTrace(span, failed) }()
	rest, err := e.Pace(ctx, r.app.target)
	defer rest()
	if err != nil {
		return nil, err
	}
	if err := r.settleIn(ctx); err != nil {
		return nil, err
	}
	if err := r.gather(ctx); err != nil {
		return nil, err
	}
	if opts.Undo == "" {
		if err := e.Store.CopyHeld(ctx, app.ID, r.cycle.ID, func(id string) bool { _, over := r.obsolete[id]; return over }); err != nil {
			return nil, err
		}
	}
	if err := r.guard(ctx); err != nil {
		return nil, err
	}
	if r.cycle.Summary, err = r.summary(ctx, true); err != nil {
		return nil, err
	}
	r.cycle.Watermark, r.cycle.Requests = r.position, r.sent()
	return r.cycle, e.Store.SaveCycle(ctx, r.cycle)
}

// begin makes a pass and the row of its cycle.
func (e *Engine) begin(ctx context.Context, app *application, opts Options, state string) (*run, error) {
	// Whoever asks wants everything, also what an import that is not over has brought.
	if err := e.Store.LetIn(ctx, opts.ByHand); err != nil {
		return nil, err
	}
	r, err := e.newRun(ctx, app, opts)
	if err != nil {
		return nil, err
	}
	r.cycle.State = state
	return r, e.Store.NewCycle(ctx, r.cycle)
}

// newRun makes a pass that has left no trace yet.
func (e *Engine) newRun(ctx context.Context, app *application, opts Options) (*run, error) {
	progress, err := e.Store.Standing(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	if opts.PlanID != "" {
		plan, err := e.Store.CycleByID(ctx, app.ID, opts.PlanID)
		if err != nil {
			return nil, err
		}
		// It is compared with what the same kind of pass finds.
		opts.Reconcile, opts.Undo, opts.UndoObject = plan.Type == Reconcile, plan.Undoes, plan.UndoesObject
	}
	r := &run{
		engine: e, app: app, opts: opts, now: e.Store.Now(), began: e.Store.Now(), position: progress.Watermark, restored: progress.Restored, movedFrom: progress.MovedFrom,
		walked: map[directory.Kind]bool{}, unlisted: map[directory.Kind]bool{}, claims: map[string]string{}, coming: map[string]bool{}, rows: map[string]*store.Operation{}, making: map[string][]provision.Subject{}, since: map[string]int64{}, few: map[string]bool{}, hurried: map[string]provision.Urgency{},
	}
	r.approves = opts.ApproveHeld
	r.reading, r.writing = provision.NewBreaker(app.Provisioning.Quarantine), provision.NewBreaker(app.Provisioning.Quarantine)
	r.cycle = &store.Cycle{AppID: app.ID, Type: Incremental, Basis: app.basis, Initiator: opts.Initiator, Watermark: progress.Watermark}
	r.cycle.Undoes, r.cycle.UndoesObject = opts.Undo, opts.UndoObject
	switch {
	case opts.Undo != "":
		r.cycle.Type = Undo
	case opts.Object != "":
		r.cycle.Type = OnDemand
	case opts.Reconcile || progress.Restored:
		r.cycle.Type = Reconcile
	case progress.Completed.IsZero():
		r.cycle.Type = Initial
	}
	r.startRequests = r.counted()
	return r, nil
}

// pass gathers and applies until there is nothing left to do.
func (r *run) pass(ctx context.Context) error {
	if err := r.probe(ctx); err != nil || r.stopped != nil {
		return err
	}
	if err := r.settleIn(ctx); err != nil {
		return err
	}
	if r.opts.ApproveHeld {
		held, err := r.engine.Store.HeldOperations(ctx, r.app.ID)
		if err != nil {
			return err
		}
		if err := r.engine.Store.Approve(ctx, r.app.ID, held, r.opts.Initiator); err != nil {
			return err
		}
	}
	if r.opts.PlanID != "" {
		if err := r.adopt(ctx); err != nil {
			return err
		}
	} else if err := r.gather(ctx); err != nil {
		return err
	}
	if err := r.guard(ctx); err != nil {
		return err
	}
	if err := r.apply(ctx); err != nil {
		return err
	}
	return nil
}

// gather decides about everything that there is to look at now. A failure of the target to answer
// ends the pass, without harm: nothing has been sent.
func (r *run) gather(ctx context.Context) error {
	if r.opts.Undo != "" {
		return r.undo(ctx)
	}
	if err := r.lookAhead(ctx); err != nil {
		return err
	}
	if r.opts.Object != "" {
		w := &store.Work{Until: r.position, Groups: map[string][]string{}}
		if r.opts.Kind == directory.KindGroup {
			w.Groups[r.opts.Object] = nil
		} else {
			w.Users = []store.Placed{{ID: r.opts.Object}}
		}
		return r.look(ctx, w)
	}
	if r.cycle.Type == Reconcile {
		if err := r.reconcile(ctx); err != nil {
			return err
		}
	}
	return r.gatherChanges(ctx, r.cycle.Type != Incremental)
}

// gatherChanges follows the feed to its end, or looks at everything.
func (r *run) gatherChanges(ctx context.Context, everything bool) error {
	for {
		r.now = r.engine.Store.Now()
		retry, since := store.RetryNone, time.Time{}
		switch {
		case len(r.looked) > 0:
			since = r.began
		case r.opts.ByHand:
			retry = store.RetryAll
		default:
			retry = store.RetryDue
		}
		w, err := r.engine.Store.Changed(ctx, r.app.ID, r.position, retry, since, r.looked, everything)
		if err != nil {
			return err
		}
		if r.preview {
			w.Spare()
		}
		r.follow(w, everything)
		w.Add(r.later)
		r.later = nil
		everything = false
		if !w.Empty() {
			if err := r.look(ctx, w); err != nil {
				return err
			}
		}
		r.position = w.Until
		if len(r.looked) == 0 || !w.Empty() {
			r.looked = append(r.looked, w)
		}
		if !w.More {
			return r.orderRenames(ctx)
		}
	}
}

// gatherLater has decided what waits for its turn in the pass itself, whatever the feed brings.
func (r *run) gatherLater(ctx context.Context) error {
	w := &store.Work{Until: r.position, Groups: map[string][]string{}}
	w.Add(r.later)
	if r.later = nil; w.Empty() {
		return nil
	}
	r.now = r.engine.Store.Now()
	if err := r.look(ctx, w); err != nil {
		return err
	}
	return r.orderRenames(ctx)
}

// follow notes which changes the pass follows, so that it can be told how long each took to reach the
// target. What lay there before an initial cycle began waited for somebody to switch it on. And it notes what
// somebody changed by hand, unless everything is looked at anyway, in the order of managers.
func (r *run) follow(w *store.Work, everything bool) {
	for id, few := range w.Few {
		if few && !everything && !w.All {
			r.few[id] = true
		}
	}
	for id, at := range w.Since {
		if r.since[id] == 0 && (r.cycle.Type != Initial || at >= r.began.UnixMilli()) {
			r.since[id] = at
		}
	}
}

// probe asks a quarantined target once whether it is back before anything is planned for it.
func (r *run) probe(ctx context.Context) error {
	p, err := r.engine.Store.Standing(ctx, r.app.ID)
	if err != nil || p.Quarantine == nil {
		return err
	}
	if !r.opts.ByHand && r.now.Before(p.Quarantine.NextProbe) {
		r.stopped = &connector.Error{Kind: connector.Unavailable, Code: p.Quarantine.Code, Reason: p.Quarantine.Reason, Advice: p.Quarantine.Next}
		r.early = true // nothing new is known, and the probe stays due when it was
		return nil
	}
	if d := r.app.target.Connector.Test(ctx); !d.OK {
		r.stopped, r.rule = diagnosed(d), probeFailed
	}
	return nil
}

// diagnosed is what Test Connection found, as the failure that ends a pass.
func diagnosed(d connector.Diagnosis) *connector.Error {
	return &connector.Error{Kind: connector.Unauthorised, Code: d.Code, Reason: d.Message, Advice: d.Next, Exchange: d.Exchange}
}

// recording returns the context of what must be recorded also when the pass has to end. It ends when
// the database is out of reach: another node takes the application over meanwhile.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// probeFailed is the rule by which an application stays in quarantine.
const probeFailed = "the probe failed"

func (r *run) progress(stage string, done int) {
	if stage == "applying" {
		r.done += done
	}
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Stage: stage, Done: r.done, Planned: r.planned - r.held, Failed: r.failures})
	}
}
