package cycle

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// taken is how many operations are marked as applying in one transaction.
const taken = 256

// feedCheck is how often a running pass asks whether the directory has changed meanwhile, so that a
// leaver does not wait for the end of a long queue.
const feedCheck = 250 * time.Millisecond

// reserved are the places in the queue to the target that only removals may take.
const reserved = 4

// dispatcher hands operations to the target: the most urgent first, one at a time per object, a
// report after the manager, groups after the people. One goroutine runs its loop and alone touches
// its fields; workers carry out one operation each and send back what came of it.
type dispatcher struct {
	*run
	queue    []*work            // taken and not begun, most urgent first
	rank     map[string]int     // of the users taken and not finished
	running  map[string]bool    // objects with an operation under way
	joining  map[string]int     // who is about to join a group, by user
	freed    map[string]freeing // what operations that were taken and not finished give up, by identity
	inflight int
	empty    bool // nothing more is planned in the database, as far as is known
	fresh    int  // planned since operations were last taken
	taking   int  // how many are being marked as applying, 0 for none
	marks    chan marked
	unread   []string // taken, and never to be in the queue: the pass ends

	finished   chan finished
	unrecorded []store.Result
	recording  bool
	recordFrom time.Time // when the last results began to be
	recordNext time.Time // when the next are due at the latest
	recorded   chan error

	accounts map[string]string // accounts that users got in this pass, by user id
	gone     map[string]bool   // users whose account turned out to be gone in this pass
	away     map[string]bool   // users whose account was switched off in this pass
	checks   []*check
	disowned atomic.Int64 // results that turned into failures while they were recorded
}

// work is an operation with what is needed to carry it out.
type work struct {
	*store.Operation
	link     *store.Link
	escrow   *store.Escrow
	accounts map[string]string // of the users it refers to and of the members it adds
	kept     map[string]string // of the members it removes
}

// marked are operations that have been marked as applying, and what is needed to carry them out.
type marked struct {
	ids  []string
	work []*work
	err  error
}

// finished is what a worker sends back.
type finished struct {
	work    *work
	result  store.Result
	unsent  bool             // never sent: it goes back into the queue
	failure *connector.Error // what the target answered, nil for a success
	check   *check           // what the target showed must be looked at again
}

// apply carries out what is planned, and what the directory brings meanwhile. It returns nil when
// there is nothing left to do, or when the target ended the pass (r.stopped).
func (r *run) apply(ctx context.Context) error {
	// What the directory brings from now on nobody has seen.
	r.ahead, r.approves = nil, false
	d := r.dispatcher()
	d.checks, r.unsettled = r.unsettled, nil
	return d.end(ctx, d.loop(ctx))
}

func (r *run) dispatcher() *dispatcher {
	return &dispatcher{
		run: r, rank: map[string]int{}, running: map[string]bool{}, freed: map[string]freeing{}, joining: map[string]int{}, accounts: map[string]string{}, gone: map[string]bool{},
		away:     map[string]bool{},
		finished: make(chan finished, r.app.target.Concurrency+reserved), recorded: make(chan error, 1),
		marks: make(chan marked, 1),
	}
}

// end waits for what is under way, whatever ended the loop, and records it; what was not begun goes back,
// where the end of the cycle drops it.
func (d *dispatcher) end(ctx context.Context, err error) error {
	for d.inflight > 0 {
		d.take1(<-d.finished)
	}
	if d.recording {
		err = cmp.Or(err, <-d.recorded)
	}
	if d.taking > 0 {
		t := <-d.marks
		if d.unread = t.ids; ctx.Err() == nil {
			err = cmp.Or(err, t.err)
		}
	}
	end, done := recording(ctx)
	defer done()
	for _, c := range d.checks {
		d.settled(c, true)
	}
	if rerr := d.record(end, d.unrecorded); err == nil {
		err = rerr
	}
	ids := d.unread
	for _, w := range d.queue {
		ids = append(ids, w.ID)
	}
	if rerr := d.engine.Store.ReturnOperations(end, ids); err == nil {
		err = rerr
	}
	d.failures += int(d.disowned.Load())
	return err
}

