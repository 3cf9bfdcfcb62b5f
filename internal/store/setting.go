package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// The settings that people edit as a whole, for [Store.SettingVersion].
const (
	RetentionSetting    = "retention"
	MailSetting         = "mail"
	SingleSignOnSetting = "single_sign_on"
)

// settingSecrets are the secrets that belong to a setting: whose they are, and what they are called.
var settingSecrets = map[string][2]string{MailSetting: {mailOwner, mailPassword}, SingleSignOnSetting: {singleSignOnOwner, clientSecret}}

// SettingVersion names the state of a setting as an entity tag; a secret that was given anew is another state.
func (s *Store) SettingVersion(ctx context.Context, name string) (string, error) {
	return read(ctx, s, func(tx *Tx) (string, error) { return tx.settingVersion(ctx, name) })
}

func (tx *Tx) settingVersion(ctx context.Context, name string) (string, error) {
	text, err := tx.setting(ctx, name)
	if err != nil {
		return "", err
	}
	if secret, ok := settingSecrets[name]; ok {
		mark, err := tx.SecretsMark(ctx, secret[0], secret[1])
		if err != nil {
			return "", err
		}
		text += "\n" + mark
	}
	sum := sha256.Sum256([]byte(text))
	return `"` + hex.EncodeToString(sum[:8]) + `"`, nil
}

// LockSettings makes edits of what people configure, settings and applications, wait for each other until the
// transaction ends: each reads what the one before has written, and can refuse to write over it. There
// may be no row yet that could be locked, and people edit seldom. SQLite has one writer anyway.
func (tx *Tx) LockSettings(ctx context.Context) error {
	if !tx.s.Postgres() || tx.shadow {
		return nil
	}
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock(7715837392)") // any number that nobody else takes
	return err
}

// settingAt refuses an edit of a setting that somebody else has changed since it was read.
func (tx *Tx) settingAt(ctx context.Context, name, match, what string) error {
	// Also without a match: whoever has one must not miss what is written beside it.
	if err := tx.LockSettings(ctx); err != nil || match == "" {
		return err
	}
	version, err := tx.settingVersion(ctx, name)
	if err != nil {
		return err
	}
	return sameVersion(match, version, what)
}
