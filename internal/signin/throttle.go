package signin

import (
	"context"
	"net/netip"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
)

// backOff is how attempts are slowed: free ones, then a pause after each that doubles up to a limit.
// After a quiet time all is forgotten.
type backOff struct {
	free  int64
	first time.Duration
	most  time.Duration
	quiet time.Duration
}

// An account stands a few slips: then at most about a hundred guesses a day are taken, wherever they
// come from. An address may stand for an office, so more is let pass there, and it pauses longer.
var (
	accountBackOff = backOff{free: 5, first: 30 * time.Second, most: 15 * time.Minute, quiet: 24 * time.Hour}
	addressBackOff = backOff{free: 30, first: time.Minute, most: time.Hour, quiet: 24 * time.Hour}
)

// next counts one more failure.
func (b backOff) next(f store.Failures, now time.Time) store.Failures {
	if now.Sub(f.Last) >= b.quiet {
		f.Count = 0
	}
	f.Count++
	f.Until = now
	if over := f.Count - b.free; over >= 0 {
		pause := b.most
		if over < 32 {
			pause = min(b.first<<over, b.most)
		}
		f.Until = now.Add(pause)
	}
	return f
}

// attempt is one try to get in by something that can be guessed.
type attempt struct{ account, address string }

// attemptOn names what an attempt is counted for: the name that was typed, whether there is such an
// account or not, and the address, of which in IPv6 somebody has at least a /64.
func attemptOn(name string, c Client) attempt {
	address := c.Address.Unmap()
	if address.Is6() {
		address = netip.PrefixFrom(address.WithZone(""), 64).Masked().Addr()
	}
	return attempt{account: "account " + directory.Key(name), address: "address " + address.String()}
}

// begin counts the attempt, or refuses it for a while.
func (g *Gate) begin(ctx context.Context, a attempt) error {
	now := g.store.Now()
	until, err := g.store.TrySignIn(ctx, []string{a.account, a.address}, func(i int, f store.Failures) store.Failures {
		return []backOff{accountBackOff, addressBackOff}[i].next(f, now)
	})
	if err != nil || until.IsZero() {
		return err
	}
	wait := until.Sub(now)
	return &Refusal{Reason: "Too many attempts", Next: "Try again in " + waitFor(wait) + ".", Retry: wait}
}

// succeeded takes back what begin counted. The account is let off only when everything was proved:
// who knows the password does not get to guess codes without end.
func (g *Gate) succeeded(ctx context.Context, a attempt, everything bool) error {
	if err := g.store.TakeBack(ctx, a.address); err != nil || !everything {
		return err
	}
	return g.store.ForgetFailures(ctx, a.account)
}
