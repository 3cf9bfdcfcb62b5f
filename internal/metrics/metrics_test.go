package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/admin"
	"github.com/muster-id/muster/internal/config"
	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/metrics"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

var by = store.Actor{Name: "tester", Via: "test"}

var protocols = map[string]admin.Protocol{"scim": {Open: func(c admin.Connection) (cycle.Target, error) {
	client, err := connector.NewClient(connector.Options{Connection: c.Application.Connection, Token: c.Token, Limiter: c.Limiter, Version: c.Version})
	if err != nil {
		return cycle.Target{}, err
	}
	made, err := scim.New(scim.Options{Client: client, Users: c.Users, Groups: c.Groups})
	return cycle.Target{Connector: made}, err
}}}

// plant is a desk over a real store and a target over HTTP, measured.
type plant struct {
	*admin.Desk
	t     *testing.T
	store *store.Store
	meter *metrics.Meter
	mu    sync.Mutex
	ahead time.Duration
}

func (p *plant) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead)
}

func (p *plant) wait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead += d
}

func start(t *testing.T) *plant {
	t.Helper()
	p := &plant{t: t}
	p.store = storetest.Open(t, store.Config{Data: t.TempDir(), Clock: p.now})
	p.Desk = admin.New(p.store, admin.Options{By: by, Protocols: protocols, Version: "test"})
	p.meter = metrics.New(metrics.Options{Store: p.store, Usages: p.Usages, Version: "test"})
	p.Watch(p.meter.Watch())
	return p
}

func (p *plant) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) application(name, more string, behaviour connectortest.Behaviour) {
	p.t.Helper()
	_, url := connectortest.Serve(p.t, behaviour)
	text := fmt.Sprintf("applications:\n- name: %s\n  template: scim2\n  connection: {endpoint: %q, auth: {type: bearer, token: %s}, limits: {requests_per_second: 500, burst: 100}}\n%s", name, url, connectortest.Token, more)
	_, err := p.Apply(p.t.Context(), []config.File{{Name: "t.yaml", Data: []byte(text)}}, admin.Source{Env: os.LookupEnv, ReadFile: os.ReadFile})
	p.must(err)
}

func (p *plant) sync(app string) {
	p.t.Helper()
	_, err := p.Sync(p.t.Context(), app, admin.SyncOptions{})
	p.must(err)
}

// scrape returns the series and their values, as Prometheus reads them.
func (p *plant) scrape() map[string]float64 {
	p.t.Helper()
	answer := httptest.NewRecorder()
	p.meter.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 {
		p.t.Fatalf("answered %d: %s", answer.Code, answer.Body)
	}
	out := map[string]float64{}
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, text, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if text == "" {
			name, text, _ = strings.Cut(strings.TrimSpace(line), " ")
		} else {
			name += "}"
		}
		v, err := strconv.ParseFloat(text, 64)
		p.must(err)
		out[name] = v
	}
	return out
}

func (p *plant) expect(what string, want map[string]float64) {
	p.t.Helper()
	got := p.scrape()
	for series, v := range want {
		if have, ok := got[series]; !ok || have != v {
			p.t.Errorf("%s: %s is %v (there: %v), want %v", what, series, have, ok, v)
		}
	}
}

func TestWhatIsMeasured(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, n := range []string{"ada", "bob"} {
		_, err := p.AddUser(t.Context(), n, []string{"name.givenName=" + n, "name.familyName=Test", "emails=" + n + "@example.org"})
		p.must(err)
	}
	p.application("target", "  assignments: [{user: ada}, {user: bob}]\n  provisioning: {status: on}", connectortest.Behaviour{})
	p.wait(7 * 24 * time.Hour)
	p.sync("target")
	p.expect("after the first cycle", map[string]float64{
		`muster_operations_total{action="create",application="target",status="success",type="user"}`: 2,
		`muster_cycles_total{application="target",cycle="initial",state="done"}`:                     1,
		`muster_cycle_duration_seconds_count{application="target",cycle="initial"}`:                  1,
		`muster_build_info{goversion="` + goVersion(p) + `",version="test"}`:                         1,
		`muster_database_up`:                                                      1,
		`muster_linked_accounts{application="target"}`:                            2,
		`muster_application_on{application="target"}`:                             1,
		`muster_lag_seconds{application="target"}`:                                0,
		`muster_queue{application="target"}`:                                      0,
		`muster_connection_rate_allowed{application="target",limit="connection"}`: 500,
	})
	if _, lag := p.scrape()[`muster_change_to_applied_seconds_count{application="target"}`]; lag {
		t.Error("a week of waiting for the first cycle counts as lag")
	}
	first := p.scrape()
	if n := first[`muster_requests_total{application="target"}`]; n < 2 || first[`muster_connection_requests_total{application="target"}`] < n || first[`muster_connection_rate_used_total{application="target",limit="connection"}`] < n {
		t.Errorf("the requests are %v", first)
	}

	_, _, err := p.SetUser(t.Context(), "ada", []string{"title=Countess"})
	p.must(err)
	p.wait(40 * time.Second)
	if lag := p.scrape()[`muster_lag_seconds{application="target"}`]; lag < 40 || lag > 50 {
		t.Errorf("the lag of what waits is %v", lag)
	}
	p.sync("target")
	p.expect("after a change", map[string]float64{
		`muster_change_to_applied_seconds_count{application="target"}`:                               1,
		`muster_change_to_applied_seconds_bucket{application="target",le="30"}`:                      0,
		`muster_change_to_applied_seconds_bucket{application="target",le="60"}`:                      1,
		`muster_operations_total{action="update",application="target",status="success",type="user"}`: 1,
	})
	for series := range p.scrape() {
		for _, person := range []string{"ada", "bob", "Countess"} {
			if strings.Contains(series, person) {
				t.Errorf("%s names a person", series)
			}
		}
	}
}

