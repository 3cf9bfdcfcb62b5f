package store_test

import (
	"reflect"
	"testing"

	"github.com/muster-id/muster/internal/attr"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// Whatever an operation holds, with little or nothing in it, is read as it was stored.
func TestOperationIsReadAsItWas(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		full := provision.Operation{
			Kind: directory.KindGroup, Action: provision.Update, Source: provision.Subject{ID: "g", Name: "Quo\"te \u2028"}, Cause: provision.Changed,
			Want:  attr.Set{"displayName": "x", "emails": []any{map[string]any{"value": "a@example.org", "primary": true}}, "gone": nil},
			Edits: []attr.Edit{{Path: "displayName", Old: "a\nb", New: "x"}, {Path: "gone", Old: []any{"1"}, New: nil}},
			Add:   []provision.Subject{{ID: "1", Name: "one"}, {ID: "2", Name: ""}}, Remove: []provision.Subject{{ID: "3", Name: "<three>"}}, Found: []provision.Subject{{ID: "4", Name: "four"}},
			Have: attr.Set{"displayName": "y"}, References: []string{"manager.value"}, Names: map[string]string{"1": "one"}, Hidden: []string{"secret"},
			Steps: []provision.Step{{Name: "import", Status: "success", Description: "found"}},
		}
		for id, op := range map[string]provision.Operation{
			"full": full,
			"bare": {Kind: directory.KindUser, Action: provision.Disable, Source: provision.Subject{ID: "u", Name: "u"}, Cause: provision.Unassigned},
			"one":  {Kind: directory.KindGroup, Action: provision.Update, Source: provision.Subject{ID: "h", Name: "h"}, Hidden: []string{"secret"}},
		} {
			row := &store.Operation{Operation: op, ID: id, AppID: "a", CycleID: "c", State: store.Planned, Created: s.Now()}
			must(t)(s.AddOperations(ctx, "", "", []*store.Operation{row}, nil, nil))
			got, err := s.OperationByID(ctx, id)
			must(t)(err)
			if !reflect.DeepEqual(got, row) {
				t.Errorf("%s was read as %+v, stored as %+v", id, got, row)
			}
		}
	})
}
