package cycle_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/slack"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/slackemulator"
	"github.com/muster-id/muster/internal/source"
)

// joiners is a source of people with these names.
type joiners []string

func (names joiners) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		for i, name := range names {
			r := source.Record{Line: i + 1, Kind: directory.KindUser, Name: name, Attributes: directory.Edit{
				"userName": name, "name.givenName": name, "name.familyName": "Test", "displayName": name + " Test", "title": "Engineer",
				"emails": []any{map[string]any{"value": name + "@example.org", "type": "work", "primary": true}},
			}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Who leaves while 20,000 wait for their accounts is off before a few more of them have one: on Slack, whose
// limit of three creates a second leaves room for removals.
func TestLeaverBeforeTwentyThousandJoiners(t *testing.T) {
	if testing.Short() {
		t.Skip("it plans 20,000 accounts")
	}
	w := onSQLite(t)
	var creates atomic.Int64
	left, began := make(chan string, 1), make(chan bool)
	throttled := w.onSlack(func(r *http.Request) {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Users"):
			if creates.Add(1) == 25 { // the burst is over
				close(began)
			}
		case r.Method == http.MethodPatch || r.Method == http.MethodDelete:
			select {
			case left <- r.Method + " " + r.URL.Path:
			default:
			}
		}
	})
	w.save()
	w.user("leaver")
	w.expect(w.sync(), map[string]int{"create": 1})
	w.people("j", 20_000)
	creates.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stored, err := w.store.Application(ctx, "target")
		if err == nil {
			_, err = w.engine.Run(ctx, stored, cycle.Options{})
		}
		if err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	wait := func(what string, done <-chan bool) {
		select {
		case <-done:
		case <-ended:
			t.Fatalf("the cycle ended before %s", what)
		case <-time.After(2 * time.Minute):
			t.Fatalf("no %s", what)
		}
	}
	wait("creates", began)
	w.set("leaver", "active", false)
	before := creates.Load()
	select {
	case how := <-left:
		// Slack lets go three a second: two seconds are six of them, and a busy machine has some more. Of 20,000.
		if n := creates.Load() - before; n > 30 {
			t.Errorf("%d accounts were created between the leave and %s", n, how)
		}
	case <-ended:
		t.Error("the cycle ended without the leaver")
	case <-time.After(2 * time.Minute):
		t.Errorf("the leaver waits behind %d creates", creates.Load()-before)
	}
	if n := throttled.Load(); n > 0 {
		t.Errorf("%d requests were throttled", n)
	}
	cancel()
	<-ended
}

// onSlack makes the application one of an emulated Slack with its limits, which tells of each request
// before it answers, and counts those that it turns away.
func (w *world) onSlack(told func(*http.Request)) (throttled *atomic.Int64) {
	w.t.Helper()
	template, err := gallery.Lookup("slack")
	if err != nil {
		w.t.Fatal(err)
	}
	em, throttled := slackemulator.New(slackemulator.Options{}), &atomic.Int64{}
	em.AddToken(slackemulator.Token{Value: "xoxp-world", Scopes: []string{"admin"}})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		told(r)
		em.ServeHTTP(statusWatch{rw, throttled}, r)
	}))
	w.t.Cleanup(server.Close)
	limiter := connector.NewLimiter(template.Limits)
	w.engine.Open = func(_ context.Context, app *provision.Application) (cycle.Target, error) {
		made, err := slack.New(slack.Options{
			Connection: app.Connection, Token: "xoxp-world", Limiter: limiter,
			Users: targets(w.t, directory.KindUser, app.Mappings.Users), Groups: targets(w.t, directory.KindGroup, app.Mappings.Groups),
		})
		return cycle.Target{Connector: made, Concurrency: 16}, err
	}
	app := template.Application()
	app.Name, app.Connection.Endpoint, app.Connection.WebAPI, app.Provisioning.Scope = "target", server.URL+"/scim/v2/", "", "all"
	w.app = &app
	return throttled
}

// statusWatch counts the answers that throttle.
type statusWatch struct {
	http.ResponseWriter
	throttled *atomic.Int64
}

func (s statusWatch) WriteHeader(status int) {
	if status == http.StatusTooManyRequests {
		s.throttled.Add(1)
	}
	s.ResponseWriter.WriteHeader(status)
}