func (d *dispatcher) loop(ctx context.Context) error {
	tick := time.NewTicker(feedCheck)
	defer tick.Stop()
	for d.stopped == nil && ctx.Err() == nil {
		// What has just been planned may be more urgent than all that was taken before.
		limit := d.fresh
		if len(d.queue) < max(taken/2, d.app.target.Concurrency) && !d.empty {
			limit = taken
		}
		if limit > 0 && d.taking == 0 {
			d.taking, d.fresh = limit, 0
			go func() { d.marks <- d.mark(ctx, limit) }()
		}
		d.dispatch(ctx)
		if d.recordDue() {
			batch := d.unrecorded
			d.unrecorded, d.recording, d.recordFrom = nil, true, time.Now()
			go func() {
				one, done := recording(ctx)
				defer done()
				d.recorded <- d.record(one, batch)
			}()
		}
		if d.inflight == 0 && !d.recording && d.taking == 0 {
			// Idle: all that was planned is done and recorded.
			if !d.empty || len(d.queue) > 0 {
				continue
			}
			again, err := d.idle(ctx)
			if err != nil || !again {
				return err
			}
			continue
		}
		select {
		case f := <-d.finished:
			d.take1(f)
			for len(d.finished) > 0 {
				d.take1(<-d.finished)
			}
		case t := <-d.marks:
			if err := d.fetch(t); err != nil {
				return err
			}
		case err := <-d.recorded:
			d.recordEnded()
			if err != nil {
				return err // nothing may be sent whose record would be lost
			}
		case <-tick.C:
			if err := d.gatherMore(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
		}
	}
	return nil
}

// idle looks for what the pass itself or the directory brought up meanwhile, and reports whether
// there is more to do.
func (d *dispatcher) idle(ctx context.Context) (bool, error) {
	if len(d.checks) > 0 {
		if err := d.lookAgain(ctx); err != nil {
			return false, err
		}
	}
	before := d.planned
	if err := d.gatherMore(ctx); err != nil {
		return false, err
	}
	if d.planned > before || len(d.unrecorded) > 0 {
		d.empty = false
		return true, nil
	}
	return false, nil
}

// gatherMore has decided what changed since the pass last looked, and what somebody wants at once. A pass for one object
// looks only once, and a saved plan is followed by nothing but what somebody wants at once.
func (d *dispatcher) gatherMore(ctx context.Context) error {
	if d.opts.Object != "" {
		return nil
	}
	if d.taking > 0 {
		// What is planned now must not be taken before the guard has weighed it.
		if err := d.fetch(<-d.marks); err != nil {
			return err
		}
	}
	before := d.planned
	if err := d.takeRequests(ctx); err != nil {
		return err
	}
	var err error
	if d.opts.PlanID != "" {
		err = d.gatherLater(ctx)
	} else {
		err = d.gatherChanges(ctx, false)
	}
	if err != nil {
		return err
	}
	d.hurryUp()
	if d.planned > before {
		d.empty, d.fresh = false, min(taken, d.planned-before)
		if err := d.guard(ctx); err != nil {
			return err
		}
	}
	return d.requestsDecided(ctx)
}

// mark has the most urgent operations marked as applying, and reads what is needed to carry them out. It runs beside the
// loop, which plans nothing meanwhile: the rows that are remembered are its own.
func (d *dispatcher) mark(ctx context.Context, limit int) (t marked) {
	if t.ids, t.err = d.engine.Store.TakeOperations(ctx, d.cycle.ID, limit); t.err == nil {
		t.work, t.err = d.read(ctx, t.ids)
	}
	return t
}

// fetch moves operations into the queue that were durably marked as applying.
func (d *dispatcher) fetch(t marked) error {
	// What was planned while they were taken is still to be taken.
	d.empty = len(t.ids) < d.taking && d.fresh == 0
	d.taking = 0
	if t.err != nil {
		d.unread = t.ids
		return t.err
	}
	for _, w := range t.work {
		if w.Kind == directory.KindUser {
			d.rank[w.Source.ID] = w.Rank
		}
		d.noteFrees(w.Operation)
		d.noteJoins(w.Operation, 1)
		d.queue = append(d.queue, w)
	}
	d.sort()
	return nil
}

// read puts together what is needed to carry out operations.
func (d *dispatcher) read(ctx context.Context, ids []string) ([]*work, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ops, err := d.remembered(ctx, ids)
	if err != nil {
		return nil, err
	}
	objects := map[directory.Kind][]string{}
	var all, people []string
	for _, o := range ops {
		objects[o.Kind] = append(objects[o.Kind], o.Source.ID)
		all = append(all, o.Source.ID)
		people = append(people, o.ReferenceIDs()...)
		for _, m := range slices.Concat(o.Add, o.Found) {
			people = append(people, m.ID)
		}
	}
	links := map[directory.Kind]map[string]*store.Link{}
	for kind, ids := range objects {
		if links[kind], err = d.engine.Store.Links(ctx, d.app.ID, kind, ids); err != nil {
			return nil, err
		}
	}
	escrow, err := d.engine.Store.EscrowsOf(ctx, d.app.ID, all)
	if err != nil {
		return nil, err
	}
	accounts, err := d.engine.Store.AccountsOf(ctx, d.app.ID, people)
	if err != nil {
		return nil, err
	}
	ready := make([]*work, len(ops))
	for at, o := range ops {
		w := &work{Operation: o, link: links[o.Kind][o.Source.ID], escrow: escrow[o.Source.ID], accounts: accounts}
		if len(o.Remove) > 0 {
			ids := make([]string, len(o.Remove))
			for i, m := range o.Remove {
				ids[i] = m.ID
			}
			if w.kept, err = d.engine.Store.MemberAccounts(ctx, d.app.ID, o.Source.ID, ids); err != nil {
				return nil, err
			}
		}
		ready[at] = w
	}
	return ready, nil
}

// sort puts the most urgent first.
func (d *dispatcher) sort() {
	slices.SortStableFunc(d.queue, func(a, b *work) int {
		return cmp.Or(cmp.Compare(a.Urgency, b.Urgency), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.ID, b.ID))
	})
}

