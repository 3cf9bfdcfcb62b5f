package mapping_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// attacks are expressions that try to take time or memory without bound. Keep the list: an upgrade of
// cel-go must stop them as well.
func attacks() map[string]string {
	chain := func(start, link string, n int) string { return start + strings.Repeat(link, n) }
	nest := func(open, core, end string, n int) string {
		return strings.Repeat(open, n) + core + strings.Repeat(end, n)
	}
	hundred := `"` + strings.Repeat("a", 100) + `"`
	return map[string]string{
		"nested replace":               chain(hundred, `.replace("a", `+hundred+`)`, 3),
		"replace of a long text":       `user.custom.long.replace("a", user.custom.long)`,
		"join with a long separator":   `user.custom.long.split("").join(user.custom.long)`,
		"replaceRegex growing":         `user.custom.long.replaceRegex("a", "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0")`,
		"replaceRegex empty hits":      `user.custom.long.replaceRegex("", user.custom.long)`,
		"doubled text":                 chain(`["aaaaaaaaaaaaaaaa"]`, `.map(a, a + a)`, 60) + `[0]`,
		"doubled list":                 chain(`[[1]]`, `.map(a, a + a)`, 60) + `[0]`,
		"doubled list, searched":       chain(`[[1]]`, `.map(a, a + a)`, 60) + `.map(a, 2 in a)[0]`,
		"doubled empty list":           chain(`[[]]`, `.map(a, a + a)`, 60) + `[0]`,
		"doubled by bind":              nest(`cel.bind(a, `, `"aaaaaaaaaaaaaaaa"`, `, a + a)`, 40),
		"doubled list by bind":         nest(`cel.bind(a, `, `[1]`, `, a + a)`, 40),
		"tree of shared branches":      chain(`[[1]]`, `.map(a, [a, a])`, 60) + `[0]`,
		"tree compared with itself":    chain(`[[1]]`, `.map(a, [a, a])`, 40) + `.map(a, a == a)[0]`,
		"tree through dyn":             chain(`[dyn([1])]`, `.map(a, dyn([a, a]))`, 60) + `.map(a, a == a)[0]`,
		"map tree":                     chain(`[dyn({"a": 1})]`, `.map(a, dyn({"a": a, "b": a}))`, 60) + `.map(a, a == a)[0]`,
		"tree by bind":                 nest(`cel.bind(a, `, `dyn([1])`, `, dyn([a, a]))`, 40) + ` == dyn(1)`,
		"comprehension in another":     nest(`user.custom.many.map(x, `, `1`, `)`, 5) + ` == []`,
		"all over all":                 `user.custom.many.all(a, user.custom.many.all(b, user.custom.many.all(c, a != "x" && b != "x" && c != "x")))`,
		"same name in macros":          nest(`[1,2,3,4,5,6,7,8,9,10].map(x, `, `x`, `)`, 7) + ` == []`,
		"list searched in itself":      `user.custom.many.filter(a, ("x" + string(a)) in user.custom.many)`,
		"repetition in repetition":     `user.custom.long.matches("((((a{1,30}){1,30}){1,30}){1,30})b")`,
		"large repetition":             `user.custom.long.matches("(a{1,1000})*b")`,
		"many alternatives":            `user.custom.long.matches("` + strings.Repeat("(a|b|ab)*", 100) + `c")`,
		"backtracking":                 `user.custom.long.matches("^(a+)+$b")`,
		"pattern from data":            `"aaaa".matches(user.custom.evil) || user.custom.long.extract(user.custom.evil) == ""`,
		"pattern, many times":          `user.custom.many.exists(x, user.custom.long.matches("a*b") && x != "")`,
		"pattern from data, compiled":  `user.custom.many.exists(x, "a".matches(user.custom.evil + x))`,
		"pattern, extracted":           `user.custom.many.exists(x, "a".extract("a{1,400}" + x) == "b")`,
		"deep parentheses":             nest("(", "1", ")", 4900),
		"deep lists":                   nest("[", "1", "]", 4900),
		"deep negation":                strings.Repeat("-", 9900) + "1",
		"deep not":                     strings.Repeat("!", 9900) + "true",
		"deep selection":               "user" + strings.Repeat(".name", 1900),
		"deep ternary":                 strings.Repeat("true?1:", 1400) + "1",
		"deep index":                   "user.custom.many" + strings.Repeat("[0]", 3000),
		"long sum":                     strings.Repeat("1+", 4990) + "1",
		"long or":                      strings.Repeat("user.active||", 760) + "true",
		"unclosed":                     strings.Repeat("([{", 3300),
		"garbage":                      strings.Repeat("?:", 5000),
		"huge text literal":            `"` + strings.Repeat("x", 9990) + `"`,
		"huge list literal":            "[" + strings.Repeat("1,", 4990) + "1]",
		"huge map literal":             "{" + strings.Repeat(`1:{},`, 1990) + "2:3}",
		"huge number":                  strings.Repeat("9", 9990),
		"too long":                     strings.Repeat(" ", 10_001) + "1",
		"padLeft":                      `padLeft("", 2147483647, "x")`,
		"padLeft beyond int":           `padLeft("", 9223372036854775807, "x")`,
		"many padLeft":                 `user.custom.many.map(x, padLeft(x, 60000, "x")).join("")`,
		"split and join, many times":   chain(`user.custom.long`, `.split("a").join("b")`, 20),
		"normalise, many times":        `user.custom.many.map(x, normalizeDiacritics(user.custom.long))`,
		"title case with separators":   `user.custom.many.map(x, titleCase(user.custom.long, user.custom.long))`,
		"word with delimiters":         `user.custom.many.map(x, word(user.custom.long, 1, user.custom.long))`,
		"date far away":                `dateAdd("2024-01-01", 9223372036854775807, "year") + dateAdd("2024-01-01", -9223372036854775807, "second")`,
		"difference of dates":          `dateDiff("0001-01-01", "9999-12-31", "month") * 9223372036854775807`,
		"result of many copies":        `user.custom.many.map(x, user.custom.long)`,
		"result of many small values":  `user.custom.many.map(x, user.custom.many)`,
		"keys from data":               `user.custom.many.map(x, {x: user.custom.long})`,
		"format of a large number":     `toText(1e308 * 1e308) + toText(1e308)`,
		"constructor of an inner type": `<user>{}`,
	}
}

