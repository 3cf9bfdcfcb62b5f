package connector

import "context"

// Gate says whether requests may still be begun. What is under way when it closes is not given up:
// its answer is waited for, so that nobody has to ask later what became of it.
type Gate struct {
	// Open ends when no more requests are to be begun; those that wait for their turn are not sent.
	Open context.Context
	// Check is called just before every request is sent, repeats included; an error keeps it from being
	// sent.
	Check func() error
}

type gateKey struct{}

// WithGate returns a context whose requests go through a gate. The end of the context itself gives up
// what is under way, too.
func WithGate(ctx context.Context, g Gate) context.Context {
	return context.WithValue(ctx, gateKey{}, &g)
}

func gateOf(ctx context.Context) *Gate {
	g, _ := ctx.Value(gateKey{}).(*Gate)
	return g
}

// begin returns the context under which a request may wait for its turn.
func (g *Gate) begin(ctx context.Context) context.Context {
	if g == nil {
		return ctx
	}
	return g.Open
}

func (g *Gate) check() error {
	if g == nil || g.Check == nil {
		return nil
	}
	if err := g.Open.Err(); err != nil {
		return err
	}
	return g.Check()
}

// closed reports whether it is the gate that keeps a request from being sent, and not the request's own
// context.
func (g *Gate) closed(ctx context.Context) bool { return g != nil && ctx.Err() == nil }