// remembered returns the rows of operations: as they were planned a moment ago, or from the database.
func (d *dispatcher) remembered(ctx context.Context, ids []string) ([]*store.Operation, error) {
	ops := make([]*store.Operation, 0, len(ids))
	var rest []string
	for _, id := range ids {
		if o := d.rows[id]; o != nil {
			o.State = store.Applying
			ops = append(ops, o)
			delete(d.rows, id)
			continue
		}
		rest = append(rest, id)
	}
	more, err := d.engine.Store.OperationsByID(ctx, rest)
	return append(ops, more...), err
}

// dispatch begins what may begin now, in order.
func (d *dispatcher) dispatch(ctx context.Context) {
	var waiting map[string]bool // objects whose earlier operation has not begun
	rest := d.queue[:0]
	for i, w := range d.queue {
		// Removals stand in front: where they take the reserve and the others have no place, the look is over.
		if d.inflight >= d.app.target.Concurrency+reserved || d.inflight >= d.app.target.Concurrency && w.Urgency != provision.Removal {
			rest = append(rest, d.queue[i:]...)
			break
		}
		if waiting[w.Source.ID] || !d.mayBegin(w) {
			if waiting == nil {
				waiting = map[string]bool{}
			}
			waiting[w.Source.ID] = true
			rest = append(rest, w)
			continue
		}
		d.running[w.Source.ID] = true
		d.inflight++
		refs := d.resolve(w)
		go func() { d.finished <- d.carryOut(ctx, w, refs) }()
	}
	clear(d.queue[len(rest):])
	d.queue = rest
}

func (d *dispatcher) mayBegin(w *work) bool {
	if d.running[w.Source.ID] {
		return false
	}
	if w.Kind == directory.KindGroup && len(w.Add) > 0 && len(d.rank) > 0 && w.Urgency != provision.OnDemand {
		coming := func(m provision.Subject) bool { _, pending := d.rank[m.ID]; return pending }
		if w.Urgency != provision.Handful || slices.ContainsFunc(w.Add, coming) {
			return false // its members' accounts are on their way
		}
	}
	for _, id := range w.ReferenceIDs() {
		// A circle of managers is broken by rank: only who stands higher is waited for.
		if rank, pending := d.rank[id]; pending && rank < w.Rank {
			return false
		}
	}
	return !d.stillHeld(w) && !d.onTheMove(w)
}

