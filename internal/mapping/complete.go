package mapping

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/muster-id/muster/internal/directory"
)

// Suggestion is what may stand at a place of an expression.
type Suggestion struct {
	Text   string `json:"text"`   // what is put in
	Detail string `json:"detail"` // what it is, for people
}

// Complete returns what may be written next in an expression about a kind of object, given what stands
// before that place, and how many characters of it are replaced: those of the word that was begun. Behind
// a dot it is what the value before the dot has; within a text it is nothing.
func Complete(kind directory.Kind, before string) (replace int, list []Suggestion) {
	if len(before) > maxExpression || inText(before) {
		return 0, nil
	}
	at := len(before) - len(wordBehind(before))
	word := before[at:]
	head := strings.TrimRight(before[:at], " \t\r\n")
	if receiver, ok := strings.CutSuffix(head, "."); ok {
		list = membersOf(kind, before, receiver)
	} else {
		list = beginnings(kind)
	}
	list = slices.DeleteFunc(list, func(s Suggestion) bool {
		return len(s.Text) < len(word) || !strings.EqualFold(s.Text[:len(word)], word) || s.Text == word
	})
	return len(word), list
}

// beginnings are what an operand may begin with.
func beginnings(kind directory.Kind) []Suggestion {
	list := []Suggestion{{string(kind), "the " + string(kind) + " of the directory"}, {"app", "name of the application"}}
	seen := map[string]bool{}
	for _, f := range catalogue {
		if !seen[f.name] {
			seen[f.name] = true
			list = append(list, Suggestion{f.name + "(", signatureHint(f.name)})
		}
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range impure {
			if !yield(name) {
				return
			}
		}
	}) {
		list = append(list, Suggestion{name + "(", "with when: create alone"})
	}
	return list
}

// ofCEL are the functions of CEL itself that people need, by the kind of value that they stand behind.
var ofCEL = map[types.Kind][]Suggestion{
	types.StringKind: {{"contains(", "whether a text is in it"}, {"endsWith(", "whether it ends so"}, {"matches(", "whether a regular expression finds it"}, {"size()", "characters"}, {"startsWith(", "whether it begins so"}},
	types.ListKind: {
		{"all(", "(x, condition): whether it holds of all"},
		{"exists(", "(x, condition): whether it holds of any"},
		{"filter(", "(x, condition): those of which it holds"},
		{"map(", "(x, value): a value of each"},
		{"size()", "how many"},
	},
}

// membersOf are what may stand behind the dot of a value.
func membersOf(kind directory.Kind, before, head string) []Suggestion {
	receiver := operandBehind(head)
	if receiver == "" {
		return nil
	}
	typ := typeOfText(kind, receiver)
	if typ == nil {
		typ = typeOfText(kind, unbound(before[:len(head)-len(receiver)], receiver))
	}
	if typ == nil {
		return nil
	}
	var list []Suggestion
	if r := records[typ.TypeName()]; typ.Kind() == types.StructKind && r != nil {
		for _, name := range r.names {
			list = append(list, Suggestion{name, typeName(r.fields[name].Type)})
		}
		return list
	}
	list = append(list, ofCEL[typ.Kind()]...)
	seen := map[string]bool{}
	for _, f := range catalogue {
		first := f.args[0]
		fitting := first.Kind() == typ.Kind() && (first.Kind() == types.StringKind || first.Kind() == types.ListKind)
		if !fitting || seen[f.name] {
			continue
		}
		seen[f.name] = true
		text := f.name + "("
		if len(f.args) == 1 {
			text += ")"
		}
		list = append(list, Suggestion{text, signatureHint(f.name)})
	}
	slices.SortFunc(list, func(a, b Suggestion) int { return strings.Compare(a.Text, b.Text) })
	return list
}

// typeName puts the type of an attribute into words.
func typeName(t *cel.Type) string {
	switch t.Kind() {
	case types.StructKind:
		return "several parts"
	case types.BoolKind:
		return "true or false"
	case types.ListKind:
		if t.Parameters()[0].Kind() == types.StructKind {
			return "list of entries"
		}
	}
	return typeWord(t)
}

// typeOfText is the type of an expression, nil when it is none.
func typeOfText(kind directory.Kind, text string) *cel.Type {
	if text == "" {
		return nil
	}
	e, problems := parse(kind, text)
	if len(problems) > 0 {
		return nil
	}
	return e.output
}

var binding = regexp.MustCompile(`\.(?:map|filter|exists|all|exists_one)\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*,`)

// unbound puts in the place of a variable that map, filter and their like bind the first value of what
// they go through, so that its type is known; "" when nothing binds it.
func unbound(before, receiver string) string {
	name := receiver
	if i := strings.IndexFunc(receiver, func(r rune) bool { return !isWordRune(r) }); i >= 0 {
		name = receiver[:i]
	}
	places := binding.FindAllStringSubmatchIndex(before, -1)
	for _, p := range slices.Backward(places) {
		if before[p[2]:p[3]] == name {
			list := operandBehind(before[:p[0]])
			if list == "" {
				return ""
			}
			return list + "[0]" + receiver[len(name):]
		}
	}
	return ""
}

// operandBehind is the operand that a text ends in: a name, a call, an index or a literal, with what it is
// selected from.
func operandBehind(text string) string {
	text = strings.TrimRight(text, " \t\r\n")
	at := len(text)
	for at > 0 {
		switch c := text[at-1]; {
		case c == ')' || c == ']':
			open := opening(text[:at])
			if open < 0 {
				return ""
			}
			at = open
			at -= len(wordBehind(text[:at])) // the function's name, if it is a call
		case c == '"' || c == '\'':
			open := strings.LastIndexByte(text[:at-1], c)
			if open < 0 {
				return ""
			}
			return text[open:]
		default:
			word := wordBehind(text[:at])
			if word == "" {
				return ""
			}
			at -= len(word)
		}
		if at == 0 || text[at-1] != '.' {
			break
		}
		at--
	}
	return text[at:]
}

// opening finds the bracket that the last one of a text closes, -1 when there is none. Brackets within
// texts do not count.
func opening(text string) int {
	depth := 0
	for i := len(text) - 1; i >= 0; i-- {
		switch c := text[i]; c {
		case ')', ']':
			depth++
		case '(', '[':
			if depth--; depth == 0 {
				return i
			}
		case '"', '\'':
			if i = strings.LastIndexByte(text[:i], c); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// wordBehind is the name that a text ends in.
func wordBehind(text string) string {
	return text[len(strings.TrimRightFunc(text, isWordRune)):]
}

func isWordRune(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// inText reports whether a text ends within a literal of text.
func inText(s string) bool {
	var quote rune
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
		case quote != 0 && r == '\\':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		}
	}
	return quote != 0
}
