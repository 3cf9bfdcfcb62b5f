package slack

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var slackName = regexp.MustCompile(`^[a-z0-9._-]{1,21}$`)

func TestUserNameOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want string }{
		{"ada", "ada"},
		{" Ada ", "ada"},
		{"Ada.Lovelace@Example.org", "ada.lovelace"},
		{"a-d_a.42", "a-d_a.42"},
		{"exactly.twenty-one.ch", "exactly.twenty-one.ch"},
		{"", ""},
		{"  ", ""},
		// Something more is lost: a hash of the whole value, the same one for ever.
		{"o'brien", "o_brien-mw4hc5"},
		{"o'brien@example.org", "o_brien-5vejmd"},
		{"maximiliane.mustermann-ott", "maximiliane.m-ks5tlf"},
		{"maximiliane.mustermann-otter", "maximiliane.m-aawhj5"},
		{"山田太郎", "user-nmhbzd"},
		{"...", "user-vno7mj"},
		{"@ada", "ada-av7tpv"},
	} {
		if got := userNameOf(c.value); got != c.want {
			t.Errorf("userNameOf(%q) = %q, want %q", c.value, got, c.want)
		}
	}
}

// TestNamesAreApart makes many people who look alike to Slack: each has a name within the rules, and no
// two that differ in more than case and domain have one name.
func TestNamesAreApart(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"ada", "Ada", "ä", "ö", "'", " ", ".", "lovelace", "van der", "-", "山", "é", "é", "x", "0"}
	seen := map[string]string{}
	for range 40_000 {
		var b strings.Builder
		for range 1 + random.IntN(8) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		value := strings.ToLower(strings.TrimSpace(b.String()))
		if value == "" {
			continue
		}
		name := userNameOf(value)
		if !slackName.MatchString(name) {
			t.Fatalf("%q became %q", value, name)
		}
		if other, ok := seen[name]; ok && other != value {
			t.Fatalf("%q and %q both became %q", value, other, name)
		}
		seen[name] = value
	}
}

func TestOtherName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"ada": true}
	for person := range 1000 {
		for n := 1; n <= renames; n++ {
			name := otherName("ada", fmt.Sprintf("ada@%d.example", person), n)
			if seen[name] || !slackName.MatchString(name) || !strings.HasPrefix(name, "ada-") {
				t.Fatalf("person %d, attempt %d: %q", person, n, name)
			}
			if again := otherName("ada", fmt.Sprintf("ADA@%d.example", person), n); again != name {
				t.Fatalf("%q and %q", name, again)
			}
			seen[name] = true
		}
	}
	if got := otherName("exactly.twenty-one.ch", "a@example.org", 1); len(got) > maxMadeName {
		t.Errorf("%q has %d characters", got, len(got))
	}
}

func FuzzUserNameOf(f *testing.F) {
	for _, s := range []string{"ada", "A@B", "o'brien@example.org", "山田", strings.Repeat("x", 30), "\xff\xfe", "ſ", "K", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		name := userNameOf(value)
		if strings.TrimSpace(value) == "" && name == "" {
			return
		}
		if !slackName.MatchString(name) {
			t.Fatalf("%q became %q", value, name)
		}
		if again := userNameOf(name); again != name {
			t.Fatalf("%q became %q, which becomes %q", value, name, again)
		}
		if other := otherName(name, value, 1); !slackName.MatchString(other) || other == name {
			t.Fatalf("%q, and then %q", name, other)
		}
	})
}

func TestDisplayNameOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want string }{
		{"Ada O'Brien (R&D), Lovelace", "Ada O'Brien (R&D), Lovelace"},
		{"山田 太郎", "山田 太郎"},
		{"@ada@example.org", "_ada_example.org"},
		{"Ada 🚀\u200d👩 Lovelace ☀️", "Ada Lovelace"},
		{"  Ada \n Lovelace ", "Ada Lovelace"},
		{"🚀", ""},
		{strings.Repeat("é", 100), strings.Repeat("é", 80)},
	} {
		if got := displayNameOf(c.value); got != c.want {
			t.Errorf("displayNameOf(%q) = %q, want %q", c.value, got, c.want)
		}
	}
}

func FuzzDisplayNameOf(f *testing.F) {
	f.Add("Ada Lovelace")
	f.Add("@🚀" + strings.Repeat("x ", 90))
	f.Fuzz(func(t *testing.T, value string) {
		name := displayNameOf(value)
		if utf8.RuneCountInString(name) > maxDisplayName || strings.Contains(name, "@") || displayNameOf(name) != name {
			t.Fatalf("%q became %q", value, name)
		}
	})
}

func TestDateOf(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"2024-04-10": "2024-04-10T00:00:00+0000", "2024-04-10T08:00:00Z": "2024-04-10T08:00:00Z", "soon": "soon", "": "", "10.04.2024": "10.04.2024",
	} {
		if got := dateOf(value); got != want {
			t.Errorf("dateOf(%q) = %q, want %q", value, got, want)
		}
	}
}
