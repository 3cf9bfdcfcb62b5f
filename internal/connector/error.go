package connector

import (
	"errors"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/provision"
)

// The kinds of failure; what each does to the object and to the cycle stands at provision.Failure.
const (
	Unavailable  = provision.Unavailable
	Unauthorised = provision.Unauthorised
	Forbidden    = provision.Forbidden
	NotFound     = provision.NotFound
	Conflict     = provision.Conflict
	Rejected     = provision.Refused
	Canceled     = provision.Canceled
)

// Error is a failure of a target, in words for a person and a kind for the engine.
type Error struct {
	Kind       Failure
	Code       string        // the target's own code ("email_taken", "uniqueness"), else ours ("timeout", "not_json", …)
	Status     int           // HTTP status, 0 when there was no answer
	Reason     string        // what happened, in one sentence, with the target's words; never a secret
	Advice     string        // what a person can do next, in one sentence
	Unknown    bool          // the target may have carried out the request: look before repeating it
	Existing   string        // id of the account that stands in the way, where the target names it
	RetryAfter time.Duration // the pause that the target asked for, 0 for none
	Exchange   *Exchange
	Err        error // the cause, nil when the answer itself is
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s (HTTP %d)", e.Reason, e.Status)
	}
	return e.Reason
}

// Misdirected reports whether the endpoint itself is at fault, not the object that was asked about: it
// sends requests to another host, where no credentials go.
func (e *Error) Misdirected() bool { return e.Code == CodeRedirected }

// Paused reports whether nothing was sent because the target had asked for a pause before: there is nothing
// wrong with what was asked, nor with the target.
func (e *Error) Paused() bool {
	var paused *PausedError
	return errors.As(e.Err, &paused)
}

// Throttled reports whether the target asked for a pause when it was asked: it works, and what met that is tried again after it.
func (e *Error) Throttled() bool { return e.Code == CodeThrottled && e.RetryAfter > 0 }

// Rests reports whether the target wants a pause, whether it said so now or before.
func (e *Error) Rests() bool { return e.Paused() || e.Throttled() }

func (e *Error) Unwrap() error { return e.Err }

// ErrIncomplete says that a walk over all accounts ended but may have missed some (repeated pages,
// fewer accounts than announced): its result may be used to find accounts, never to conclude that
// one is missing.
var ErrIncomplete = errors.New("the target's list is incomplete")
