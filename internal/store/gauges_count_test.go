package store_test

import (
	"testing"

	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// What waits in cycles that run is counted, by what it waits for, and nothing of plans that nobody ran or of what is over.
func TestWhatIsOpenIsCounted(t *testing.T) {
	t.Parallel()
	storetest.ForEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		must(t)(s.Write(ctx, func(tx *store.Tx) error {
			for _, statement := range []string{
				`insert into applications (id, name, name_key, template, config, created_at, modified_at) values ('a', 'Slack', 'slack', 'slack', '{}', 1, 1)`,
				`insert into cycles (id, app_id, type, state, watermark, basis, summary, initiated_by, created_at)
					values ('c1', 'a', 'initial', 'running', 1, '', '{}', '', 1), ('c2', 'a', 'initial', 'planned', 1, '', '{}', '', 1), ('c3', 'a', 'initial', 'done', 1, '', '{}', '', 1)`,
				`insert into operations (id, app_id, cycle_id, type, action, state, urgency, rank, object_id, object_name, cause, reason, want, detail, steps, initiated_by, created_at)
					select 'o' || n, 'a', 'c' || cycle, 'user', 'create', state, 0, 0, 'u' || n, 'u', 'new', '', '{}', '{}', '[]', '', 1 from
					(select 1 as n, 1 as cycle, 'planned' as state union all select 2, 1, 'planned' union all select 3, 1, 'applying' union all select 4, 3, 'held'
					union all select 5, 2, 'planned' union all select 6, 1, 'applied' union all select 7, 1, 'held' union all select 8, 9, 'held') x`,
			} {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		}))
		g, err := s.Gauges(ctx)
		must(t)(err)
		if len(g.Applications) != 1 || g.Applications[0].Queue != 3 || g.Applications[0].Held != 2 {
			t.Errorf("%+v", g.Applications)
		}
	})
}
