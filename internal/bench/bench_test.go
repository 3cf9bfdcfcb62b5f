package bench

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/connector/connectortest"
	"github.com/muster-id/muster/internal/connector/scim"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/heap"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/source"
	"github.com/muster-id/muster/internal/store"
)

// The sizes of the first load.
const (
	people      = 2000
	groups      = 50
	memberships = 4000
)

// TestMain lets the test binary be the target, a process of its own.
func TestMain(m *testing.M) {
	if latency := os.Getenv("MUSTER_BENCH_TARGET"); latency != "" {
		serveTarget(latency)
		return
	}
	if dir := os.Getenv("MUSTER_BENCH_IMPORT"); dir != "" {
		n, err := strconv.Atoi(os.Getenv("MUSTER_BENCH_PEOPLE"))
		if err == nil {
			err = company{n: n}.importInto(store.Config{Data: dir})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	heap.AtLeast(heap.Worthwhile) // as the program does
	status := m.Run()
	forget()
	os.Exit(status)
}

func attrPut(doc map[string]any, path string, v any) {
	if obj, sub, ok := strings.Cut(path, "."); ok {
		m, _ := doc[obj].(map[string]any)
		if m == nil {
			m = map[string]any{}
			doc[obj] = m
		}
		m[sub] = v
		return
	}
	if path == "department" || path == "employeeNumber" {
		attrPut(doc, "x."+path, v)
		return
	}
	doc[path] = v
}

func person(i int) directory.Edit {
	name := fmt.Sprintf("person%06d", i)
	return directory.Edit{
		"userName": name, "name.givenName": "Given" + strconv.Itoa(i), "name.familyName": "Family" + strconv.Itoa(i), "displayName": "Given Family " + strconv.Itoa(i),
		"title": "Engineer", "department": "Department " + strconv.Itoa(i%40), "employeeNumber": strconv.Itoa(100000 + i),
		"emails": []any{map[string]any{"value": name + "@example.org", "type": "work", "primary": true}},
	}
}

func groupName(g int) string { return fmt.Sprintf("Group %02d", g) }

// membersOf returns the members of a group: 80 each, so that 50 groups have 4,000 memberships.
func membersOf(g int) []int {
	list := make([]int, memberships/groups)
	for i := range list {
		list[i] = (g*40 + i) % people
	}
	return list
}

// company is a source of n people; those of the first load are in groups.
type company struct {
	n      int
	groups bool
	apart  bool // imported by a process of its own
}

func (c company) Records() iter.Seq2[source.Record, error] {
	return func(yield func(source.Record, error) bool) {
		in := map[int][]string{}
		if c.groups {
			for g := range groups {
				for _, i := range membersOf(g) {
					in[i] = append(in[i], groupName(g))
				}
			}
		}
		for i := range c.n {
			attributes := map[string]any(person(i))
			r := source.Record{Line: i + 1, Kind: directory.KindUser, Name: attributes["userName"].(string), Attributes: attributes}
			list := in[i]
			if !c.groups {
				list = []string{"Everyone"}
			}
			r.Groups = &list
			if !yield(r, nil) {
				return
			}
		}
	}
}

// bring imports the company into a data directory, in a process of its own where the memory of this one
// is looked at.
func (c company) bring(dir string) error {
	if !c.apart {
		return c.importInto(store.Config{Data: dir})
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MUSTER_BENCH_IMPORT="+dir, "MUSTER_BENCH_PEOPLE="+strconv.Itoa(c.n))
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (c company) importInto(config store.Config) error {
	s, err := store.Open(context.Background(), config)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Import(context.Background(), c, store.ImportOptions{Source: "bench", Actor: by})
	return err
}

type world struct {
	store  *store.Store
	engine *cycle.Engine
	app    *provision.Application
}

var by = store.Actor{Name: "bench", Via: "bench"}

func newWorld(b *testing.B, endpoint string, c company, assigned ...string) *world {
	b.Helper()
	dir := b.TempDir()
	if err := c.bring(dir); err != nil {
		b.Fatal(err)
	}
	template, err := gallery.Lookup("scim2")
	if err != nil {
		b.Fatal(err)
	}
	app := template.Application()
	app.Name, app.Connection.Endpoint, app.Provisioning.Groups.Enabled = "target", endpoint+"/scim/v2/", true
	for _, g := range assigned {
		app.Assignments = append(app.Assignments, provision.Assignment{Group: g})
	}
	w := openWorld(b, dir, &app)
	w.save(b)
	return w
}

// openWorld opens a data directory with an application of template scim2.
func openWorld(b *testing.B, dir string, app *provision.Application) *world {
	b.Helper()
	s, err := store.Open(context.Background(), store.Config{Data: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	w := &world{store: s, app: app}
	w.engine = &cycle.Engine{
		Store: s, Node: "bench", Log: slog.New(slog.DiscardHandler), Rand: rand.Float64, RandN: rand.Uint64N,
		Open: func(_ context.Context, app *provision.Application) (cycle.Target, error) {
			template, err := gallery.Lookup("scim2")
			if err != nil {
				return cycle.Target{}, err
			}
			limiter := connector.NewLimiter(template.Limits.With(app.Connection.Limits))
			client, err := connector.NewClient(connector.Options{Connection: app.Connection, Token: connectortest.Token, Limiter: limiter})
			if err != nil {
				return cycle.Target{}, err
			}
			quirks, err := scim.ParseQuirks(template.Quirks, nil)
			if err != nil {
				return cycle.Target{}, err
			}
			c, err := scim.New(scim.Options{Client: client, Quirks: quirks, Users: targets(b, directory.KindUser, app.Mappings.Users), Groups: targets(b, directory.KindGroup, app.Mappings.Groups)})
			return cycle.Target{Connector: c, Concurrency: 64, Settle: time.Second}, err
		},
	}
	return w
}

func (w *world) save(b *testing.B) {
	b.Helper()
	if _, err := w.store.SaveApplication(context.Background(), by, w.app); err != nil {
		b.Fatal(err)
	}
}

func targets(b *testing.B, kind directory.Kind, rows []mapping.Mapping) []string {
	p, err := mapping.Compile(kind, rows)
	if err != nil {
		b.Fatal(err)
	}
	return p.Targets()
}

func (w *world) sync(b *testing.B) (*cycle.Report, time.Duration, int64) {
	b.Helper()
	return w.run(b, cycle.Options{ByHand: true, Initiator: "bench"})
}

func (w *world) run(b *testing.B, o cycle.Options) (*cycle.Report, time.Duration, int64) {
	b.Helper()
	queries, start := w.store.Queries(), time.Now()
	r, err := w.engine.Run(context.Background(), w.app, o)
	if err != nil || r.Stopped != nil || r.Failed > 0 {
		b.Fatalf("%+v %v", r, err)
	}
	return r, time.Since(start), w.store.Queries() - queries
}

func allGroups() []string {
	var names []string
	for g := range groups {
		names = append(names, groupName(g))
	}
	return names
}

// BenchmarkFirstLoad loads 2,000 people, 50 groups and 4,000 memberships into an empty target.
func BenchmarkFirstLoad(b *testing.B) {
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(latency.String(), func(b *testing.B) {
			t := startTarget(b, latency)
			var floor, took, floorCPU, tookCPU time.Duration
			var requests int
			for b.Loop() {
				b.StopTimer()
				t.reset(b)
				cpu := cpuTime(b)
				floor += t.bare(b, 64).load()
				floorCPU += cpuTime(b) - cpu
				t.reset(b)
				w := newWorld(b, t.url, company{n: people, groups: true}, allGroups()...)
				runtime.GC() // what the import left is not the load's
				cpu = cpuTime(b)
				b.StartTimer()
				_, d, _ := w.sync(b)
				took += d
				tookCPU += cpuTime(b) - cpu
				requests, _, _ = t.counts(b)
			}
			n := float64(b.N)
			b.ReportMetric(took.Seconds()/n, "s/load")
			b.ReportMetric(floor.Seconds()/n, "s/floor")
			b.ReportMetric(tookCPU.Seconds()/n, "cpu-s/load")
			b.ReportMetric(floorCPU.Seconds()/n, "cpu-s/floor")
			b.ReportMetric(float64(requests)/float64(people+groups), "requests/fewest")
		})
	}
}

// BenchmarkNothingChanged and one change, in companies of three sizes.
func BenchmarkSteadyState(b *testing.B) {
	for _, size := range []int{1000, 20_000, 100_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			w := loaded(b, size).open(b)
			var none, one, queriesNone, queriesOne float64
			for i := 0; b.Loop(); i++ {
				_, d, q := w.sync(b)
				none, queriesNone = none+d.Seconds(), float64(q)
				u, err := w.store.UserByName(context.Background(), fmt.Sprintf("person%06d", i%size))
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := w.store.UpdateUser(context.Background(), by, u.ID, store.UserEdit{Attributes: directory.Edit{"title": "Title " + strconv.Itoa(i)}}); err != nil {
					b.Fatal(err)
				}
				start, queries := time.Now(), w.store.Queries()
				if _, err := w.engine.Run(context.Background(), w.app, cycle.Options{Initiator: "bench"}); err != nil {
					b.Fatal(err)
				}
				one, queriesOne = one+time.Since(start).Seconds(), float64(w.store.Queries()-queries)
			}
			n := float64(b.N)
			b.ReportMetric(none/n*1000, "ms/nothing")
			b.ReportMetric(queriesNone, "queries/nothing")
			b.ReportMetric(one/n*1000, "ms/change")
			b.ReportMetric(queriesOne, "queries/change")
		})
	}
}

// BenchmarkPlan plans the first load of 100,000 people.
func BenchmarkPlan(b *testing.B) {
	t := startTarget(b, 0)
	w := newWorld(b, t.url, company{n: 100_000, apart: true}, "Everyone")
	forgetPeak(b)
	var took, tookCPU time.Duration
	for b.Loop() {
		start, cpu := time.Now(), cpuTime(b)
		plan, err := w.engine.Plan(context.Background(), w.app, cycle.Options{Initiator: "bench", ByHand: true})
		if err != nil {
			b.Fatal(err)
		}
		if plan.Summary["create"] != 100_001 {
			b.Fatalf("%v", plan.Summary)
		}
		took += time.Since(start)
		tookCPU += cpuTime(b) - cpu
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/plan")
	b.ReportMetric(tookCPU.Seconds()/float64(b.N), "cpu-s/plan")
	b.ReportMetric(peakMB(b), "MB-peak")
}

// cpuTime returns the processor time that this process has used, the target's not included: it says
// more than the clock where others use the machine too.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forgetPeak gives free memory back to the system and lets its count of the most begin anew.
func forgetPeak(b *testing.B) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip("the peak of the memory is read from /proc")
	}
}

// peakMB returns the most memory that the process has had since forgetPeak.
func peakMB(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("the peak of the memory is read from /proc")
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(v)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	return 0
}
