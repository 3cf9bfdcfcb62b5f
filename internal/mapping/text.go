package mapping

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"golang.org/x/text/unicode/norm"
)

// Positions in texts count characters (code points) from 0, as everywhere in CEL. A position beyond
// the end is the end: short names are no mistake.
var textFunctions = []function{
	text1("lower", strings.ToLower),
	text1("upper", strings.ToUpper),
	text1("titleCase", func(s string) string { return titleCase(s, " -'") }),
	{"titleCase", takes(textType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(titleCase(str(a[0]), str(a[1]))), nil
	}},
	text1("trim", strings.TrimSpace),
	text1("stripSpaces", stripSpaces),
	text1("normalizeDiacritics", normalizeDiacritics),
	{"left", takes(textType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(substring(str(a[0]), 0, num(a[1]))), nil
	}},
	{"right", takes(textType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		s := str(a[0])
		return types.String(substring(s, utf8.RuneCountInString(s)-max(0, num(a[1])), len(s))), nil
	}},
	{"substring", takes(textType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(substring(str(a[0]), num(a[1]), len(str(a[0])))), nil
	}},
	{"substring", takes(textType, cel.IntType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(substring(str(a[0]), num(a[1]), num(a[2]))), nil
	}},
	{"indexOf", takes(textType, textType), cel.IntType, func(a []ref.Val) (ref.Val, error) {
		return position(str(a[0]), strings.Index(str(a[0]), str(a[1]))), nil
	}},
	{"lastIndexOf", takes(textType, textType), cel.IntType, func(a []ref.Val) (ref.Val, error) {
		return position(str(a[0]), strings.LastIndex(str(a[0]), str(a[1]))), nil
	}},
	{"padLeft", takes(textType, cel.IntType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		return padLeft(str(a[0]), num(a[1]), str(a[2]))
	}},
	{"replace", takes(textType, textType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		return replace(str(a[0]), str(a[1]), str(a[2]))
	}},
	{"replaceRegex", takes(textType, textType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		re, err := regex(str(a[1]))
		if err != nil {
			return nil, err
		}
		return replaceRegex(re, str(a[0]), str(a[2]))
	}},
	{"extract", takes(textType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		re, err := regex(str(a[1]))
		if err != nil {
			return nil, err
		}
		return extract(re, str(a[0])), nil
	}},
	{"word", takes(textType, cel.IntType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(word(str(a[0]), num(a[1]), " \t\r\n")), nil
	}},
	{"word", takes(textType, cel.IntType, textType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(word(str(a[0]), num(a[1]), str(a[2]))), nil
	}},
	{"split", takes(textType, textType), textsType, func(a []ref.Val) (ref.Val, error) {
		return split(str(a[0]), str(a[1]))
	}},
}

// substring returns the characters from start to before end.
func substring(s string, start, end int) string {
	i, from, to := 0, len(s), len(s)
	for at := range s {
		if i == max(start, 0) {
			from = at
		}
		if i == max(end, 0) {
			to = at
			break
		}
		i++
	}
	if from >= to {
		return ""
	}
	return s[from:to]
}

// position turns an index of bytes into one of characters; -1 stays.
func position(s string, at int) ref.Val {
	if at < 0 {
		return types.Int(-1)
	}
	return types.Int(utf8.RuneCountInString(s[:at]))
}