// resolved are the accounts that stand for the users an operation speaks of.
type resolved struct {
	accounts map[string]string // by user id, for those who have one
	missing  []string          // user ids that have none yet
	gone     map[string]bool   // accounts that turned out to be gone while they were sent
}

func (d *dispatcher) resolve(w *work) resolved {
	r := resolved{accounts: map[string]string{}}
	look := func(id string) {
		if id == "" || r.accounts[id] != "" {
			return
		}
		account := cmp.Or(d.accounts[id], w.accounts[id])
		if account == "" || d.gone[id] || d.away[id] {
			r.missing = append(r.missing, id)
			return
		}
		r.accounts[id] = account
	}
	for _, id := range w.ReferenceIDs() {
		look(id)
	}
	for _, m := range slices.Concat(w.Add, w.Found) {
		look(m.ID)
	}
	return r
}

// take1 takes in what a worker sent back.
func (d *dispatcher) take1(f finished) {
	w := f.work
	d.inflight--
	delete(d.running, w.Source.ID)
	delete(d.rank, w.Source.ID)
	if f.unsent {
		d.queue = append(d.queue, w)
		d.sort()
		if f.failure != nil {
			d.breaker(w, f.failure)
		}
		return
	}
	d.gaveUp(w.Operation)
	d.noteJoins(w.Operation, -1)
	d.took(&f)
	d.supersede(&f)
	if f.check != nil {
		d.checks = append(d.checks, f.check)
		d.run.progress("applying", 1)
		return
	}
	d.unrecorded = append(d.unrecorded, f.result)
	if s := f.result.Op.State; s == store.Failed || s == store.Unknown || f.failure != nil && f.result.Escrow != nil {
		d.failures++
	}
	d.breaker(w, f.failure)
	d.run.progress("applying", 1)
}

// took takes in what a result says of accounts that others refer to. What was sent for others beside it may
// name an account that is gone: they wait for the next one.
func (d *dispatcher) took(f *finished) {
	for _, id := range f.result.Gone {
		delete(d.accounts, id)
		d.gone[id] = true
	}
	id := f.work.Source.ID
	switch l := f.result.Link; {
	case f.work.Kind != directory.KindUser:
	case l != nil && l.Enabled:
		d.accounts[id] = l.Account.ID
		delete(d.gone, id)
		delete(d.away, id)
	case l != nil:
		delete(d.accounts, id)
		d.away[id] = true
	case f.result.Unlink:
		delete(d.accounts, id)
		d.gone[id] = true
		for i := range d.unrecorded {
			d.unrecorded[i].Without(id)
		}
		for _, c := range d.checks {
			c.result.Without(id)
		}
	}
	res := &f.result
	if f.check != nil {
		res = &f.check.result
	}
	for gone := range d.gone {
		res.Without(gone)
	}
}

// breaker ends the pass when it is the target that fails and not the objects. A pause that the target asked
// for ends it too, before anything else is sent only to be turned away.
func (d *dispatcher) breaker(w *work, failure *connector.Error) {
	if failure == nil {
		if w.Action != provision.Skip && w.Error == nil { // else nothing was sent
			d.writing.Saw(provision.Trial{})
		}
		return
	}
	if failure.Misdirected() {
		d.stop(failure, "the endpoint sends elsewhere")
		return
	}
	if failure.Paused() {
		d.stop(failure, "")
		return
	}
	if failure.Throttled() {
		return // several may have been under way when the pause began, which says nothing of the target: whatever is next ends the pass
	}
	rule := d.writing.Saw(provision.Trial{Failure: failure.Kind, Answered: failure.Status != 0, Repeated: w.escrow != nil})
	if rule != "" {
		d.stop(failure, rule)
	}
}

func (d *dispatcher) stop(why *connector.Error, rule string) {
	if d.stopped == nil {
		d.stopped, d.rule = why, rule
	}
}
