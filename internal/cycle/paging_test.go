package cycle_test

import (
	"context"
	"iter"
	"sync"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/provision"
)

// interrupted is a connector beside whose lists something happens after so many accounts.
type interrupted struct {
	connector.Connector
	after int
	once  sync.Once
	do    func()
}

func (c *interrupted) Read(ctx context.Context, q connector.Query) iter.Seq2[connector.Account, error] {
	return func(yield func(connector.Account, error) bool) {
		n := 0
		for a, err := range c.Connector.Read(ctx, q) {
			if n++; q.ID == "" && q.Path == "" && n == c.after {
				c.once.Do(c.do)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// afterPage opens the world's target so that something happens there in the middle of the next list.
func afterPage(w *world, after int, do func()) func(context.Context, *provision.Application) (cycle.Target, error) {
	return func(ctx context.Context, app *provision.Application) (cycle.Target, error) {
		t, err := w.open(ctx, app)
		t.Connector = &interrupted{Connector: t.Connector, after: after, do: do}
		return t, err
	}
}
