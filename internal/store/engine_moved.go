package store

import "context"

// The setting that says at which endpoint the accounts of an application were linked, while nobody has seen them
// at the one that it has now.
const movedSetting = "moved "

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

// Settled notes that the linked accounts of an application are those at the endpoint that it had until now, see
// [Progress.MovedFrom].
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
