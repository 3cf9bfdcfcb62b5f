package attr

import (
	"strings"
	"testing"
)

func TestFilter_Match(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`userName eq "GRACE"`:                                    true, // case-blind, RFC 7643 §2.1 and §7
		`userName eq "grac"`:                                     false,
		`userName ne "ada"`:                                      true,
		`nickName ne "ada"`:                                      true,
		`userName co "rac" and userName sw "GR"`:                 true,
		`userName ew "ce"`:                                       true,
		`userName ew "gr"`:                                       false,
		`userName pr`:                                            true,
		`nickName pr`:                                            false,
		`not (nickName pr)`:                                      true,
		`name.givenName eq "Grace"`:                              true,
		`emails eq "g@home"`:                                     true, // a multi-valued attribute stands for its values
		`emails.value eq "g@home"`:                               true,
		`emails[type eq "home" and value co "@"] pr`:             true,
		`emails[type eq "fax"] pr`:                               false,
		`emails.type eq "work" and not (userName eq "grace")`:    false,
		`userName eq "ada" or userName eq "grace" and active pr`: false, // and binds closer (§3.4.2.2)
		`(userName eq "ada" or userName eq "grace") and name pr`: true,
		`age gt 40`:                                              true,
		`age ge 50`:                                              true,
		`age lt 50`:                                              false,
		`age le 49.5`:                                            false,
		`age eq 50`:                                              true,
		`age gt "4"`:                                             false,
		`userName gt "g"`:                                        true,
		`userName lt "h"`:                                        true,
		`boss eq true`:                                           true,
		`boss eq "TRUE"`:                                         true,
		`boss eq false`:                                          false,
		`retired eq false`:                                       true,
		`boss gt true`:                                           false,
		`nickName eq null`:                                       true,
		`userName eq null`:                                       false,
		enterprise + `:department eq "navy"`:                     true,
		`userName eq "\u0067race"`:                               true,
		`USERNAME EQ "grace" AND NAME PR`:                        true,
		`userName eq "gr]ace" or userName eq "gr\"ace" or age pr`: true,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		doc := grace()
		doc["age"], doc["boss"] = 50.0, true
		if got := f.Match(doc); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		again, err := ParseFilter(f.String())
		if err != nil || again.String() != f.String() || again.Match(doc) != want {
			t.Errorf("%s is written %s, which reads differently: %v", text, f, err)
		}
	}
}

func TestParseFilter_Refused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "an attribute path is empty",
		"userName":                  `"" is not an operator`,
		"userName eq":               "the value is missing",
		`userName eq "a`:            "is not a value",
		`userName eq "a" "b"`:       "unexpected",
		`userName eq "a" and`:       "an attribute path is empty",
		`(userName pr`:              "a closing parenthesis is missing",
		`userName pr)`:              "unexpected",
		`not userName pr`:           `"not" wants parentheses`,
		`userName eq {"a":1}`:       "not a",
		`userName eq [1]`:           "not a",
		`userName eq 1e999`:         "not a value",
		`userName in "a"`:           `"in" is not an operator`,
		strings.Repeat("(", 60):     "nested deeper than",
		strings.Repeat("not (", 60): "nested deeper than",
	} {
		f, err := ParseFilter(text)
		if err == nil {
			t.Errorf("%s reads as %s", text, f)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "a"`, `a pr and (b gt 1.5 or not (c co "x"))`, `emails[type eq "work" and value co "@"] pr`,
		`a eq null`, `a.b ne true`, enterprise + `:department sw "x"`, `a eq "\u00e9\"]"`, `not(a pr)`, `a eq 1e3`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := ParseFilter(s)
		if err != nil {
			return
		}
		again, err := ParseFilter(first.String())
		if err != nil || again.String() != first.String() {
			t.Fatalf("%q reads as %q, which reads as %v, %v", s, first, again, err)
		}
		doc := grace()
		if first.Match(doc) != again.Match(doc) || first.Match("x") != again.Match("x") {
			t.Fatalf("%q and %q match differently", s, first)
		}
	})
}
