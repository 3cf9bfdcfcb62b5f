package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
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
)

// BenchmarkPacedLoad is the first load into a target that takes 100 requests a second and 20 at once. The floor is what the limit
// alone makes of so many requests.
func BenchmarkPacedLoad(b *testing.B) {
	limit := paced{perSecond: 100, burst: 20}
	t := startTarget(b, 0, limit)
	var took time.Duration
	var all, refused int
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, t.url, company{n: people, groups: true}, allGroups()...)
		w.app.Connection.Limits = provision.Limits{RequestsPerSecond: limit.perSecond, Burst: int(limit.burst)}
		w.save(b)
		t.reset(b)
		b.StartTimer()
		r, d, _ := w.sync(b)
		took += d
		all, _, refused = t.counts(b)
		if r.Summary["create"] != people+groups {
			b.Fatalf("not everybody was created: %v", r.Summary)
		}
	}
	seconds := took.Seconds() / float64(b.N)
	floor := (float64(people+groups) - limit.burst) / limit.perSecond
	b.ReportMetric(seconds, "s/load")
	b.ReportMetric(floor, "s/floor")
	b.ReportMetric(seconds/floor, "load/floor")
	b.ReportMetric(float64(refused), "429s")
	b.ReportMetric(float64(all)/float64(people+groups), "requests/fewest")
}

// BenchmarkSlackLimits creates 1,000 people in an emulated Slack with its limits, whose minute lasts three seconds.
func BenchmarkSlackLimits(b *testing.B) {
	const people, scale = 1000, 20
	template, err := gallery.Lookup("slack")
	if err != nil {
		b.Fatal(err)
	}
	var limit connector.Bucket
	for _, l := range template.Limits.Buckets {
		if l.Name == "create users" {
			limit = l
		}
	}
	var took time.Duration
	var refused atomic.Int64
	for b.Loop() {
		b.StopTimer()
		em := slackemulator.New(slackemulator.Options{TimeScale: scale})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			em.ServeHTTP(&answered{w, &refused}, r)
		}))
		b.Cleanup(server.Close)
		dir := b.TempDir()
		if err := (company{n: people}).bring(dir); err != nil {
			b.Fatal(err)
		}
		app := template.Application()
		app.Name, app.Connection.Endpoint, app.Connection.WebAPI, app.Provisioning.Scope = "target", server.URL+"/scim/v2/", "", "all"
		w := openWorld(b, dir, &app)
		w.engine.Open = func(_ context.Context, app *provision.Application) (cycle.Target, error) {
			made, err := slack.New(slack.Options{
				Connection: app.Connection, Token: slackemulator.DefaultToken, Limiter: connector.NewLimiter(template.Limits.With(provision.Limits{TimeScale: scale})),
				Users: targets(b, directory.KindUser, app.Mappings.Users), Groups: targets(b, directory.KindGroup, app.Mappings.Groups),
			})
			return cycle.Target{Connector: made, Concurrency: template.Limits.Concurrency}, err
		}
		w.save(b)
		refused.Store(0)
		b.StartTimer()
		r, d, _ := w.sync(b)
		took += d
		if r.Summary["create"] != people {
			b.Fatalf("not everybody was created: %v", r.Summary)
		}
	}
	seconds := took.Seconds() / float64(b.N)
	floor := float64(people-limit.Burst) / limit.PerMinute * 60 / scale
	b.ReportMetric(seconds, "s/load")
	b.ReportMetric(floor, "s/floor")
	b.ReportMetric(seconds/floor, "load/floor")
	b.ReportMetric(float64(refused.Load()), "429s")
}

// answered counts the answers that turn a request away.
type answered struct {
	http.ResponseWriter
	refused *atomic.Int64
}

func (a *answered) WriteHeader(status int) {
	if status == http.StatusTooManyRequests {
		a.refused.Add(1)
	}
	a.ResponseWriter.WriteHeader(status)
}
