package cycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// ErrBusy says that another process has the application's lease.
type ErrBusy struct{ App, Node string }

func (e *ErrBusy) Error() string {
	return fmt.Sprintf("%s is being provisioned by %s", e.App, e.Node)
}

// lease takes the application's lease, waits a little for another holder to end, and renews the
// lease until the returned function is called. The returned context ends when the lease is lost.
func (e *Engine) lease(ctx context.Context, app *provision.Application, holder string) (func(), context.Context, error) {
	deadline := time.Now().Add(leaseWait)
	for {
		ours, who, err := e.Store.Lease(ctx, app.ID, holder, e.Node, e.leaseTime())
		if err != nil {
			return nil, nil, err
		}
		if ours {
			break
		}
		if !time.Now().Before(deadline) {
			return nil, nil, &ErrBusy{App: app.Name, Node: who}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(leaseWait / 20):
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		beat := time.NewTicker(e.leaseTime() / 3)
		defer beat.Stop()
		renewed := time.Now()
		for {
			select {
			case <-held.Done():
				return
			case <-beat.C:
				asked := time.Now()
				one, done := context.WithTimeout(held, e.leaseTime()/3)
				ours, who, err := e.Store.Lease(one, app.ID, holder, e.Node, e.leaseTime())
				done()
				switch {
				case err == nil && ours:
					renewed = asked
				case err == nil:
					cancel(&ErrBusy{App: app.Name, Node: who})
					return
				case time.Since(renewed) > e.leaseTime()*2/3:
					// Before the lease runs out and somebody else may begin, nothing more is sent from here.
					cancel(fmt.Errorf("the lease of %s could not be renewed: %w", app.Name, err))
					return
				}
			}
		}
	}()
	return func() {
		cancel(nil)
		<-done
		if err := e.Store.EndLease(context.WithoutCancel(ctx), app.ID, holder); err != nil {
			e.Log.Warn("the lease could not be given back; it runs out by itself", "app", app.Name, "error", err)
		}
	}, held, nil
}

func (e *Engine) leaseTime() time.Duration {
	if e.LeaseTime > 0 {
		return e.LeaseTime
	}
	return 9 * time.Second
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
