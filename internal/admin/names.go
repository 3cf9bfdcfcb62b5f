package admin

import (
	"context"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// ApplicationNames returns the names of all applications.
func (d *Desk) ApplicationNames(ctx context.Context) ([]string, error) {
	return d.store.ApplicationNames(ctx)
}

// AssignedTo returns the applications that a user or a group is assigned to by itself.
func (d *Desk) AssignedTo(ctx context.Context, kind directory.Kind, objectID string) ([]store.Assigned, error) {
	return d.store.AssignedTo(ctx, kind, objectID)
}
