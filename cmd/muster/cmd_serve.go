package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/metrics"
	"github.com/muster-id/muster/internal/signin"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/web"
)

type serveCmd struct {
	Listen string `default:"127.0.0.1:8080" env:"MUSTER_LISTEN" placeholder:"ADDR" help:"Address; port 0 takes a free one (${default})."`
	doorFlags
}

// Help implements [kong.HelpProvider].
func (serveCmd) Help() string {
	return `It runs every application whose provisioning is on: at once when something
changes, every interval, and a reconcile on its own schedule. It prints
"listening on http://…" when it is ready, writes what happens to standard error,
and ends on Ctrl-C or SIGTERM when the requests under way are answered.

While Muster has no owner it also prints a one-time link to set it up in a
browser. Behind a proxy that speaks https name its address with --public-url.

/healthz says that it lives, /readyz that it can work, /metrics what it does;
/docs is the documentation. With --database any number of nodes share the
applications.

  muster serve --data /var/lib/muster --public-url https://muster.example.org
  muster serve --database postgres://muster@db.example.org/muster`
}

// endsWithin is how long a server that is told to end may take.
const endsWithin = 9500 * time.Millisecond

// Run implements the verb.
func (c *serveCmd) Run(s *session) error {
	desk, st, end, err := s.open(false)
	if err != nil {
		return err
	}
	schedule := desk.Schedule()
	server, site, doors, err := c.open(s, desk, st, schedule.Ready)
	if err == nil {
		if err = st.Announce(server.near()); err == nil {
			err = c.run(s, beside(schedule.Run, desk.RunNotifications, site.Run), st, server, doors)
		} else {
			err = errors.Join(err, server.close())
		}
	}
	if !errors.Is(err, errLate) {
		end() // it would wait for what did not end in time
	}
	return err
}

// open begins to answer. The address is taken first: the pages of signing in have to know it.
func (c *serveCmd) open(s *session, desk *admin.Desk, st *store.Store, ready func() error) (*served, *web.Server, *signin.Gate, error) {
	l, err := listen(c.Listen)
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := c.signIn(s, st, l.Addr())
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	meter := metrics.New(metrics.Options{Store: st, Usages: desk.Usages, Version: versionOf().Version, Log: s.log()})
	desk.Watch(meter.Watch())
	site, err := web.New(web.Options{Desk: desk, Version: versionOf().Version, Log: s.log(), SignIn: in, Metrics: meter.Handler(), Tracer: s.trace()})
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	return serveOn(l, web.Health(ready, site)), site, in.Gate, nil
}

// beside runs what else there is to do as long as the schedule runs, and ends with it.
func beside(schedule func(context.Context, func()) error, more ...func(context.Context)) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		ctx, stop := context.WithCancel(ctx)
		var running sync.WaitGroup
		for _, run := range more {
			running.Go(func() { run(ctx) })
		}
		defer running.Wait()
		defer stop()
		return schedule(ctx, ready)
	}
}

// errLate says that something did not end in the time there was.
var errLate = errors.New("it took too long")

// run serves until the session ends, and then ends what runs in the time there is.
func (c *serveCmd) run(s *session, schedule func(context.Context, func()) error, st *store.Store, server *served, doors *signin.Gate) error {
	log := s.log()
	ended := make(chan error, 1)
	go func() {
		ended <- schedule(s, func() {
			log.Info("serving", "url", server.url, "postgres", st.Postgres())
			listening(s, server.url, doors)
		})
	}()
	select {
	case err := <-ended: // it could not begin
		return errors.Join(err, server.close())
	case <-s.Done():
	}
	log.Info("ending: what is under way is waited for")
	late, until := time.NewTimer(endsWithin), time.Now().Add(endsWithin)
	defer late.Stop()
	closed := make(chan error, 1)
	go func() { closed <- server.close() }()
	select {
	case err := <-ended:
		if err = errors.Join(err, <-closed); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("ending: %w", err)
		}
		s.flush(min(flushTime, time.Until(until)))
		log.Info("ended")
		return nil
	case <-late.C:
		return &admin.Problem{
			Exit: admin.ExitInternal, Code: "interrupted", Message: fmt.Sprintf("what was under way did not end within %s", endsWithin),
			Next: "nothing to do: it is looked up when Muster runs again", Err: errLate,
		}
	}
}