func stripSpaces(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

// titleCase writes the first letter after the start and after each separator large, all others small.
func titleCase(s, separators string) string {
	first := true
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) {
			first = true
			return r
		}
		if first {
			first = false
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

// plainLetters are the letters of Latin script that Unicode does not take apart into a letter and a
// mark, as passports write them (ICAO Doc 9303 part 3, section 6), except that å, ä, ö and ü lose
// their mark like every other letter.
var plainLetters = strings.NewReplacer(
	"ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "AE", "œ", "oe", "Œ", "OE", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L",
	"đ", "d", "Đ", "D", "ð", "d", "Ð", "D", "þ", "th", "Þ", "TH", "ħ", "h", "Ħ", "H", "ı", "i", "ĸ", "k",
	"ŋ", "n", "Ŋ", "N", "ŧ", "t", "Ŧ", "T", "ĳ", "ij", "Ĳ", "IJ", "ŀ", "l", "Ŀ", "L",
)

// normalizeDiacritics writes accented Latin letters plainly and leaves other scripts as they are.
func normalizeDiacritics(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	latin := false
	for _, r := range norm.NFD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			// A mark belongs to the letter before it; in other scripts (й, が) it is part of the letter.
			if !latin {
				b.WriteRune(r)
			}
			continue
		}
		latin = unicode.Is(unicode.Latin, r)
		b.WriteRune(r)
	}
	return plainLetters.Replace(norm.NFC.String(b.String()))
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func padLeft(s string, width int, pad string) (ref.Val, error) {
	if pad == "" || width > maxText {
		return nil, faultf("padLeft needs something to pad with and a width of at most %d", maxText)
	}
	missing := width - utf8.RuneCountInString(s)
	if missing <= 0 {
		return types.String(s), nil
	}
	filler := strings.Repeat(pad, missing/utf8.RuneCountInString(pad)+1)
	return types.String(substring(filler, 0, missing) + s), nil
}

func replace(s, old, with string) (ref.Val, error) {
	if old == "" {
		return types.String(s), nil
	}
	if grown := len(s) + strings.Count(s, old)*(len(with)-len(old)); grown > maxText {
		return nil, faultf("replace makes a text that is longer than 64 KiB")
	}
	return types.String(strings.ReplaceAll(s, old, with)), nil
}

// replaceRegex replaces every hit; $1 or ${name} in the replacement are groups, $$ is a dollar sign.
func replaceRegex(re *regexp.Regexp, s, with string) (ref.Val, error) {
	hits := re.FindAllStringSubmatchIndex(s, maxList+1)
	if len(hits) > maxList {
		return nil, faultf("replaceRegex replaces more than %d times", maxList)
	}
	var out []byte
	last := 0
	for _, hit := range hits {
		out = append(out, s[last:hit[0]]...)
		out = re.ExpandString(out, with, s, hit)
		last = hit[1]
		if len(out) > maxText {
			return nil, faultf("replaceRegex makes a text that is longer than 64 KiB")
		}
	}
	return types.String(string(out) + s[last:]), nil
}

// extract returns the first group of the first hit, the whole hit when there is no group, and nothing
// without a hit.
func extract(re *regexp.Regexp, s string) ref.Val {
	hit := re.FindStringSubmatch(s)
	switch len(hit) {
	case 0:
		return types.String("")
	case 1:
		return types.String(hit[0])
	}
	return types.String(hit[1])
}

// regex compiles a pattern (RE2, so that its time is linear in the text) of bounded size.
func regex(pattern string) (*regexp.Regexp, error) {
	if _, err := regexSize(pattern); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, faultf("a regular expression is not valid")
	}
	return re, nil
}

// regexSize returns how many instructions a pattern compiles to: matching takes that many steps, at
// worst, for each character of the text.
func regexSize(pattern string) (int, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	var invalid *syntax.Error
	if errors.As(err, &invalid) {
		return 0, faultf("a regular expression is not valid: %s", invalid.Code) // not the pattern, which may be data
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxRegex {
		return 0, faultf("a regular expression is too large")
	}
	return len(program.Inst), nil
}

// takesPattern are the functions whose second argument is a regular expression.
var takesPattern = map[string]bool{"matches": true, "replaceRegex": true, "extract": true}

// compiledOnce lets patterns that are constants be compiled when the mapping is, and be refused then.
var compiledOnce = []*interpreter.RegexOptimization{
	regexOnce("replaceRegex", func(re *regexp.Regexp, a []ref.Val) (ref.Val, error) {
		return replaceRegex(re, str(a[0]), str(a[2]))
	}),
	regexOnce("extract", func(re *regexp.Regexp, a []ref.Val) (ref.Val, error) {
		return extract(re, str(a[0])), nil
	}),
}

func regexOnce(name string, call func(*regexp.Regexp, []ref.Val) (ref.Val, error)) *interpreter.RegexOptimization {
	return &interpreter.RegexOptimization{
		Function:   name,
		RegexIndex: 1,
		Factory: func(c interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
			re, err := regex(pattern)
			if err != nil {
				return nil, err
			}
			f := function{name: name, call: func(a []ref.Val) (ref.Val, error) { return call(re, a) }}
			return interpreter.NewCall(c.ID(), c.Function(), c.OverloadID(), c.Args(),
				func(a ...ref.Val) ref.Val { return f.run(a) }), nil
		},
	}
}

// word returns the nth word of a text cut at any of the delimiters; several in a row are one.
func word(s string, n int, delimiters string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(delimiters, r) })
	if n < 0 || n >= len(words) {
		return ""
	}
	return words[n]
}

func split(s, separator string) (ref.Val, error) {
	if s == "" {
		return types.NewStringList(adapt, nil), nil
	}
	if separator != "" && strings.Count(s, separator) >= maxList || separator == "" && len(s) > maxList {
		return nil, faultf("split makes a list of more than %d elements", maxList)
	}
	return types.NewStringList(adapt, strings.Split(s, separator)), nil
}
