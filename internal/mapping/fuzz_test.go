package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/mapping"
)

// FuzzExpression wants any text to be refused or to end soon, with a result that JSON can write and
// without a word of the person in the error.
func FuzzExpression(f *testing.F) {
	for _, m := range usual {
		if m.Expression != "" {
			f.Add(m.Expression)
		}
	}
	for _, text := range attacks() {
		if len(text) < 500 {
			f.Add(text)
		}
	}
	for _, text := range []string{
		`user.emails.filter(e, e.type == "home").map(e, {e.type: e.value})`, `cel.bind(u, user, u.custom).map(k, k)`,
		`math.greatest([1, 2.5, toInt("3")])`, `[user, user][1].name`, `dyn(user).title`, `type(user) == type(user.name)`,
		`user.custom == {} ? user.custom.tags[1] : user.custom["tags"][0]`, `formatDate(now(), "yyyy") + uuid() + randomString(3)`,
		`timestamp(now()) + duration("1h")`, `"a" in user.custom && user.custom.all(k, k != "")`, `ignoreIfEmpty(user.roles)[0].value`,
	} {
		f.Add(text)
	}
	facts := ada()
	const secret = "Zanzibar-Secret"
	facts.User.Attributes["title"] = secret
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		rows := []mapping.Mapping{{Target: "x", Expression: text, When: mapping.OnCreate, Default: "d"}}
		p, err := mapping.Compile(directory.KindUser, rows)
		if err == nil {
			set, failed := p.Apply(facts, true)
			if failed == nil {
				if _, err := json.Marshal(set); err != nil {
					t.Fatalf("%q gives what JSON cannot write: %v", text, err)
				}
			} else if strings.Contains(failed.Error(), secret) {
				t.Fatalf("%q: the error holds a value: %v", text, failed)
			}
		} else if err.Error() == "" {
			t.Fatalf("%q: an empty error", text)
		}
		if filter, err := mapping.CompileFilter(directory.KindUser, text); err == nil {
			if _, _, err := filter.Admits(facts); err != nil && strings.Contains(strings.ReplaceAll(err.Error(), text, ""), secret) {
				t.Fatalf("%q: the error holds a value: %v", text, err)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("%q took %v", text, took)
		}
	})
}