func goVersion(p *plant) string {
	for series := range p.scrape() {
		if m := regexp.MustCompile(`^muster_build_info.goversion="([^"]+)"`).FindStringSubmatch(series); m != nil {
			return m[1]
		}
	}
	return ""
}

func TestFailuresAreCountedByKind(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.application("target", "", connectortest.Behaviour{})
	for i, code := range []string{"forbidden", "forbidden", "a person's name: Ada", strings.Repeat("x", 100)} {
		o := &store.Operation{ID: fmt.Sprint(i), State: store.Failed, Status: "failure", Error: &provision.Problem{Code: code}}
		o.Kind, o.Action = "user", provision.Create
		p.meter.Watch().Recorded("target", []store.Result{{Op: o}})
	}
	for i := range 300 { // a target that makes codes up does not make series up
		o := &store.Operation{State: store.Failed, Status: "failure", Error: &provision.Problem{Code: fmt.Sprint("code", i)}}
		p.meter.Watch().Recorded("target", []store.Result{{Op: o}})
	}
	series := 0
	got := p.scrape()
	for name := range got {
		if strings.HasPrefix(name, "muster_operation_failures_total") {
			series++
		}
	}
	if got[`muster_operation_failures_total{application="target",code="forbidden"}`] != 2 || series > 101 {
		t.Errorf("%d series", series)
	}
	p.expect("what stands", map[string]float64{`muster_quarantine{application="target"}`: 0})
	app, err := p.Application(t.Context(), "target")
	p.must(err)
	p.must(p.store.SetQuarantine(t.Context(), app.ID, &store.Quarantine{Code: "tls"}))
	p.expect("what stands", map[string]float64{`muster_quarantine{application="target"}`: 1})
}

// A look costs as many queries for one application as for many.
func TestAScrapeTakesFewQueries(t *testing.T) {
	t.Parallel()
	cost := map[int]int64{}
	for _, apps := range []int{1, 12} {
		p := start(t)
		for i := range apps {
			p.application(fmt.Sprint("target", i), "", connectortest.Behaviour{})
		}
		before := p.store.Queries()
		p.scrape()
		cost[apps] = p.store.Queries() - before
	}
	if cost[1] != cost[12] || cost[1] > 5 {
		t.Errorf("queries by number of applications: %v", cost)
	}
}

func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.application("target", "", connectortest.Behaviour{})
	p.must(p.store.Close())
	got := p.scrape()
	if got["muster_database_up"] != 0 || len(got) < 5 {
		t.Errorf("scraped %v", got)
	}
}

// The dashboard and the alerts speak of nothing that is not measured.
func TestDashboardNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	p := start(t)
	_, err := p.AddUser(t.Context(), "ada", []string{"name.givenName=ada", "name.familyName=Test", "emails=ada@example.org"})
	p.must(err)
	p.application("target", "  assignments: [{user: ada}]", connectortest.Behaviour{})
	p.sync("target")
	_, _, err = p.SetUser(t.Context(), "ada", []string{"title=Countess"})
	p.must(err)
	p.sync("target")
	o := &store.Operation{State: store.Failed, Status: "failure", Error: &provision.Problem{Code: "x"}}
	p.meter.Watch().Recorded("target", []store.Result{{Op: o}})
	there := map[string]bool{}
	for series := range p.scrape() {
		name, _, _ := strings.Cut(series, "{")
		there[name] = true
	}
	used := map[string]bool{}
	for _, file := range []string{"../../docs/grafana/muster.json", "../../docs/prometheus/alerts.yaml", "../../docs/monitoring.md"} {
		text, err := os.ReadFile(file)
		p.must(err)
		names := regexp.MustCompile(`\bmuster_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s names nothing", file)
		}
		for _, name := range names {
			used[strings.TrimSuffix(name, "_")] = true
			if !there[name] && !there[name+"_count"] {
				t.Errorf("%s speaks of %s, which is not measured", file, name)
			}
		}
	}
	var missing []string
	for name := range there {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "muster_") && !used[name] && !used[base] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("measured, and documented nowhere: %v", missing)
	}
}
