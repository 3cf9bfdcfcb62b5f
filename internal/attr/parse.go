package attr

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// ParseJSON returns the object that a text is in JSON, as package json returns it, nil for null. For what sets
// are made of it is several times as fast, and every person is read for each look at them; a text with
// anything else, or with a mistake, is left to that package. The object keeps nothing of the text.
func ParseJSON(text string) (map[string]any, error) {
	return parse[map[string]any](text)
}

// ParseValue is [ParseJSON] for any value.
func ParseValue(text string) (any, error) { return parse[any](text) }

func parse[T any](text string) (T, error) {
	p := parser{text: text}
	if v, ok := p.value(0); ok && p.next() == 0 && p.at == len(text) {
		if v, ok := v.(T); ok {
			return v, nil
		}
	}
	var v T
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// parser reads values of which it is sure. Whatever else it meets ends it.
type parser struct {
	text string
	at   int
}

// deepest is how deep values may stand within each other.
const deepest = 100

// next returns the byte after the white space, 0 at the end.
func (p *parser) next() byte {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take steps over a byte when it comes next.
func (p *parser) take(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) value(depth int) (any, bool) {
	if depth > deepest {
		return nil, false
	}
	switch p.next() {
	case '"':
		s, ok := p.string()
		return s, ok
	case '{':
		return p.object(depth)
	case '[':
		return p.list(depth)
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	}
	return p.number()
}

// number reads a whole number that is exact in whatever way it is read.
func (p *parser) number() (any, bool) {
	const exact = 15 // digits
	start, n := p.at, 0.0
	for ; p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9'; p.at++ {
		n = n*10 + float64(p.text[p.at]-'0')
	}
	digits := p.at - start
	if digits == 0 || digits > exact || digits > 1 && p.text[start] == '0' {
		return nil, false
	}
	return n, true // a fraction or an exponent is nothing that may follow
}

func (p *parser) object(depth int) (any, bool) {
	p.at++
	members := map[string]any{}
	if p.take('}') {
		return members, true
	}
	for {
		if p.next() != '"' {
			return nil, false
		}
		name, ok := p.string()
		if !ok || !p.take(':') {
			return nil, false
		}
		if members[name], ok = p.value(depth + 1); !ok {
			return nil, false
		}
		if !p.take(',') {
			return members, p.take('}')
		}
	}
}

func (p *parser) list(depth int) (any, bool) {
	p.at++
	list := []any{}
	if p.take(']') {
		return list, true
	}
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		if list = append(list, v); !p.take(',') {
			return list, p.take(']')
		}
	}
}

func (p *parser) word(w string) bool {
	ok := strings.HasPrefix(p.text[p.at:], w)
	p.at += len(w)
	return ok
}

// string reads a text. One that does not stand as it is, for its escapes or what is no UTF-8 in it, is left to
// package json.
func (p *parser) string() (string, bool) {
	rest := p.text[p.at+1:]
	plain := true
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			quoted := p.text[p.at : p.at+i+2]
			p.at += len(quoted)
			if plain && utf8.ValidString(rest[:i]) {
				// A copy: whoever keeps a name does not keep all that was read with it.
				return strings.Clone(rest[:i]), true
			}
			var text string
			err := json.Unmarshal([]byte(quoted), &text)
			return text, err == nil
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}
