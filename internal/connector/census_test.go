package connector

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-id/muster/internal/attr"
)

func TestCensus(t *testing.T) {
	t.Parallel()
	c := (&Client{accounts: 3}).Census()
	for i, id := range []string{"a", "b", "a", "c", "d"} {
		fresh, err := c.Add(&Account{ID: id})
		if want := id != "a" || i == 0; fresh != want {
			t.Errorf("account %d (%s) is new: %v", i, id, fresh)
		}
		if over := id == "d"; errors.Is(err, ErrIncomplete) != over {
			t.Errorf("account %d of at most 3: %v", i, err)
		}
	}
	// Few accounts of a size that nobody has are too much as well, wherever the size is.
	for name, a := range map[string]Account{
		"a value":  {Values: attr.Set{"title": strings.Repeat("x", 5000)}},
		"a list":   {Values: attr.Set{"emails": []any{map[string]any{"value": strings.Repeat("x", 5000)}}}},
		"members":  {Members: make([]string, 2000)},
		"a name":   {Name: strings.Repeat("x", 5000)},
		"the path": {Values: attr.Set{strings.Repeat("x", 5000): nil}},
	} {
		c := (&Client{accounts: 100}).Census()
		var err error
		n := 0
		for ; err == nil && n < 100; n++ {
			a.ID = fmt.Sprint(n)
			_, err = c.Add(&a)
		}
		if !errors.Is(err, ErrIncomplete) || n < 50 {
			t.Errorf("%s: %v after %d accounts", name, err, n)
		}
	}
}
