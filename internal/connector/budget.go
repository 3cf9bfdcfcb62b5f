package connector

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// budget is what an answer tells of one limit of the target: how many requests are left until it is
// filled again.
type budget struct {
	name  string        // the target's own, "" for one without
	limit float64       // requests in a window, 0 where it is not told
	left  float64       // of them
	reset time.Duration // until there are more, at most maxPause
}

// maxBudgets bounds what one answer may tell of, and what a limiter remembers.
const maxBudgets = 16

// windows are the names of limits that say how long their window is. Gateways that name limits so do
// not say when the window ends; it begins with the clock's own minute, hour, day.
var windows = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// budgets reads the headers by which targets tell how much of a limit is left. There is a draft
// standard, of which every edition has been deployed, and there are the vendors' own spellings:
//
//	RateLimit: "default";r=50;t=30             draft-ietf-httpapi-ratelimit-headers from 08 on, with
//	RateLimit-Policy: "default";q=100;w=60     the limit
//	RateLimit: limit=100, remaining=50, reset=30                                      draft 07
//	RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset                             drafts 00 to 06
//	X-RateLimit-Limit, X-Rate-Limit-Remaining, X-RateLimit-Reset, …-Reset-After       most vendors
//	X-RateLimit-Remaining-Minute, X-RateLimit-Route-Remaining                         with a name
//
// A reset is seconds from now, a moment in seconds or milliseconds since 1970, a date or a duration
// ("6m0s"). Moments are measured against the answer's Date, so that the clocks need not agree. What does
// not say both what is left and until when says nothing.
func budgets(h http.Header, now time.Time) []budget {
	then := answeredAt(h, now)
	found := map[string]map[string]string{} // name → limit, remaining, reset → text
	told := func(name, field, text string) {
		if found[name] == nil {
			if len(found) == maxBudgets {
				return
			}
			found[name] = map[string]string{}
		}
		if _, had := found[name][field]; !had {
			found[name][field] = text
		}
	}
	for header, values := range h {
		what, ok := strings.CutPrefix(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(header), "x-"), "rate-limit", "ratelimit"), "ratelimit")
		if !ok {
			continue
		}
		text := strings.Join(values, ", ")
		if what == "" || what == "-policy" {
			structured(text, told)
			continue
		}
		name, field := "", ""
		for word := range strings.SplitSeq(strings.TrimPrefix(what, "-"), "-") {
			switch word {
			case "limit", "remaining", "reset":
				field = word
			case "after":
			default:
				name = word
			}
		}
		told(name, field, text)
	}
	var out []budget
	for name, fields := range found {
		left, ok := count(fields["remaining"])
		if !ok {
			continue
		}
		b := budget{name: name, left: left}
		b.limit, _ = count(fields["limit"])
		if b.reset, ok = resetAfter(fields["reset"], then); !ok {
			// One reset may stand for all the limits of an answer.
			b.reset, ok = resetAfter(found[""]["reset"], then)
		}
		if window := windows[name]; !ok && window > 0 {
			b.reset, ok = min(window-then.Sub(then.Truncate(window)), maxPause), true
		}
		if ok {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b budget) int { return strings.Compare(a.name, b.name) })
	return out
}

// structured reads the members of RateLimit and RateLimit-Policy: items with parameters, or the keys and
// values of draft 07. It takes what it understands.
func structured(text string, told func(name, field, text string)) {
	fields := map[string]string{
		"r": "remaining", "t": "reset", "q": "limit",
		"remaining": "remaining", "reset": "reset", "limit": "limit",
	}
	for _, member := range unquotedSplit(text, ',') {
		parts := unquotedSplit(member, ';')
		name := strings.Trim(parts[0], `"`)
		if strings.Contains(parts[0], "=") {
			name = "" // draft 07: the member itself is a key and its value
		} else {
			parts = parts[1:]
		}
		for _, p := range parts {
			key, value, _ := strings.Cut(p, "=")
			if field := fields[strings.TrimSpace(key)]; field != "" {
				told(name, field, strings.TrimSpace(value))
			}
		}
	}
}

// unquotedSplit splits at a separator outside quotes, and takes the space off what is between.
func unquotedSplit(text string, separator byte) []string {
	var parts []string
	quoted, from := false, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || !quoted && text[i] == separator:
			parts = append(parts, strings.TrimSpace(text[from:i]))
			from = i + 1
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		}
	}
	return parts
}

// count reads the number that a text begins with: "100, 100;w=60" is 100.
func count(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, ",; "); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1e14 {
		return 0, false
	}
	return n, true
}

// Numbers from these on are moments since 1970, not seconds from now.
const (
	epochSeconds = 1e8
	epochMillis  = 1e11
)

// resetAfter reads when a limit is filled again, as the time from an answer's own.
func resetAfter(text string, then time.Time) (time.Duration, bool) {
	bounded := func(d time.Duration) time.Duration { return min(max(d, 0), maxPause) }
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return bounded(d), true
	}
	for _, layout := range []string{time.RFC3339Nano, http.TimeFormat} {
		if at, err := time.Parse(layout, text); err == nil {
			return bounded(at.Sub(then)), true
		}
	}
	n, ok := count(text)
	switch {
	case !ok:
		return 0, false
	case n >= epochMillis:
		n = (n - float64(then.UnixMilli())) / 1000
	case n >= epochSeconds:
		n -= float64(then.UnixMilli()) / 1000
	}
	return time.Duration(min(max(n, 0), maxPause.Seconds()) * float64(time.Second)), true
}

// retryAfter reads the pause that a target asks for: seconds or a date (RFC 9110 §10.2.3). It is 0
// for none, and never negative. A date is measured against the answer's own: the clocks need not agree.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		switch {
		case !(s > 0):
			return 0
		case s > maxPause.Seconds():
			return maxPause
		}
		return time.Duration(s * float64(time.Second))
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(answeredAt(h, now))), maxPause)
}

// answeredAt is when the target answered by its own clock, which its dates are of; ours where it does
// not tell.
func answeredAt(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return now
}
