package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/tracing"
)

// Options are what a [Meter] is made from.
type Options struct {
	Store   *store.Store
	Usages  func() map[string]connector.Usage // how connections use what their targets allow, by applications
	Version string                            // Muster's
	Log     *slog.Logger                      // nil logs nothing
}

// Meter counts what one process does. It is safe for concurrent use.
type Meter struct {
	registry *prometheus.Registry
	log      *slog.Logger
	now      func() time.Time

	operations *prometheus.CounterVec
	failures   *prometheus.CounterVec
	lag        *prometheus.HistogramVec
	cycles     *prometheus.CounterVec
	took       *prometheus.HistogramVec
	requests   *prometheus.CounterVec

	mu    sync.Mutex
	codes map[string]bool // of failures, as labels
}

// lagBuckets reach from what a fast target takes to what a slow one is paced to.
var lagBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600}

// tookBuckets are for whole cycles.
var tookBuckets = []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600}

// New makes a meter.
func New(o Options) *Meter {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Meter{
		registry: prometheus.NewRegistry(), log: o.Log, now: o.Store.Now, codes: map[string]bool{},
		operations: counter("muster_operations_total", "Operations that ended, by what came of them.", "application", "type", "action", "status"),
		failures:   counter("muster_operation_failures_total", "Operations that failed, by the code that docs/errors.md explains.", "application", "code"),
		lag:        histogram("muster_change_to_applied_seconds", "From the commit of a change in the directory to the record that it was applied.", lagBuckets, "application"),
		cycles:     counter("muster_cycles_total", "Cycles that ended, by type and how.", "application", "cycle", "state"),
		took:       histogram("muster_cycle_duration_seconds", "Cycles from start to end.", tookBuckets, "application", "cycle"),
		requests:   counter("muster_requests_total", "Requests to the target of cycles that ended, reads and repeats too.", "application"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "muster_build_info", Help: "1, with the version of Muster and of Go.", ConstLabels: prometheus.Labels{"version": o.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.operations, m.failures, m.lag, m.cycles, m.took, m.requests, build, &standing{store: o.Store, usages: o.Usages, log: o.Log},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with everything that is measured.
func (m *Meter) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4})
}

// Watch counts along what cycles record.
func (m *Meter) Watch() cycle.Watch { return cycle.Watch{Recorded: m.recorded, Ended: m.ended} }

func (m *Meter) recorded(app string, results []store.Result) {
	now := m.now()
	for _, r := range results {
		o := r.Op
		m.operations.WithLabelValues(app, string(o.Kind), string(o.Action), o.Status).Inc()
		if o.Error != nil && o.Status == "failure" {
			m.failures.WithLabelValues(app, m.code(o.Error.Code)).Inc()
		}
		if o.State == store.Applied && !o.Changed.IsZero() {
			m.lag.WithLabelValues(app).Observe(max(0, now.Sub(o.Changed).Seconds()))
		}
	}
}

func (m *Meter) ended(app string, c *store.Cycle) {
	m.cycles.WithLabelValues(app, c.Type, c.State).Inc()
	if !c.Started.IsZero() && !c.Finished.IsZero() {
		m.took.WithLabelValues(app, c.Type).Observe(max(0, c.Finished.Sub(c.Started).Seconds()))
	}
	m.requests.WithLabelValues(app).Add(float64(max(0, c.Requests)))
}

const mostCodes = 100

// code keeps what a target made up from becoming a series each.
func (m *Meter) code(code string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if code = tracing.Code(code); !m.codes[code] {
		if len(m.codes) >= mostCodes {
			return "other"
		}
		m.codes[code] = true
	}
	return code
}
