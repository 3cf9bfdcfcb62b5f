package mapping

import (
	"math"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Dates are texts: functions yield them as RFC 3339 in UTC, take what [parseAny] reads, and answer an
// empty text with an empty text, because an absent date is absent, and no mistake.
var dateFunctions = []function{
	{"parseDate", takes(textType, textType), textType, func(a []ref.Val) (ref.Val, error) { return parseDate(str(a[0]), str(a[1])) }},
	{"formatDate", takes(textType, textType), textType, func(a []ref.Val) (ref.Val, error) { return formatDate(str(a[0]), str(a[1])) }},
	{"dateAdd", takes(textType, cel.IntType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		return dateAdd(str(a[0]), int64(a[1].(types.Int)), str(a[2]))
	}},
	{"dateDiff", takes(textType, textType, textType), cel.IntType, func(a []ref.Val) (ref.Val, error) {
		return dateDiff(str(a[0]), str(a[1]), str(a[2]))
	}},
	{"fromADTicks", takes(cel.DynType), textType, func(a []ref.Val) (ref.Val, error) { return fromADTicks(a[0]) }},
	{"toADTicks", takes(textType), textType, func(a []ref.Val) (ref.Val, error) { return toADTicks(str(a[0])) }},
}

// stamp writes a time as RFC 3339 in UTC, with a fraction only where there is one.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// layouts are the ways in which directories write dates: RFC 3339, without a zone (taken as UTC),
// the day alone, and LDAP's generalized time (RFC 4517 §3.3.13).
var layouts = []string{
	time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05",
	"20060102150405Z0700", "20060102150405.999999999Z0700",
}

func parseAny(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return inRange(t)
		}
	}
	return time.Time{}, faultf("a date is not written as 2006-01-02, 2006-01-02T15:04:05Z or 20060102150405Z")
}

// inRange keeps dates within what RFC 3339 can write.
func inRange(t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}, faultf("a date is beyond the years 1 to 9999")
	}
	return t, nil
}

// patternTokens are the parts of a date pattern, longest first, and how Go's time package writes them.
// They are those of .NET and Java that both write alike, so that patterns of Entra ID carry over.
var patternTokens = []struct{ pattern, layout string }{
	{"yyyy", "2006"},
	{"yy", "06"},
	{"MMMM", "January"},
	{"MMM", "Jan"},
	{"MM", "01"},
	{"M", "1"},
	{"dddd", "Monday"},
	{"ddd", "Mon"},
	{"dd", "02"},
	{"d", "2"},
	{"HH", "15"},
	{"hh", "03"},
	{"h", "3"},
	{"mm", "04"},
	{"m", "4"},
	{"ss", "05"},
	{"s", "5"},
	{".fffffff", ".0000000"},
	{".ffffff", ".000000"},
	{".fff", ".000"},
	{".f", ".0"},
	{"tt", "PM"},
	{"zzz", "-07:00"},
	{"K", "Z07:00"},
}

// layoutOf turns a pattern into a layout of package time. Text stands in single quotes; signs that
// are no letters stand for themselves.
func layoutOf(pattern string) (string, error) {
	if len(pattern) > 100 {
		return "", faultf("a date pattern is longer than 100 characters")
	}
	var b strings.Builder
	for rest := pattern; rest != ""; {
		if rest[0] == '\'' {
			end := strings.IndexByte(rest[1:], '\'')
			if end < 0 || !inert(rest[1:1+end]) {
				return "", faultf("a date pattern has a quote that is not closed, or a digit or a month's name in quotes")
			}
			b.WriteString(rest[1 : 1+end])
			rest = rest[end+2:]
			continue
		}
		token := 0
		for _, t := range patternTokens {
			if strings.HasPrefix(rest, t.pattern) {
				b.WriteString(t.layout)
				token = len(t.pattern)
				break
			}
		}
		if token == 0 {
			if !inert(rest[:1]) || rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= 'A' && rest[0] <= 'Z' {
				return "", faultf("a date pattern has %q, which is none of yyyy yy MMMM MMM MM M dddd ddd dd d HH hh h mm m ss s .fff tt zzz K", rest[:1])
			}
			b.WriteByte(rest[0])
			token = 1
		}
		rest = rest[token:]
	}
	return b.String(), nil
}

// inert reports whether package time would take a text in a layout for itself.
func inert(s string) bool {
	if strings.ContainsAny(s, "0123456789_") {
		return false
	}
	a, b := time.Date(2001, 2, 4, 5, 6, 7, 0, time.UTC), time.Date(2015, 11, 20, 20, 30, 40, 0, time.FixedZone("X", 7200))
	return a.Format(s) == s && b.Format(s) == s
}

