package cycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// check is an operation that the target accepted and does not show, or not yet.
type check struct {
	work    *work
	change  connector.Change
	out     connector.Outcome
	result  store.Result
	differs []string
	unread  bool // the target could not be asked
}

// firstLook is the pause before what the target did not show is read again; it doubles with each
// further look. A target that needs no time to settle is read once more at once.
const firstLook = 100 * time.Millisecond

// lookAgain reads again what the target did not show, until it shows it or has had the time that it
// takes to settle. What it then still does not show, it has not accepted: that is reported, is no
// success, and is not sent for ever.
func (d *dispatcher) lookAgain(ctx context.Context) error {
	left := d.checks
	d.checks = nil
	pause, waited := firstLook, time.Duration(0)
	for {
		d.run.progress("verifying", 0)
		rest := left[:0]
		for _, c := range left {
			if ctx.Err() != nil {
				d.settled(c, true)
				continue
			}
			a, err := d.readBack(ctx, c.work.Kind, c.change.ID, c.members(), provision.ReconcileRead)
			if c.unread = err != nil; a != nil || c.work.Action == provision.Delete {
				c.out.Account = a
			}
			c.out.Gone = c.out.Gone || c.work.Action == provision.Delete && err == nil && a == nil
			verified, differs := compare(c.work.Action, c.change, c.out)
			c.differs = differs
			if verified && len(differs) == 0 && !c.unread {
				d.settled(c, false)
			} else {
				rest = append(rest, c)
			}
		}
		left = rest
		if len(left) == 0 || waited >= d.app.target.Settle {
			break
		}
		pause = min(pause, d.app.target.Settle-waited)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		waited += pause
		pause *= 2
	}
	for _, c := range left {
		d.settled(c, false)
	}
	return nil
}

// supersede is for the checks of an object that one more operation has changed since: the name in between, when people
// exchange theirs. What that one set is not looked for any more, and what is recorded last is the link that it left.
func (d *dispatcher) supersede(f *finished) {
	if f.result.Link == nil {
		return // not carried out: the object is as the earlier one left it
	}
	d.checks = slices.DeleteFunc(d.checks, func(c *check) bool {
		if c.work.Kind != f.work.Kind || c.work.Source.ID != f.work.Source.ID {
			return false
		}
		c.change.Edits = slices.DeleteFunc(slices.Clone(c.change.Edits), func(e attr.Edit) bool {
			return slices.ContainsFunc(f.work.Edits, func(later attr.Edit) bool { return later.Path == e.Path })
		})
		c.result.Link = nil
		over := len(c.change.Edits) == 0 && !c.members()
		if over {
			d.unrecorded = append(d.unrecorded, c.result)
		}
		return over
	})
}

func (c *check) members() bool { return len(c.change.Add)+len(c.change.Remove) > 0 }

// settled records how a check ended. unsure says that there was no time to look.
func (d *dispatcher) settled(c *check, unsure bool) {
	op := c.result.Op
	if l := c.result.Link; l != nil && c.out.Account != nil {
		l.Answered = answered(c.work, c.out)
		l.Account.Name = c.out.Account.Name
	}
	switch {
	case unsure || c.out.Account == nil && c.work.Action != provision.Disable && !c.out.Gone || c.unread:
		d.unverified(c, unsure)
	case c.out.Account == nil && len(c.differs) == 0 && !c.out.Gone:
		// Some targets show nobody whose account is off.
		op.Status, op.Verified = "warning", false
		op.Error = &provision.Problem{Code: "not_verified", Reason: "the target accepted this and does not show the account any more", Recommendation: "Nothing to do: the next reconcile looks at it."}
	case len(c.differs) == 0:
		op.Verified = true
	default:
		d.notAccepted(c)
	}
	if op.State == store.Failed || op.State == store.Unknown {
		d.failures++
	}
	d.unrecorded = append(d.unrecorded, c.result)
}

// unverified is for what the target acknowledged and could not be asked about: it may have kept it or
// not, as if no answer had come. The account is looked at before anything is concluded from what is
// recorded of it: soon, or, when there was no time to look, by the next pass.
func (d *dispatcher) unverified(c *check, unsure bool) {
	op := c.result.Op
	p := provision.Problem{Code: "not_verified", Reason: "the target accepted this and could not be asked whether it kept it", Recommendation: "Nothing to do: it is looked at again."}
	op.Status, op.Verified, op.Error = "warning", false, &p
	if c.work.link == nil || c.result.Link == nil && c.work.Action != provision.Delete {
		return // what is linked now is compared whole by the next reconcile
	}
	again := store.Result{Op: op}
	if unsure {
		again.Due = []store.Due{{Kind: c.work.Kind, ObjectID: c.work.Source.ID, At: d.engine.Store.Now(), Reason: "not verified"}}
	} else {
		again = d.failed(c.work, p, false)
	}
	op.State, op.Status = store.Unknown, "warning"
	c.result = again
}

// notAccepted turns an acknowledged operation whose values the target did not keep into a failure.
// Values are not sent again until they change; a leaver who is still active is tried again.
func (d *dispatcher) notAccepted(c *check) {
	op := c.result.Op
	p := provision.Problem{
		Code: "not_accepted", Reason: "not accepted by target: it acknowledged the request and kept another value of " + strings.Join(c.differs, ", "),
		Recommendation: "See whether the target allows this attribute to be changed, and map it otherwise if not.",
	}
	op.State, op.Status, op.Verified, op.Error = store.Failed, "failure", false, &p
	if c.work.Action == provision.Delete {
		p.Reason, p.Recommendation = "not accepted by target: it acknowledged the deletion, and it is still there", fmt.Sprintf("Look at %s at the target; Muster tries again.", op.Target.Name)
		c.result = d.failed(c.work, p, false)
		return
	}
	active := strings.Contains(" "+strings.Join(c.differs, " ")+" ", " active ")
	members := strings.Contains(" "+strings.Join(c.differs, " ")+" ", " "+provision.MembersAttribute+" ")
	if !active && !members {
		return
	}
	p.Recommendation = fmt.Sprintf("Look at %s at the target; Muster tries again.", op.Target.Name)
	failed := d.failed(c.work, p, false)
	c.result.Escrow = failed.Escrow
	c.result.Resolved = false
	if active && c.result.Link != nil {
		c.result.Link.Enabled = c.out.Account.Active
	}
	if members {
		c.result.Added, c.result.Removed = nil, nil
	}
}