// hostile is a person whose attributes were chosen to hurt.
func hostile() mapping.Facts {
	f := ada()
	many := make([]any, 5000)
	for i := range many {
		many[i] = "value"
	}
	f.User.Attributes[directory.Custom] = map[string]any{
		"long": strings.Repeat("a", 30_000), "many": many, "evil": "(((a{1,10}){1,10}){1,10})*b",
	}
	return f
}

// TestAttacks wants an end of each attack in bounded time and memory, whether it is refused when it is
// compiled, stopped when it runs, or harmless after all. The bounds are far above what was measured
// and far below what an unbounded one takes, on a busy machine with the race detector too.
func TestAttacks(t *testing.T) {
	f := hostile()
	for name, text := range attacks() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			outcome := attempt(f, text)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			made := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%-32s %6d ms %4d MiB  %.150s", name, took.Milliseconds(), made, outcome)
			if took > time.Minute {
				t.Errorf("took %v", took)
			}
			if made > 300 {
				t.Errorf("made %d MiB of garbage", made)
			}
			if strings.Contains(outcome, "aaaaaaaa") && !strings.Contains(text, "aaaaaaaa") {
				t.Error("the error holds a value of the person")
			}
		})
	}
}

func attempt(f mapping.Facts, text string) string {
	p, err := mapping.Compile(directory.KindUser, []mapping.Mapping{{Target: "x", Expression: text}})
	if err != nil {
		return "refused: " + err.Error()
	}
	if _, err := p.Apply(f, true); err != nil {
		return "stopped: " + err.Error()
	}
	return "harmless"
}
