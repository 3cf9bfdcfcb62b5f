package connector

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-id/muster/internal/attr"
)

// Bounds of what is read of a target's answer, whatever it sends.
const (
	ListBytes  = 16 << 20 // a page of a list, or a group with its members
	OtherBytes = 4 << 20  // any other answer
	errorBytes = 64 << 10 // the body of a refusal
	maxDepth   = 64       // nesting of JSON
	maxValues  = 2 << 20  // JSON values in one answer: an empty object costs 3 bytes to send and 60 to keep
)

var (
	errNotJSON = errors.New("the answer is not JSON")
	errTooDeep = fmt.Errorf("the answer nests JSON deeper than %d levels", maxDepth)
	errTooMany = fmt.Errorf("the answer holds more than %d values", maxValues)
)

// decode reads one JSON document into what package attr calls values. An empty document is nil.
// Depth and number of values are checked before anything is built, so that a hostile document
// costs no more than its own bytes.
func decode(b []byte) (any, error) {
	b = bytes.TrimPrefix(bytes.TrimSpace(b), []byte("\xef\xbb\xbf"))
	if len(b) == 0 {
		return nil, nil
	}
	if err := measure(b); err != nil {
		return nil, err
	}
	v, err := attr.ParseValue(string(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	return v, nil
}

// measure bounds nesting and number of values without building any.
func measure(b []byte) error {
	depth, values, quoted := 0, 1, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errTooDeep
			}
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if values > maxValues {
			return errTooMany
		}
	}
	return nil
}

// words finds the target's own words in the body of a refusal: its code, where it has one, and a
// sentence. The shapes are those of SCIM 2.0 (RFC 7644 §3.12), SCIM 1.1 as Slack and others answer it
// also on version 2 (an object, or a list of them), OAuth (RFC 6749 §5.2, RFC 6750), problem details
// (RFC 9457) and the plain "message" of many gateways. The first that speaks is taken.
func words(body any) (code, sentence string) {
	doc, ok := body.(map[string]any)
	if !ok {
		return "", ""
	}
	member := func(doc map[string]any, name string) string {
		s, _ := doc[name].(string)
		return strings.TrimSpace(s)
	}
	first := func(v any) map[string]any {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, _ := v.(map[string]any)
		return m
	}
	for _, shape := range []struct {
		in             map[string]any
		code, sentence string
	}{
		{first(doc["Errors"]), "", "description"},
		{doc, "scimType", "detail"},
		{first(doc["errors"]), "code", "message"},
		{first(doc["errors"]), "code", "detail"},
		{first(doc["error"]), "code", "message"},
		{doc, "error", "error_description"},
		{doc, "code", "message"},
		{doc, "error", "title"},
	} {
		code, sentence = member(shape.in, shape.code), member(shape.in, shape.sentence)
		if code != "" || sentence != "" {
			return plain(code, 80), plain(sentence, 400)
		}
	}
	return "", ""
}

// plain makes a target's words fit for one line of a log or a terminal: no control characters, no
// runs of space, at most limit bytes.
func plain(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return cut(strings.Join(strings.Fields(s), " "), limit)
}

// cut shortens s to at most limit bytes, at a rune's edge, and says so.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-4):]) && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if r, size := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && size == 1 {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// CreatedIn returns when a resource says that it was made (meta.created, RFC 7643 §3.1), zero where it does not. The
// dates that programs have before they have one (year 1, 1970) say nothing.
func CreatedIn(resource map[string]any) time.Time {
	meta, _ := attr.Member(resource, "meta").(map[string]any)
	text, _ := attr.Member(meta, "created").(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1990 {
		return time.Time{}
	}
	return at
}
