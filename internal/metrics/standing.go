package metrics

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-id/muster/internal/connector"
	"github.com/muster-id/muster/internal/store"
)

// standing reads how things stand whenever it is asked.
type standing struct {
	store  *store.Store
	usages func() map[string]connector.Usage
	log    *slog.Logger

	gauges store.Counted[store.Gauges] // nobody has to sign in to ask
	linked store.Counted[map[string]int]
}

const patience = 10 * time.Second // of one look at the database

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	up         = described("muster_database_up", "1 when Muster's database answers.")
	on         = described("muster_application_on", "1 when the provisioning of the application is on.", "application")
	quarantine = described("muster_quarantine", "1 while the application is in quarantine.", "application")
	behind     = described("muster_lag_seconds", "How long the eldest change waits that no cycle has looked at.", "application")
	escrow     = described("muster_escrow", "Objects whose operation failed and is tried again by itself.", "application")
	parked     = described("muster_parked", "Objects that only a person can mend.", "application")
	held       = described("muster_held", "Operations that wait for approval.", "application")
	queue      = described("muster_queue", "Operations that are planned or under way.", "application")
	linked     = described("muster_linked_accounts", "Accounts that Muster keeps; counted once a minute.", "application")
	messages   = described("muster_messages_waiting", "Messages to people that have not been sent, by state.", "state")

	sent      = described("muster_connection_requests_total", "Requests that the connection of these applications was let send.", "application")
	throttled = described("muster_connection_throttled_total", "Requests that the target answered with 429.", "application")
	inFlight  = described("muster_connection_in_flight", "Requests under way.", "application")
	window    = described("muster_connection_window", "How many requests may be under way now.", "application")
	waiting   = described("muster_connection_waiting", "Requests that wait for their turn.", "application")
	paused    = described("muster_connection_paused_seconds", "How long the target still wants no requests.", "application")
	allowed   = described("muster_connection_rate_allowed", "Requests a second that a limit of the target allows in the long run.", "application", "limit")
	taken     = described("muster_connection_rate_used_total", "Requests that a limit of the target has let go.", "application", "limit")
	left      = described("muster_connection_burst_left", "Requests that a limit of the target would let go at once.", "application", "limit")
)

// Describe implements [prometheus.Collector].
func (s *standing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		up, on, quarantine, behind, escrow, parked, held, queue, linked, messages, sent, throttled, inFlight, window, waiting, paused, allowed, taken, left,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. Without the database the rest is told all the same.
func (s *standing) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s.connections(ch, gauge)
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	g, err := s.gauges.Of(ctx, "", s.store.Notable(), s.store.Gauges)
	var accounts map[string]int
	if err == nil {
		accounts, err = s.linked.Of(ctx, "", s.store.Notable(), s.store.LinkedAccounts)
	}
	if err != nil {
		s.log.Warn("the database could not be measured", "error", err)
		gauge(up, 0)
		return
	}
	gauge(up, 1)
	for _, a := range g.Applications {
		gauge(on, truth(a.On), a.Name)
		gauge(quarantine, truth(a.Quarantine), a.Name)
		gauge(behind, a.Lag.Seconds(), a.Name)
		gauge(escrow, float64(a.Escrow), a.Name)
		gauge(parked, float64(a.Parked), a.Name)
		gauge(held, float64(a.Held), a.Name)
		gauge(queue, float64(a.Queue), a.Name)
		gauge(linked, float64(accounts[a.Name]), a.Name)
	}
	for _, state := range []string{"gathering", "waiting", "sending"} {
		gauge(messages, float64(g.Messages[state]), state)
	}
}

func (s *standing) connections(ch chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	if s.usages == nil {
		return
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for apps, u := range s.usages() {
		counter(sent, u.Granted, apps)
		counter(throttled, u.Throttled, apps)
		gauge(inFlight, float64(u.InFlight), apps)
		gauge(window, float64(u.Window), apps)
		gauge(waiting, float64(u.Waiting), apps)
		gauge(paused, max(0, time.Until(u.PausedUntil).Seconds()), apps)
		for limit, r := range u.Rates {
			gauge(allowed, r.Allowed, apps, limit)
			counter(taken, r.Taken, apps, limit)
			gauge(left, float64(u.Tokens[limit]), apps, limit)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
