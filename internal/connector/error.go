package connector

import (
	"errors"
	"fmt"
	"time"
)

// Failure is the kind of an error: it steers what becomes of the object and of the cycle.
//
//	kind          the object                                        the cycle
//	Unavailable   escrow; looked up first when Unknown              breaker after several in a row
//	Unauthorised  untouched                                         stops at once, quarantine
//	Forbidden     parked, with what a person can do                 goes on
//	NotFound      confirmed by a read; link dropped, planned again  goes on
//	Conflict      matched again, else escrow                        goes on
//	Rejected      escrow with the target's words                    goes on
//	Canceled      untouched                                         is ending
//
// Throttling (429) is waited out inside the client and is no failure; a target that throttles past
// every patience is Unavailable.
type Failure string

// The kinds of failure.
const (
	Unavailable  Failure = "unavailable"
	Unauthorised Failure = "unauthorised"
	Forbidden    Failure = "forbidden"
	NotFound     Failure = "not_found"
	Conflict     Failure = "conflict"
	Rejected     Failure = "rejected"
	Canceled     Failure = "canceled"
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

func (e *Error) Unwrap() error { return e.Err }

// ErrIncomplete says that a walk over all accounts ended but may have missed some (repeated pages,
// fewer accounts than announced): its result may be used to find accounts, never to conclude that
// one is missing.
var ErrIncomplete = errors.New("the target's list is incomplete")
