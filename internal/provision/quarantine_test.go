package provision

import (
	"strings"
	"testing"
	"time"
)

// TestBreaker tells failing targets from failing objects. A letter is what came of an operation: s success,
// u unavailable, o 5xx for an object that had failed before, n no answer for one, r rejected, f forbidden,
// m not found, x credentials, c canceled.
func TestBreaker(t *testing.T) {
	t.Parallel()
	trials := map[rune]Trial{
		's': {}, 'u': {Failure: Unavailable, Answered: true}, 'o': {Failure: Unavailable, Answered: true, Repeated: true},
		'n': {Failure: Unavailable, Repeated: true}, 'r': {Failure: Refused, Answered: true}, 'f': {Failure: Forbidden, Answered: true},
		'm': {Failure: NotFound, Answered: true}, 'x': {Failure: Unauthorised, Answered: true}, 'c': {Failure: Canceled},
	}
	for name, c := range map[string]struct {
		saw   string
		trips int // after so many, 0 never
		rule  string
	}{
		"five in a row":                         {"suuuuu", 6, "quarantine.failures"},
		"a success between":                     {"uuuusuuuus", 0, ""},
		"a refusal of an object between":        {"uuuuruuuur", 0, ""},
		"credentials":                           {"sx", 2, "credentials"},
		"every second request":                  {strings.Repeat("su", 40), 20, "quarantine.share"},
		"two of three, never five in a row":     {strings.Repeat("uus", 40), 20, "quarantine.share"},
		"one of three":                          {strings.Repeat("ssu", 200), 0, ""},
		"good for long, then every second":      {strings.Repeat("s", 1000) + strings.Repeat("us", 40), 1019, "quarantine.share"},
		"objects that always fail":              {strings.Repeat("o", 500), 0, ""},
		"objects that always fail hide no dead": {strings.Repeat("ou", 5), 10, "quarantine.failures"},
		"no answer for objects that failed":     {"nnnnn", 5, "quarantine.failures"},
		"refusals":                              {strings.Repeat("r", 500), 0, ""},
		"forbidden objects":                     {strings.Repeat("f", 500), 0, ""},
		"gone":                                  {strings.Repeat("m", 500), 0, ""},
		"canceled":                              {strings.Repeat("c", 500), 0, ""},
	} {
		b, at, rule := NewBreaker(DefaultQuarantine), 0, ""
		for i, r := range c.saw {
			if rule = b.Saw(trials[r]); rule != "" {
				at = i + 1
				break
			}
		}
		if at != c.trips || !strings.Contains(rule, c.rule) {
			t.Errorf("%s: tripped after %d by %q, want %d by %q", name, at, rule, c.trips, c.rule)
		}
	}
	off := DefaultQuarantine
	off.Share = Off
	b := NewBreaker(off)
	for range 100 {
		if rule := b.Saw(Trial{}) + b.Saw(Trial{Failure: Unavailable}); rule != "" {
			t.Errorf("with the share off: %s", rule)
		}
	}
}

func TestProbesBackOff(t *testing.T) {
	t.Parallel()
	for n, want := range []time.Duration{time.Minute, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		if got := DefaultQuarantine.ProbeAfter(n); got != want {
			t.Errorf("probe %d after %s, want %s", n, got, want)
		}
	}
	if got := (Quarantine{Probe: Duration(time.Hour), ProbeMax: Duration(time.Minute)}).ProbeAfter(9); got != time.Hour {
		t.Errorf("a longest pause below the first one: %s", got)
	}
	if got := DefaultQuarantine.ProbeAfter(1 << 40); got != time.Hour {
		t.Errorf("after very many: %s", got)
	}
}
