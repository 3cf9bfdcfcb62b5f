package connector

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	hidden      = "[secret]"
	shownBytes  = 4 << 10  // of a body in an Exchange
	searchBytes = 16 << 10 // of a body that are searched before it is cut, so that no secret straddles the cut
)

// secretMembers are the members of JSON bodies that are never shown, whoever sent them.
var (
	secretNames   = []string{"password", "token", "access_token", "refresh_token", "id_token", "client_secret", "authorization"}
	secretMembers = regexp.MustCompile(`(?i)"(` + strings.Join(secretNames, "|") + `)"\s*:\s*"(?:[^"\\]|\\.)*"?`)
)

// named reports whether a text may have one of the secret members: far cheaper than to look for them,
// and nearly always false.
func named(s string) bool {
	if strings.Contains(s, "\u017f") || strings.Contains(s, "\u212a") {
		return true // which are letters s and k to whoever takes no notice of case
	}
	for i := strings.IndexByte(s, '"'); i >= 0; {
		s = s[i+1:]
		for _, name := range secretNames {
			if len(s) > len(name) && s[0]|' ' == name[0] && strings.EqualFold(s[:len(name)], name) {
				return true
			}
		}
		i = strings.IndexByte(s, '"')
	}
	return false
}

// redactor hides the secrets of one connection in every form in which a target may echo them.
type redactor struct{ forms []string }

func newRedactor(secrets ...string) redactor {
	var r redactor
	for _, s := range secrets {
		// Hiding one or two letters would hide nothing and make every text unreadable.
		if len(s) < 3 {
			continue
		}
		inJSON, _ := json.Marshal(s) // a string always marshals
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(inJSON), `"`)} {
			if !slices.Contains(r.forms, form) {
				r.forms = append(r.forms, form)
			}
		}
	}
	return r
}

// text hides the secrets in a text of any kind.
func (r redactor) text(s string) string {
	for _, form := range r.forms {
		s = strings.ReplaceAll(s, form, hidden)
	}
	return s
}

// longSecret is how long a secret has to be to be looked for in what a target says of its accounts: a
// shorter one may be a word of theirs.
const longSecret = 12

// answer returns a body without the secrets, before anything is made of it: what a target says of an
// account is kept, and an echoed credential must not be kept with it.
func (r redactor) answer(b []byte) []byte {
	for _, form := range r.forms {
		if len(form) >= longSecret && bytes.Contains(b, []byte(form)) {
			b = bytes.ReplaceAll(b, []byte(form), []byte(hidden))
		}
	}
	return b
}

// body returns the beginning of a body as it may be shown.
func (r redactor) body(b []byte) string {
	s := r.text(string(b[:min(len(b), searchBytes)]))
	if named(s) {
		s = secretMembers.ReplaceAllString(s, `"$1":"`+hidden+`"`)
	}
	return cut(strings.ToValidUTF8(s, "�"), shownBytes)
}
