package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
)

// lines splits a text for paragraphs.
func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

// initial is the letter that stands for a visitor.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(name)
	if r == utf8.RuneError {
		return "?"
	}
	return string(unicode.ToUpper(r))
}

// short drops the schema that an attribute of an extension begins with.
func short(path string) string {
	if i := strings.LastIndex(path, ":"); strings.HasPrefix(path, "urn:") && i >= 0 {
		return path[i+1:]
	}
	return path
}

// value writes an attribute's value for reading.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		if v == "" {
			return "–"
		}
		return v
	case bool, float64, int:
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// fullName is how a person is called beside the userName.
func fullName(u directory.User) string {
	at := func(path string) string { return text(attr.MustPath(path).Of(u.Attributes)) }
	return cmp.Or(at("displayName"), at("name.formatted"), strings.TrimSpace(at("name.givenName")+" "+at("name.familyName")))
}

func text(v any) string { s, _ := v.(string); return s }
