package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/store"
)

// The exit statuses of commands.
const (
	ExitDone     = 0
	ExitInternal = 1 // also: data in use, Muster's own database unreachable, newer, damaged or read-only
	ExitUsage    = 2 // wrong usage or configuration, unknown or ambiguous name
	ExitTarget   = 3 // connection or credentials refused, or the endpoint is not what it should be
	ExitPartly   = 4 // finished, but some rows or objects failed
	ExitHeld     = 5 // operations are held for approval
)

// Problem is why something could not be done, for a person and for a script. The json form is what
// stands under "error".
type Problem struct {
	Exit    int    `json:"-"`
	Code    string `json:"code"`    // one word, stable
	Message string `json:"message"` // what happened, to whom
	Next    string `json:"next"`    // what to do about it; "" when the message says it
	Err     error  `json:"-"`       // the cause, for logs; may be nil
}

func (p *Problem) Error() string {
	if p.Next == "" {
		return p.Message
	}
	return p.Message + "; " + p.Next
}

func (p *Problem) Unwrap() error { return p.Err }

// usage makes a problem of a request that cannot be meant so.
func usage(code, next, message string, args ...any) *Problem {
	return &Problem{Exit: ExitUsage, Code: code, Message: fmt.Sprintf(message, args...), Next: next}
}

// kinds turns errors of the lower packages into problems; the first row that knows the error has it.
//
//	error                   exit                code            message and next step
//	a problem               its own             its own         its own
//	config.Problems         2                   configuration   every problem on a line
//	store.Error             by store.Kind.Exit  the kind        its own
//	mapping.Problems        2                   mapping         its own
//	cycle.ErrBusy           1                   in_use          names the node
//	cycle.ErrHalted         1                   interrupted     names why
//	cycle.ErrPlanStale      2                   plan_stale      names what changed
//	connector.Error         3                   its own         its own
//	canceled                1                   interrupted     nothing is lost
//	anything else           1                   internal        the text
var kinds = []func(error) *Problem{
	as(func(p *Problem) *Problem { return p }),
	as(func(ps config.Problems) *Problem {
		return &Problem{Exit: ExitUsage, Code: "configuration", Message: ps.Error(), Next: "correct this and apply again; nothing was changed"}
	}),
	as(func(e *store.Error) *Problem {
		p := &Problem{Exit: e.Kind.Exit(), Code: string(e.Kind), Message: e.Reason, Next: e.Next}
		if e.Kind == store.ErrNotFound && p.Next == "" {
			p.Next = "`muster user list --search TEXT`, `muster group list` and `muster app list` show what there is"
		}
		return p
	}),
	as(func(k store.Kind) *Problem {
		return &Problem{Exit: k.Exit(), Code: string(k), Message: k.Error()}
	}),
	as(func(ps mapping.Problems) *Problem {
		return &Problem{Exit: ExitUsage, Code: "mapping", Message: ps.Error(), Next: "correct the mapping and apply it with `muster config apply`"}
	}),
	as(func(e *cycle.ErrBusy) *Problem {
		p := &Problem{Exit: ExitInternal, Code: string(store.ErrInUse), Message: e.Error(), Next: "wait until that cycle has ended, then try again"}
		if e.Asked {
			p.Next = "that cycle has been asked to do it at once and goes on with it; `muster logs` shows when it is done"
		}
		return p
	}),
	as(func(e *cycle.ErrHalted) *Problem {
		return &Problem{Exit: ExitInternal, Code: "interrupted", Message: e.Error(), Next: "nothing is lost: what was done is recorded, and the rest is still due"}
	}),
	as(func(e *cycle.ErrPlanStale) *Problem {
		return &Problem{Exit: ExitUsage, Code: "plan_stale", Message: stale(e), Next: "make a new plan with `muster plan`"}
	}),
	as(func(e *connector.Error) *Problem {
		return &Problem{Exit: ExitTarget, Code: cmp.Or(e.Code, string(e.Kind)), Message: e.Reason, Next: e.Advice}
	}),
	func(err error) *Problem {
		if !errors.Is(err, context.Canceled) {
			return nil
		}
		return &Problem{Exit: ExitInternal, Code: "interrupted", Message: "interrupted", Next: "run it again: what was done is recorded, and the rest is still due"}
	},
}

// stale tells what changed since a plan was made, at most ten of it.
func stale(e *cycle.ErrPlanStale) string {
	told := e.Changes
	more := ""
	if len(told) > 10 {
		more = fmt.Sprintf("; and %d more", len(told)-10)
		told = told[:10]
	}
	return fmt.Sprintf("plan %s no longer holds: %s%s", e.ID, strings.Join(told, "; "), more)
}

// as is a row for one type of error, wherever in the chain it stands.
func as[E error](tell func(E) *Problem) func(error) *Problem {
	return func(err error) *Problem {
		var e E
		if !errors.As(err, &e) {
			return nil
		}
		return tell(e)
	}
}

// Explain puts any error into words for a person; nil stays nil.
func Explain(err error) *Problem {
	if err == nil {
		return nil
	}
	for _, kind := range kinds {
		if p := kind(err); p != nil {
			if p.Err == nil && error(p) != err {
				p.Err = err
			}
			return p
		}
	}
	return &Problem{Exit: ExitInternal, Code: "internal", Message: err.Error(), Next: "this is a fault of Muster or of the machine: `muster doctor` looks for the usual ones", Err: err}
}
