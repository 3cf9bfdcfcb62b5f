package provision

import (
	"fmt"
	"time"
)

// Quarantine says when a target that fails is left alone, and when it is asked again. A cycle that trips
// on it ends with its position kept; the application comes back by itself with the first probe that the
// target answers and a cycle that goes through.
type Quarantine struct {
	Failures int      `json:"failures"`  // failures of the connection in a row; 0 is the defaults of all
	Share    Percent  `json:"share"`     // or this share of the last Of operations; negative is off
	Of       int      `json:"of"`        // how many operations the share is of
	Probe    Duration `json:"probe"`     // until the first probe; the pause doubles with each further one
	ProbeMax Duration `json:"probe_max"` // the longest pause between probes
}

// DefaultQuarantine is that of templates.
var DefaultQuarantine = Quarantine{Failures: 5, Share: 50, Of: 20, Probe: Duration(time.Minute), ProbeMax: Duration(time.Hour)}

// ProbeAfter returns the pause before the n-th probe of a quarantined application, n from 1.
func (q Quarantine) ProbeAfter(n int) time.Duration {
	pause := time.Duration(q.Probe)
	for ; n > 1 && pause < time.Duration(q.ProbeMax); n-- {
		pause *= 2
	}
	return min(pause, max(time.Duration(q.ProbeMax), time.Duration(q.Probe)))
}

// Trial is what came of one operation, as far as it tells something of the target.
type Trial struct {
	Failure  Failure // "" is a success
	Answered bool    // the target gave an answer, though it may be that it failed
	Repeated bool    // the object had failed before this cycle
}

// Breaker tells a target that fails from objects that do.
//
//	what came of an operation                       in a row      of the last
//	success                                         begins anew   worked
//	a refusal of this object: rejected, conflict,   begins anew   worked
//	  not found, forbidden; a reference (manager,
//	  member) that the target does not take
//	unavailable                                     one more      failed
//	unavailable, with an answer, and the object     -             -
//	  had failed before: it is the object's own
//	unauthorised                                    trips at once
//	canceled                                        -             -
//
// The zero value is not usable, see [NewBreaker].
type Breaker struct {
	rules  Quarantine
	inARow int
	recent []bool // of the last operations, whether they failed; a ring
	next   int
	failed int // of those
}

// NewBreaker makes the breaker of one cycle.
func NewBreaker(rules Quarantine) *Breaker {
	return &Breaker{rules: rules, recent: make([]bool, 0, max(1, rules.Of))}
}

// Saw takes in what came of an operation, and reports by which rule it trips; "" is not at all.
func (b *Breaker) Saw(t Trial) (rule string) {
	switch t.Failure {
	case Canceled:
		return ""
	case Unauthorised:
		return "the credentials are refused"
	case Unavailable:
		if t.Answered && t.Repeated {
			return ""
		}
		b.inARow++
		b.note(true)
	default:
		b.inARow = 0
		b.note(false)
	}
	switch {
	case b.inARow >= max(1, b.rules.Failures):
		return fmt.Sprintf("%d failures of the connection in a row (quarantine.failures)", b.inARow)
	case b.rules.Share >= 0 && len(b.recent) == cap(b.recent) && float64(b.failed)*100 >= float64(b.rules.Share)*float64(len(b.recent)):
		return fmt.Sprintf("%d of the last %d operations failed at the connection (quarantine.share)", b.failed, len(b.recent))
	}
	return ""
}

func (b *Breaker) note(failed bool) {
	if len(b.recent) < cap(b.recent) {
		b.recent = append(b.recent, failed)
	} else {
		if b.recent[b.next] {
			b.failed--
		}
		b.recent[b.next] = failed
		b.next = (b.next + 1) % len(b.recent)
	}
	if failed {
		b.failed++
	}
}

// AsksAgain reports whether, at the n-th refusal in a row of what the credentials may not do, it is time to
// ask whether they may do anything at all: at the first one, and now and then while they go on.
func AsksAgain(n int) bool { return n%5 == 1 }
