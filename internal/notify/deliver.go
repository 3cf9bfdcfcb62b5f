package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Deliverer sends what there is to tell. Its methods are safe for concurrent use.
type Deliverer struct {
	Store   *store.Store
	Log     *slog.Logger
	Version string        // Muster's, for the User-Agent
	Every   time.Duration // between two looks; 0 is 5 s

	mu     sync.Mutex // guards looked
	looked time.Time  // when something was last looked for that only time brings about
}

const (
	batch    = 8 // messages that are sent at once
	claim    = 2 * time.Minute
	attempt  = time.Minute // one message, from its first byte; less than its claim
	slowLook = time.Hour
)

// retries are the pauses after each failed attempt; then a message is given up, a day and a half after
// it was due.
var retries = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour}

// Run delivers until the context ends. What goes wrong is logged and kept with the message; it never
// ends the loop.
func (d *Deliverer) Run(ctx context.Context) {
	every := time.NewTicker(cmp.Or(d.Every, 5*time.Second))
	defer every.Stop()
	for {
		if _, err := d.Deliver(ctx); err != nil && ctx.Err() == nil {
			d.Log.Error("notices could not be delivered; they are kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// Delivered is what one look has done.
type Delivered struct {
	Sent    int      `json:"sent"`
	Failed  int      `json:"failed"`
	Reasons []string `json:"reasons"` // why, one for each failed message
}

// Deliver sends everything that is due now, and returns when it has been tried.
func (d *Deliverer) Deliver(ctx context.Context) (Delivered, error) {
	out := Delivered{Reasons: []string{}}
	if err := d.find(ctx); err != nil {
		return out, err
	}
	waits, err := d.Store.NoticesWait(ctx)
	if err != nil || !waits {
		return out, err
	}
	c, err := d.channels(ctx)
	if err != nil {
		return out, err
	}
	for {
		n, err := d.Store.GatherNotices(ctx, c.recipients)
		if err != nil {
			return out, fmt.Errorf("gathering notices: %w", err)
		}
		if n == 0 {
			break
		}
	}
	for {
		messages, err := d.Store.ClaimMessages(ctx, batch, claim)
		if err != nil {
			return out, fmt.Errorf("taking messages: %w", err)
		}
		if len(messages) == 0 || ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err := d.send(ctx, c, messages, &out); err != nil {
			return out, err
		}
	}
}

// find looks now and then for what no event brings about: a credential whose end comes near, and what
// has been so for long.
func (d *Deliverer) find(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.Store.Now(); d.looked.IsZero() || now.Sub(d.looked).Abs() >= slowLook {
		if err := errors.Join(d.Store.NotifyExpiry(ctx), d.Store.Remind(ctx)); err != nil {
			return fmt.Errorf("looking for what ends soon: %w", err)
		}
		d.looked = now
	}
	return nil
}

// send tries messages, side by side: one server that does not answer keeps nobody else waiting.
func (d *Deliverer) send(ctx context.Context, c *channels, messages []*store.Message, out *Delivered) error {
	failed := make([]error, len(messages))
	var wg sync.WaitGroup
	for i, m := range messages {
		wg.Go(func() {
			one, end := context.WithTimeout(ctx, attempt)
			defer end()
			failed[i] = d.sendOne(one, c, m)
		})
	}
	wg.Wait()
	// What came of them is recorded also when Muster is being stopped.
	end := context.WithoutCancel(ctx)
	for i, m := range messages {
		why := failed[i]
		if why == nil {
			out.Sent++
			if err := d.Store.MessageSent(end, m); err != nil {
				return err
			}
			continue
		}
		out.Failed++
		out.Reasons = append(out.Reasons, why.Error())
		next := d.next(m, why)
		d.Log.Warn("a message was not delivered", "channel", m.Channel, "message", m.ID, "attempt", m.Attempts, "given_up", next.IsZero(), "error", why)
		if err := d.Store.MessageFailed(end, m, why.Error(), next); err != nil {
			return err
		}
	}
	return nil
}

// next is when a message is tried again, zero for never.
func (d *Deliverer) next(m *store.Message, why error) time.Time {
	var said *later
	gone := errors.As(why, &said) && said.never
	if gone || m.Attempts > len(retries) {
		return time.Time{}
	}
	pause := retries[max(m.Attempts, 1)-1]
	if said != nil {
		pause = max(pause, min(said.after, 24*time.Hour))
	}
	return d.Store.Now().Add(pause)
}

// later is a failure that says itself when the next attempt may be.
type later struct {
	err   error
	after time.Duration
	never bool
}

func (e *later) Error() string { return e.err.Error() }
func (e *later) Unwrap() error { return e.err }

func (d *Deliverer) sendOne(ctx context.Context, c *channels, m *store.Message) error {
	m.Events = linked(m.Events, c.console)
	if m.Channel == "mail" {
		if c.mail == nil {
			return &later{err: errors.New("mail is not set up any more"), never: true}
		}
		return d.mail(ctx, *c.mail, m.Address, m.ID, compose(m))
	}
	w, ok := c.webhooks[m.Address]
	if !ok {
		return &later{err: errors.New("the webhook is gone"), never: true}
	}
	return d.post(ctx, w, "msg_"+m.ID, body{Type: "notice." + string(m.Kind), Data: data{Notices: m.Events, More: m.More}})
}

// channels are the ways out as they are set up now.
type channels struct {
	mail     *store.Mail
	webhooks map[string]store.Webhook
	console  string // where people reach it, "" when only this machine does
}

func (d *Deliverer) channels(ctx context.Context) (*channels, error) {
	c := &channels{webhooks: map[string]store.Webhook{}}
	var err error
	if c.mail, err = d.Store.Mail(ctx); err != nil {
		return nil, err
	}
	base, err := d.Store.PublicURL(ctx)
	if err != nil {
		return nil, err
	}
	c.console = reachable(base)
	hooks, err := d.Store.Webhooks(ctx)
	for _, w := range hooks {
		c.webhooks[w.ID] = w
	}
	return c, err
}

// recipients says whom a notice concerns: everybody who hears of everything, and the address of its
// application where the application's failures are to be mailed.
func (c *channels) recipients(_ store.Notice, app provision.Notify) []store.Recipient {
	var to []store.Recipient
	if c.mail != nil {
		own := ""
		if app.Failures {
			own = app.Email
		}
		for _, address := range c.mail.Addresses(own) {
			to = append(to, store.Recipient{Channel: "mail", Address: address})
		}
	}
	for id := range c.webhooks {
		to = append(to, store.Recipient{Channel: "webhook", Address: id})
	}
	return to
}
