package admin

import (
	"context"
	"errors"
	"io"

	"github.com/muster-id/muster/internal/store"
)

// Retention returns how long each log is kept.
func (d *Desk) Retention(ctx context.Context) (store.Retention, error) { return d.store.Retention(ctx) }

// SetRetention sets how long each log is kept.
func (d *Desk) SetRetention(ctx context.Context, r store.Retention) error {
	return d.store.SetRetention(ctx, d.by, r)
}

// Keys returns the fingerprint of the key that secrets are sealed with, which a restore needs; none
// while there is no key.
func (d *Desk) Keys() ([]string, error) {
	key, err := d.store.KeyFingerprint()
	if errors.Is(err, store.ErrNeedsSecret) || err == nil && key == "" {
		return []string{}, nil
	}
	return []string{key}, err
}

// Backup writes everything into w and returns [Desk.Keys].
func (d *Desk) Backup(ctx context.Context, w io.Writer) ([]string, error) {
	if err := d.store.Backup(ctx, w); err != nil {
		return nil, err
	}
	return d.Keys()
}
