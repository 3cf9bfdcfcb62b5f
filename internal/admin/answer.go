package admin

import (
	"context"

	"github.com/muster-id/muster/internal/store"
)

// Answer is what became of an earlier request with the same key.
type Answer = store.Answer

// Ask notes that owner begins a request under a key that it may repeat, and returns nil; or it returns
// what became of the earlier one. After nil comes [Desk.Answered].
func (d *Desk) Ask(ctx context.Context, owner, key, request string) (*Answer, error) {
	return d.store.Ask(ctx, owner, key, request)
}

// Answered keeps the answer to a request for a day. "" says that it came to nothing and may be sent
// again.
func (d *Desk) Answered(ctx context.Context, owner, key, answer string) error {
	if answer == "" {
		return d.store.ForgetAnswer(ctx, owner, key)
	}
	return d.store.SaveAnswer(ctx, owner, key, answer)
}
