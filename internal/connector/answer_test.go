package connector

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"nothing":              {"", true},
		"spaces":               {" \n ", true},
		"byte order mark":      {"\xef\xbb\xbf{}", true},
		"as deep as may be":    {strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		"one deeper":           {strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		"brackets in text":     {`{"a":"` + strings.Repeat("[", 1000) + `"}`, true},
		"an escaped quote":     {`{"a":"\"` + strings.Repeat("[", 1000) + `"}`, true},
		"too many values":      {"[" + strings.Repeat("0,", maxValues) + "0]", false},
		"two documents":        {"{}{}", false},
		"a page":               {"<html></html>", false},
		"half":                 {`{"id":"1","na`, false},
		"compressed":           {"\x1f\x8b\x08\x00", false},
		"a text with a number": {"1", true},
	} {
		if _, err := decode([]byte(c.text)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"uniqueness","detail":"it is there","status":"409"}`,
		`{"Errors":{"description":"long_username (user=ada)","code":400}}`,
		`{"Errors":[{"description":"x"}]}`, `{"error":{"code":"a","message":"b"}}`, `{"error":"invalid_grant","error_description":"x"}`,
		`{"errors":[{"message":"x"}]}`, `{"message":"\u202e\u0000"}`, `[]`, `"x"`, `<html>`, strings.Repeat(`{"a":[`, 70), "\xff\xfe", `{"detail":"` + strings.Repeat("ä", 500) + `"}`,
	} {
		f.Add([]byte(s), 400)
	}
	f.Fuzz(func(t *testing.T, b []byte, status int) {
		v, err := decode(b)
		if err != nil {
			v = nil
		}
		code, sentence := words(v)
		for _, s := range []string{code, sentence} {
			if !utf8.ValidString(s) || len(s) > 410 || strings.ContainsFunc(s, unicode.IsControl) {
				t.Errorf("%q is no line of a log", s)
			}
		}
		status %= 1000
		e := refused("example.org", status, v, true)
		if e.Kind == "" || e.Code == "" || e.Reason == "" || e.Advice == "" {
			t.Errorf("status %d: %+v", status, e)
		}
		Diagnose(e)
		if shown := newRedactor("secret-token").body(b); len(shown) > shownBytes+4 || strings.Contains(shown, "secret-token") || !utf8.ValidString(shown) {
			t.Errorf("a body is shown as %q", shown)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "2.5", "-1", "NaN", "1e300", "Wed, 21 Oct 2015 07:28:00 GMT", "", "soon", "+Inf"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(http.Header{"Retry-After": {s}}, now); d < 0 || d > maxPause {
			t.Errorf("%q is %s", s, d)
		}
	})
}

// FuzzNamed checks that no secret member is missed by the quick look for one, however its name is written.
func FuzzNamed(f *testing.F) {
	for _, name := range secretNames {
		f.Add(`{"a":"b","` + name + `" : "x"}`)
		f.Add(`{"a":"b","` + strings.ToUpper(name) + `":"x"`)
	}
	f.Add("{\"pa\u017fsword\":\"x\",\"to\u212aen\":\"y\"}")
	f.Add(`""password":"x"`)
	f.Add(`"token`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, text string) {
		if secretMembers.MatchString(text) && !named(text) {
			t.Errorf("%q has a secret member", text)
		}
	})
}

// FuzzRedact checks that no text, however it is written around a secret, lets the secret through.
func FuzzRedact(f *testing.F) {
	f.Add("before ", " after", "xoxp-1-2-3")
	f.Add(`{"password":"`, `"}`, "a/b+c=")
	f.Fuzz(func(t *testing.T, before, after, secret string) {
		if len(secret) < 3 || strings.Contains(hidden, secret) {
			return
		}
		r := newRedactor(secret)
		inJSON, err := json.Marshal(map[string]string{"echo": before + secret + after})
		if err != nil {
			return
		}
		// What stands around may make up the secret anew with what replaced it; only the secret itself is ours.
		if s := r.text(secret); strings.Contains(s, secret) {
			t.Errorf("%q shows %q", s, secret)
		}
		_ = r.body(inJSON)
	})
}
