package provision

import "time"

// Failure is the kind of an error of a target: it steers what becomes of the object and of the
// cycle.
//
//	kind          the object                                        the cycle
//	Unavailable   escrow; looked up first when Unknown              breaker, see [Breaker]
//	Unauthorised  untouched                                         stops at once, quarantine
//	Forbidden     parked, with what a person can do                 goes on
//	NotFound      confirmed by a read; link dropped, planned again  goes on
//	Conflict      matched again, else escrow                        goes on
//	Refused       escrow with the target's words                    goes on
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
	Refused      Failure = "rejected"
	Canceled     Failure = "canceled"
)

// Parks reports whether only a person can mend a failure of this kind, so that the object is not
// tried again until it, its assignment or the configuration changes.
func (f Failure) Parks() bool { return f == Forbidden }

// retries are the pauses before each further attempt at an object; the last one repeats.
var retries = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// RetryAfter returns how long an object stays in escrow after its n-th failed attempt in a row, n
// from 1. spread in [0,1) moves it by up to a tenth, so that a thousand objects which failed
// together do not come back together.
func RetryAfter(n int, spread float64) time.Duration {
	pause := retries[min(max(n, 1), len(retries))-1]
	return pause + time.Duration(spread*float64(pause)/10)
}
