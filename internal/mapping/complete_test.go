package mapping_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before  string
		replace int
		has     string // separated by spaces
		lacks   string
	}{
		{"", 0, "user app lower( coalesce(", "group"},
		{"us", 2, "user", "app"},
		{"user.", 0, "title department name emails groups manager custom", "lower( members"},
		{"user.ti", 2, "title timezone", "name"},
		{"user.name.", 0, "givenName familyName", "title"},
		{"user.title.", 0, "upper() replace( startsWith( size()", "join( givenName"},
		{`user.title + " (" + user.na`, 2, "name", "title"},
		{"user.groups.", 0, "join( exists( size()", "upper()"},
		{"user.emails.filter(e, e.", 0, "value type primary", "title"},
		{"user.emails.filter(e, e.primary).map(m, m.va", 2, "value", "type"},
		{"user.title.lower().", 0, "upper()", "join("},
		{"user.emails[0].", 0, "value primary", ""},
		{`"text".`, 0, "upper()", ""},
		{`"user.`, 0, "", "title"},
		{"nobody.", 0, "", "title"},
		{"user.title .", 0, "upper()", ""},
		{"USER", 4, "user", ""},
	} {
		replace, list := mapping.Complete(directory.KindUser, c.before)
		var texts []string
		for _, s := range list {
			texts = append(texts, s.Text)
			if s.Detail == "" {
				t.Errorf("%q: %s is not told of", c.before, s.Text)
			}
		}
		if replace != c.replace && len(list) > 0 {
			t.Errorf("%q: %d characters are replaced, want %d", c.before, replace, c.replace)
		}
		for _, want := range strings.Fields(c.has) {
			if !slices.Contains(texts, want) {
				t.Errorf("%q lacks %s: %q", c.before, want, texts)
			}
		}
		for _, not := range strings.Fields(c.lacks) {
			if slices.Contains(texts, not) {
				t.Errorf("%q offers %s", c.before, not)
			}
		}
	}
	if _, list := mapping.Complete(directory.KindGroup, "group."); len(list) == 0 || list[0].Text == "" {
		t.Error("nothing is offered of a group")
	}
}

// What somebody has typed so far may be anything.
func FuzzComplete(f *testing.F) {
	for _, s := range []string{"user.", "user.emails.filter(e, e.", `"a".`, "(((", "user.x[", ".", "é.", "'\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, before string) {
		replace, list := mapping.Complete(directory.KindUser, before)
		if replace < 0 || replace > len(before) {
			t.Fatalf("%d characters of %q are replaced", replace, before)
		}
		for _, s := range list {
			if s.Text == "" {
				t.Fatal("nothing is offered")
			}
		}
	})
}
