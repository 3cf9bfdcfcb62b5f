package cycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// ErrBusy says that another cycle, here or on another node, has the application's lease.
type ErrBusy struct {
	App, Node string
	Asked     bool // it has taken up what it was asked to do at once, and has not ended it
}

func (e *ErrBusy) Error() string {
	return fmt.Sprintf("%s is being provisioned by %s", e.App, e.Node)
}

// ErrHalted says that a cycle ended early because its application may not be run any more: it was
// deleted, switched off, paused or given another configuration.
type ErrHalted struct {
	App string
	Why store.Halt
}

func (e *ErrHalted) Error() string { return fmt.Sprintf("the cycle of %s was ended: %s", e.App, e.Why) }

// hold is an application's lease in our hands. It is renewed by itself, and asked just before every
// request: a process that was stopped for a while sends nothing on the strength of what it held then.
type hold struct {
	engine *Engine
	app    *provision.Application
	holder string
	// open ends when no more requests may be begun: the caller has given up, the lease is lost, the
	// application may not be run any more. Its cause says which.
	open context.Context
	stop context.CancelCauseFunc
	// under is the context of requests: it outlives open by the time that what is under way gets to end.
	under  context.Context
	drop   context.CancelFunc
	done   chan struct{}
	byHand bool

	renewed  atomic.Pointer[time.Time] // when the last renewal that succeeded was asked for
	renewing sync.Mutex                // one request asks for all that wait
}

// underWay is how long requests that are under way are waited for when a cycle has to end.
const underWay = 6 * time.Second

// mayRunCheck is how often a running cycle asks whether its application may still be run.
const mayRunCheck = 500 * time.Millisecond

// lease takes the application's lease, and waits for another holder to end as long as it is told.
// [hold.release] gives it back.
func (e *Engine) lease(ctx context.Context, app *provision.Application, holder string, wait time.Duration, byHand bool) (*hold, error) {
	h := &hold{engine: e, app: app, holder: holder, byHand: byHand, done: make(chan struct{})}
	for deadline := time.Now().Add(wait); ; {
		err := h.renew(ctx)
		if err == nil {
			break
		}
		var busy *ErrBusy
		if !errors.As(err, &busy) || !time.Now().Before(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(leaseWait / 20):
		}
	}
	h.open, h.stop = context.WithCancelCause(ctx)
	h.under, h.drop = context.WithCancel(context.WithoutCancel(ctx))
	h.mayGoOn()
	go h.keep()
	return h, nil
}

// renew asks the database for the lease once more.
func (h *hold) renew(ctx context.Context) error {
	asked := time.Now()
	ours, who, err := h.engine.Store.Lease(ctx, h.app.ID, h.holder, h.engine.Node, h.engine.leaseTime())
	switch {
	case err != nil:
		return err
	case !ours:
		return &ErrBusy{App: h.app.Name, Node: who}
	}
	h.renewed.Store(&asked)
	return nil
}

// keep renews the lease until it is given back, and ends the cycle when it cannot be, or when the
// application may not be run any more.
func (h *hold) keep() {
	defer close(h.done)
	beat, look := time.NewTicker(h.engine.leaseTime()/3), time.NewTicker(mayRunCheck)
	defer beat.Stop()
	defer look.Stop()
	for {
		select {
		case <-h.open.Done():
			return
		case <-beat.C:
			one, done := context.WithTimeout(h.open, h.engine.leaseTime()/3)
			err := h.renew(one)
			done()
			var busy *ErrBusy
			switch {
			case errors.As(err, &busy):
				h.stop(busy)
			case err != nil && !h.fresh():
				// Before the lease runs out and somebody else may begin, nothing more is sent from here.
				h.stop(fmt.Errorf("the lease of %s could not be renewed: %w", h.app.Name, err))
			}
		case <-look.C:
			h.mayGoOn()
		}
	}
}

// mayGoOn ends the cycle when it may not go on: it was stopped, its application was deleted or given another configuration, or, unless it is
// run by hand, does not run by itself any more.
func (h *hold) mayGoOn() {
	why, ends, err := h.engine.Store.MayGoOn(h.open, h.app, h.holder)
	if err == nil && (ends || why != store.Runs && !h.byHand) { // else it is asked again
		h.stop(&ErrHalted{App: h.app.Name, Why: why})
	}
}

// fresh reports whether the last renewal is young enough for something to be sent. Both clocks are
// asked: the steady one stands still while the machine sleeps.
func (h *hold) fresh() bool {
	most := h.engine.leaseTime() * 2 / 3
	renewed := *h.renewed.Load()
	wall := time.Now().Round(0).Sub(renewed.Round(0))
	return time.Since(renewed) < most && wall < most && wall > -most
}

// check allows one request to be sent. When the last renewal is too old for that (the process was
// stopped, the database is slow) the database is asked first.
func (h *hold) check() error {
	if h.fresh() {
		return nil
	}
	h.renewing.Lock()
	defer h.renewing.Unlock()
	if h.fresh() {
		return nil
	}
	one, done := context.WithTimeout(h.open, h.engine.leaseTime()/3)
	defer done()
	err := h.renew(one)
	if err != nil {
		h.stop(fmt.Errorf("the lease of %s is not ours any more: %w", h.app.Name, err))
	}
	return err
}

// requests returns the context for what is sent: it goes through the lease, and what is under way when
// the cycle has to end is waited for.
func (h *hold) requests() context.Context {
	context.AfterFunc(h.open, func() {
		end := time.AfterFunc(underWay, h.drop)
		context.AfterFunc(h.under, func() { end.Stop() })
	})
	return connector.WithGate(h.under, connector.Gate{Open: h.open, Check: h.check})
}

// release gives the lease back.
func (h *hold) release() {
	h.stop(nil)
	<-h.done
	h.drop()
	end, done := context.WithTimeout(context.WithoutCancel(h.open), h.engine.leaseTime()/3)
	defer done()
	if err := h.engine.Store.EndLease(end, h.app.ID, h.holder); err != nil {
		h.engine.Log.Warn("the lease could not be given back; it runs out by itself", "app", h.app.Name, "error", err)
	}
}

// leaseTime is how long a lease holds that is not renewed. Other nodes wait for a dead one's to run out. An
// embedded database has one process, and the next one knows that the lease of a dead one is worth nothing:
// there it outlasts a large import, which nothing else can write beside.
func (e *Engine) leaseTime() time.Duration {
	switch {
	case e.LeaseTime > 0:
		return e.LeaseTime
	case e.Store.Postgres():
		return 9 * time.Second
	}
	return 30 * time.Second
}

// leaseWait is how long a second sync of an application waits for the first.
const leaseWait = 10 * time.Second

// putRight deals with what a killed process left, as the next cycle would: a plan would take it for
// work that is under way. While a cycle runs, what it has under way is left to it.
func (e *Engine) putRight(ctx context.Context, app *provision.Application) error {
	holder := e.Store.NewID()
	ours, _, err := e.Store.Lease(ctx, app.ID, holder, e.Node, e.leaseTime())
	if err != nil || !ours {
		return err
	}
	_, _, err = e.Store.RecoverOperations(ctx, app.ID)
	return errors.Join(err, e.Store.EndLease(context.WithoutCancel(ctx), app.ID, holder))
}
