package connector

import (
	"crypto/sha256"
	"fmt"
)

// What a walk over a target's accounts reads at most, whatever the target says of its size: one that
// never stops showing new accounts would fill the disk.
const (
	mostAccounts = 1_000_000 // unless limits.accounts of the connection says otherwise
	meanAccount  = 4 << 10   // bytes of an account on the average of all of them
)

// Census counts the accounts of one walk: each once, and no more of them than a target can have in
// reason. It keeps 16 bytes of an account, however long the target's ids are.
type Census struct {
	most  int
	bytes int
	seen  map[[16]byte]struct{}
}

// Census begins to count the accounts of a walk over this connection's target.
func (c *Client) Census() *Census {
	return &Census{most: c.accounts, seen: map[[16]byte]struct{}{}}
}

func digest(id string) [16]byte {
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:16])
}

// Add reports whether the account is new to the walk. The error, an [ErrIncomplete], says that it was
// one too many: the walk must end.
func (c *Census) Add(a *Account) (fresh bool, err error) {
	key := digest(a.ID)
	if _, known := c.seen[key]; known {
		return false, nil
	}
	c.seen[key] = struct{}{}
	c.bytes += a.Size()
	switch {
	case len(c.seen) > c.most:
		return true, fmt.Errorf("%w: it goes on after %d accounts; if there are more, set connection.limits.accounts", ErrIncomplete, c.most)
	case c.bytes > c.most*meanAccount:
		return true, fmt.Errorf("%w: its accounts have more than %d MB; if that is right, set connection.limits.accounts above %d", ErrIncomplete, c.most*meanAccount>>20, c.most)
	}
	return true, nil
}

// Count returns how many accounts the walk has shown.
func (c *Census) Count() int { return len(c.seen) }

// Size returns about how many bytes it takes to keep the account.
func (a *Account) Size() int {
	n := 200 + len(a.ID) + len(a.Name) + len(a.Protected)
	for _, id := range a.Members {
		n += len(id) + 3
	}
	for path, v := range a.Values {
		n += len(path) + sizeOf(v)
	}
	return n
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) + 4
	case []any:
		n := 2
		for _, e := range v {
			n += sizeOf(e)
		}
		return n
	case map[string]any:
		n := 2
		for name, e := range v {
			n += len(name) + 4 + sizeOf(e)
		}
		return n
	}
	return 8
}
