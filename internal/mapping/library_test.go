package mapping

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-id/muster/internal/directory"
)

// result evaluates an expression that needs nobody.
func result(t *testing.T, expression string) any {
	t.Helper()
	p, err := Compile(directory.KindUser, []Mapping{{Target: "x", Expression: expression}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := p.Apply(Facts{User: &directory.User{}}, false)
	if err != nil {
		return err.Error()
	}
	return set["x"]
}

// TestLibrary holds the corners; docs/mapping.md has an ordinary example of each function.
func TestLibrary(t *testing.T) {
	t.Parallel()
	const fails = "the mapping of x fails: "
	for expression, want := range map[string]any{
		`left("Zoë", 3)`:                           "Zoë",
		`left("Zoë", -1)`:                          nil,
		`right("Zoë", 1)`:                          "ë",
		`right("Zoë", 100)`:                        "Zoë",
		`right("Zoë", 0)`:                          nil,
		`substring("Zoë", 2)`:                      "ë",
		`substring("Zoë", 3)`:                      nil,
		`substring("Zoë", -5, 2)`:                  "Zo",
		`substring("Zoë", 2, 1)`:                   nil,
		`substring("Zoë", 0, 9223372036854775807)`: "Zoë",
		`indexOf("Zoë!", "!")`:                     3.0,
		`indexOf("Zoë", "x")`:                      -1.0,
		`indexOf("Zoë", "")`:                       0.0,
		`lastIndexOf("ëaëa", "a")`:                 3.0,
		`titleCase("éCOLE")`:                       "École",
		`titleCase("")`:                            nil,
		`titleCase("a.b", "")`:                     "A.b",
		`normalizeDiacritics("Ærøskøbing Þórr Œuvre ĲSSEL")`: "AEroskobing THorr OEuvre IJSSEL",
		`normalizeDiacritics("Nguyễn Thị")`:                  "Nguyen Thi",
		`normalizeDiacritics("Йордан किशोर 山田")`:             "Йордан किशोर 山田",
		`padLeft("ab", 5, "xy")`:                             "xyxab",
		`padLeft("abc", 2, "x")`:                             "abc",
		`padLeft("a", 3, "")`:                                fails + "padLeft needs something to pad with and a width of at most 65536 (line 1, column 8)",
		`replace("aaa", "", "b")`:                            "aaa",
		`"a.b".replace(".", "")`:                             "ab",
		`replaceRegex("aXbX", "x", "-")`:                     "aXbX",
		`replaceRegex("aXbX", "(?i)x", "<$0>")`:              "a<X>b<X>",
		`replaceRegex("cost", "c", "$$")`:                    "$ost",
		`extract("id=42;", "id=([0-9]+)")`:                   "42",
		`extract("id=42;", "[0-9]+")`:                        "42",
		`extract("none", "[0-9]+")`:                          nil,
		`word("  a   b ", 1)`:                                "b",
		`word("a b", -1)`:                                    nil,
		`size(split("", ","))`:                               0.0,
		`split("añb", "")`:                                   []any{"a", "ñ", "b"},
		`join(["a", "", "b"], ", ")`:                         "a, b",
		`join([], ",")`:                                      nil,
		`join([dyn(1)], ",")`:                                fails + "it combines values whose types do not go together (line 1, column 5)",
		`item(["a"], -1)`:                                    nil,
		`item(["a"], 0)`:                                     "a",
		`switch(1, {1: "one"}, "many")`:                      "one",
		`switch("A", {"a": "one"}, "many")`:                  "many",
		`coalesce([null, "", "b"])`:                          "b",
		`isEmpty([])`:                                        true,
		`isEmpty({})`:                                        true,
		`isEmpty(0)`:                                         false,
		`isEmpty(false)`:                                     false,
		`isPresent(" ")`:                                     true,
		`toText(1.0)`:                                        "1",
		`toText(1e21)`:                                       "1000000000000000000000",
		`toText(true)`:                                       "true",
		`toText(null)`:                                       nil,
		`toText(timestamp("2024-01-01T00:00:00+01:00"))`:     "2023-12-31T23:00:00Z",
		`toText([1])`:                                        fails + "toText takes a text, a number, true or false (line 1, column 7)",
		`toInt(" 42 ")`:                                      42.0,
		`toInt(2.9)`:                                         2.0,
		`toInt("4.5")`:                                       fails + "toInt is given something that is not a whole number (line 1, column 6)",
		`toBool("YES")`:                                      true,
		`toBool(0)`:                                          false,
		`hex("é")`:                                           "C3A9",
		`base64("")`:                                         nil,
		`removeDuplicates(["a", "A", "a"])`:                  []any{"a", "A"},

		`formatDate("2024-02-29T23:30:00-02:00", "yyyy-MM-dd HH:mm")`:            "2024-03-01 01:30",
		`formatDate("20240131120000Z", "yyyyMMddHHmmss'Z'")`:                     "20240131120000Z",
		`formatDate("20240131120000.5+0100", "HH:mm:ss.fff")`:                    "11:00:00.500",
		`formatDate("2024-01-31", "dddd, d. MMM yy 'at' h tt")`:                  "Wednesday, 31. Jan 24 at 12 AM",
		`formatDate("2024-01-31", "'5'")`:                                        fails + "a date pattern has a quote that is not closed, or a digit or a month's name in quotes (line 1, column 11)",
		`formatDate("2024-01-31", "'yyyy")`:                                      fails + "a date pattern has a quote that is not closed, or a digit or a month's name in quotes (line 1, column 11)",
		`formatDate("2024-01-31", "yyyy-MM-dd'T'HH:mm:sszzz")`:                   "2024-01-31T00:00:00+00:00",
		`formatDate("31.1.2024", "yyyy")`:                                        fails + "a date is not written as 2006-01-02, 2006-01-02T15:04:05Z or 20060102150405Z (line 1, column 11)",
		`parseDate("1.2.2024", "d.M.yyyy")`:                                      "2024-02-01T00:00:00Z",
		`parseDate("2024-02-30", "yyyy-MM-dd")`:                                  fails + "a date is not written as yyyy-MM-dd (line 1, column 10)",
		`parseDate("5 PM +02:00 2024", "h tt zzz yyyy")`:                         "2024-01-01T15:00:00Z",
		`dateAdd("2024-01-31", 1, "month")`:                                      "2024-02-29T00:00:00Z",
		`dateAdd("2024-03-31", -1, "month")`:                                     "2024-02-29T00:00:00Z",
		`dateAdd("2024-12-31", 2, "month")`:                                      "2025-02-28T00:00:00Z",
		`dateAdd("2024-02-29", 1, "year")`:                                       "2025-02-28T00:00:00Z",
		`dateAdd("2024-02-29", 4, "year")`:                                       "2028-02-29T00:00:00Z",
		`dateAdd("2024-01-01T00:00:00.25Z", 90, "second")`:                       "2024-01-01T00:01:30.25Z",
		`dateAdd("2024-01-01", -3, "week")`:                                      "2023-12-11T00:00:00Z",
		`dateAdd("9999-12-31", 1, "day")`:                                        fails + "a date is beyond the years 1 to 9999 (line 1, column 8)",
		`dateAdd("2024-01-01", 100000, "month")`:                                 fails + "a date is beyond the years 1 to 9999 (line 1, column 8)",
		`dateDiff("2024-01-31", "2024-02-29", "month")`:                          1.0, // a month after 31 January is the end of February
		`dateDiff("2024-01-31", "2024-02-28", "month")`:                          0.0,
		`dateDiff("2024-02-29", "2023-02-28", "year")`:                           -1.0,
		`dateDiff("2024-01-01T00:00:00Z", "2024-01-01T23:59:59Z", "day")`:        0.0,
		`dateDiff("2024-01-02", "2024-01-01", "hour")`:                           -24.0,
		`dateDiff("2024-01-01T00:00:00.9Z", "2024-01-01T00:00:01.1Z", "second")`: 0.0,
		`dateDiff("2024-01-01T00:00:01.1Z", "2024-01-01T00:00:00.9Z", "second")`: 0.0,
		`dateDiff("0001-01-01", "9999-12-31", "second")`:                         315537811200.0,
		`fromADTicks(0)`:                                                 nil,
		`fromADTicks("116444736000000000")`:                              "1970-01-01T00:00:00Z",
		`fromADTicks(toADTicks("2024-05-06T07:08:09.1234567Z"))`:         "2024-05-06T07:08:09.1234567Z",
		`fromADTicks("soon")`:                                            fails + "fromADTicks is given something that is not a whole number (line 1, column 12)",
		`size(lower(padLeft("", 40000, "x") + padLeft("", 40000, "x")))`: fails + "lower: a text is longer than 64 KiB (line 1, column 11)",
		`toADTicks("1600-01-01")`:                                        fails + "toADTicks is given a date before 1601 (line 1, column 10)",
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, result(t, expression)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLibrary_Behind wants every function that says so to work behind its first argument too.
func TestLibrary_Behind(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]any{
		`" Ada ".trim().lower()`:                 "ada",
		`["a", "b"].join("-")`:                   "a-b",
		`"a,b".split(",").item(1)`:               "b",
		`["", "x"].coalesce()`:                   "x",
		`"2024-01-31".formatDate("yyyy")`:        "2024",
		`"Ada Lovelace".word(1).left(4).upper()`: "LOVE",
	} {
		if diff := cmp.Diff(want, result(t, expression)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}

// TestFromEntra wants the hints for functions of Entra ID to name functions that exist.
func TestFromEntra(t *testing.T) {
	t.Parallel()
	known := append(libraryNames(), "size", "type")
	for name, here := range fromEntra {
		first, _, _ := strings.Cut(here, "(")
		if strings.ContainsAny(first, " .,") {
			continue // not a bare name
		}
		if !slices.Contains(known, first) {
			t.Errorf("the hint for %s names %s, which does not exist", name, first)
		}
	}
}

func FuzzDatePattern(f *testing.F) {
	for _, s := range []string{"yyyy-MM-dd", "d. MMMM yyyy 'um' HH:mm:ss.fff K", "'x", "yyMdh", "tt zzz", "''", "yyyy.MM.dd"} {
		f.Add(s, int64(1700000000))
	}
	f.Fuzz(func(t *testing.T, pattern string, unix int64) {
		layout, err := layoutOf(pattern)
		if err != nil {
			return
		}
		at, err := inRange(time.Unix(unix%250000000000, 0).UTC())
		if err != nil {
			return
		}
		text := at.Format(layout)
		v, err := parseDate(text, pattern)
		if err != nil || text == "" {
			return // a pattern may say one thing twice, or the half of one
		}
		if _, err := parseAny(str(v)); err != nil {
			t.Fatalf("%q in %q gives %q, which is no date: %v", text, pattern, v, err)
		}
	})
}

// FuzzText wants the functions on text to hold for any text, also one that is not UTF-8, and never to
// grow it beyond bounds.
func FuzzText(f *testing.F) {
	f.Add("Zoë O'Neil", " ", 2)
	f.Add("\xff\xfe", "\xff", -1)
	f.Add("", "", 1<<40)
	f.Fuzz(func(t *testing.T, s, part string, n int) {
		n = max(min(n, 1<<31), -1<<31)
		whole := substring(s, 0, n) + substring(s, n, len(s))
		if n >= 0 && whole != s {
			t.Fatalf("%q cut at %d is %q", s, n, whole)
		}
		for _, got := range []string{titleCase(s, part), stripSpaces(s), normalizeDiacritics(s), word(s, n, part)} {
			if len(got) > 4*len(s)+16 {
				t.Fatalf("%q became %q", s, got)
			}
		}
		if once := normalizeDiacritics(s); normalizeDiacritics(once) != once {
			t.Fatalf("%q becomes %q and then %q", s, once, normalizeDiacritics(once))
		}
		if v, err := padLeft(s, n, part); err == nil && n > 0 && n <= maxText && len(str(v)) < len(s) {
			t.Fatalf("%q padded to %d with %q is %q", s, n, part, str(v))
		}
		if v, err := replace(s, part, s); err == nil && len(str(v)) > max(maxText, len(s)) {
			t.Fatalf("replace made %d bytes", len(str(v)))
		}
	})
}
