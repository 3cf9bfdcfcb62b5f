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
	return d.SetRetentionIf(ctx, "", r)
}

// SetRetentionIf is [Desk.SetRetention] while the setting is at a version that match names, as If-Match writes
// them: the edit of another one is refused. "" asks for nothing.
func (d *Desk) SetRetentionIf(ctx context.Context, match string, r store.Retention) error {
	return d.store.SetRetentionIf(ctx, d.by, match, r)
}

// SettingVersion names the state of a setting as an entity tag: [store.RetentionSetting], [store.MailSetting] or
// [store.SingleSignOnSetting].
func (d *Desk) SettingVersion(ctx context.Context, name string) (string, error) {
	return d.store.SettingVersion(ctx, name)
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
