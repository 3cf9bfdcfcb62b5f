package store

import "context"

// The setting that says at which endpoint the accounts of an application were linked, or [OtherCredentials], while nobody
// has seen them by what it connects with now.
const movedSetting = "moved "

// OtherCredentials is [Progress.MovedFrom] where the endpoint is the same, and what is shown to it is not: at many targets the
// token decides whose accounts are behind an address.
const OtherCredentials = "other credentials"

// moved notes that the links of an application may mean nothing at its new endpoint: an id is one account here and
// another's there. A move back to where they were made is none.
func (tx *Tx) moved(ctx context.Context, appID, from, to string) error {
	was, err := tx.setting(ctx, movedSetting+appID)
	switch {
	case err != nil:
		return err
	case was == to:
		return tx.settled(ctx, appID)
	case was != "":
		return nil
	}
	return tx.doubtLinks(ctx, appID, from)
}

// Reconnected notes that somebody has given an application other credentials: it is tried with them at once, and whether its
// links are theirs has to be seen. It is not for those that renew themselves.
func (tx *Tx) Reconnected(ctx context.Context, appID string) error {
	if err := tx.probeSoon(ctx, appID); err != nil {
		return err
	}
	if was, err := tx.setting(ctx, movedSetting+appID); err != nil || was != "" {
		return err
	}
	return tx.doubtLinks(ctx, appID, OtherCredentials)
}

func (tx *Tx) doubtLinks(ctx context.Context, appID, from string) error {
	var linked bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from links where app_id = $1)", appID).Scan(&linked); err != nil || !linked {
		return err
	}
	return tx.set(ctx, movedSetting+appID, from)
}

func (tx *Tx) settled(ctx context.Context, appID string) error {
	_, err := tx.Exec(ctx, "delete from settings where name = $1", movedSetting+appID)
	return err
}

// Settled notes that the linked accounts of an application were seen by what it connects with now, see [Progress.MovedFrom].
func (s *Store) Settled(ctx context.Context, appID string) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.settled(ctx, appID) })
}

// SomeLinks returns at most n links of an application, those of people and of accounts that are on first, and none
// whose account is known to be gone.
func (s *Store) SomeLinks(ctx context.Context, appID string, n int) ([]*Link, error) {
	return read(ctx, s, func(tx *Tx) ([]*Link, error) {
		return rowsOf(ctx, tx, scanLink, `select `+linkColumns+` from links where app_id = $1 and vanished_at is null
			order by type desc, enabled desc, object_id limit $2`, appID, n)
	})
}