func parseDate(s, pattern string) (ref.Val, error) {
	layout, err := layoutOf(pattern)
	if err != nil || s == "" {
		return types.String(""), err
	}
	t, err := time.Parse(layout, strings.TrimSpace(s))
	if err != nil {
		return nil, faultf("a date is not written as %s", pattern)
	}
	if t, err = inRange(t); err != nil {
		return nil, err
	}
	return types.String(stamp(t)), nil
}

func formatDate(s, pattern string) (ref.Val, error) {
	layout, err := layoutOf(pattern)
	if err != nil || s == "" {
		return types.String(""), err
	}
	t, err := parseAny(s)
	if err != nil {
		return nil, err
	}
	return types.String(t.UTC().Format(layout)), nil
}

// units are the units of dateAdd and dateDiff; months are counted by the calendar.
var units = map[string]struct {
	months   int
	duration time.Duration
}{
	"year": {12, 0}, "month": {1, 0}, "week": {0, 7 * 24 * time.Hour}, "day": {0, 24 * time.Hour},
	"hour": {0, time.Hour}, "minute": {0, time.Minute}, "second": {0, time.Second},
}

const unitWords = "a unit is year, month, week, day, hour, minute or second"

func dateAdd(s string, n int64, unit string) (ref.Val, error) {
	u, ok := units[unit]
	if !ok {
		return nil, faultf(unitWords)
	}
	if s == "" {
		return types.String(""), nil
	}
	t, err := parseAny(s)
	if err != nil {
		return nil, err
	}
	const centuries = 400_000_000_000 // seconds; beyond that nothing stays within the years of RFC 3339
	if n > centuries || n < -centuries {
		return nil, faultf("a date is beyond the years 1 to 9999")
	}
	if u.months > 0 {
		t = addMonths(t.UTC(), int(n)*u.months)
	} else if seconds := n * int64(u.duration/time.Second); seconds > centuries || seconds < -centuries {
		return nil, faultf("a date is beyond the years 1 to 9999")
	} else {
		t = time.Unix(t.Unix()+seconds, int64(t.Nanosecond()))
	}
	if t, err = inRange(t); err != nil {
		return nil, err
	}
	return types.String(stamp(t)), nil
}

// addMonths keeps the day, or takes the last one of a month that is too short: a month after
// 31 January is the end of February.
func addMonths(t time.Time, n int) time.Time {
	moved := t.AddDate(0, n, 0)
	if moved.Day() != t.Day() {
		moved = moved.AddDate(0, 0, -moved.Day())
	}
	return moved
}

// dateDiff returns how many whole units lie between two dates, negative when the second is earlier,
// 0 when one is absent.
func dateDiff(from, to, unit string) (ref.Val, error) {
	u, ok := units[unit]
	if !ok {
		return nil, faultf(unitWords)
	}
	if from == "" || to == "" {
		return types.IntZero, nil
	}
	a, err := parseAny(from)
	if err != nil {
		return nil, err
	}
	b, err := parseAny(to)
	if err != nil {
		return nil, err
	}
	a, b = a.UTC(), b.UTC()
	if u.months > 0 {
		return types.Int(monthsBetween(a, b) / u.months), nil
	}
	seconds, rest := b.Unix()-a.Unix(), b.Nanosecond()-a.Nanosecond()
	if seconds > 0 && rest < 0 {
		seconds--
	} else if seconds < 0 && rest > 0 {
		seconds++
	}
	return types.Int(seconds / int64(u.duration/time.Second)), nil
}

func monthsBetween(a, b time.Time) int {
	if b.Before(a) {
		return -monthsBetween(b, a)
	}
	n := (b.Year()-a.Year())*12 + int(b.Month()-a.Month())
	if addMonths(a, n).After(b) {
		n--
	}
	return n
}

// Active Directory counts time in units of 100 ns since 1 January 1601 UTC; 0 and the largest number
// say "never" (https://learn.microsoft.com/windows/win32/adschema/a-accountexpires).
const (
	adEpoch       = -11644473600 // as Unix seconds
	ticksInSecond = 10_000_000
)

func fromADTicks(v ref.Val) (ref.Val, error) {
	n, err := toInt(v)
	if err != nil {
		return nil, faultf("fromADTicks is given something that is not a whole number")
	}
	ticks := int64(n.(types.Int))
	if ticks <= 0 || ticks == math.MaxInt64 {
		return types.String(""), nil
	}
	t, err := inRange(time.Unix(adEpoch+ticks/ticksInSecond, ticks%ticksInSecond*100))
	if err != nil {
		return nil, err
	}
	return types.String(stamp(t)), nil
}

func toADTicks(s string) (ref.Val, error) {
	if s == "" {
		return types.String(""), nil
	}
	t, err := parseAny(s)
	if err != nil {
		return nil, err
	}
	if t.Unix() < adEpoch {
		return nil, faultf("toADTicks is given a date before 1601")
	}
	return toText(types.Int((t.Unix()-adEpoch)*ticksInSecond + int64(t.Nanosecond())/100))
}
