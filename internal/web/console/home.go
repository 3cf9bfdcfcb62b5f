package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/muster-id/muster/internal/admin"
)

// home shows how everything stands, and what waits for a person.
func (c *console) home(rq *request) error {
	status, err := rq.desk.Status(rq.Context(), "")
	if err != nil {
		return err
	}
	if rq.partial("standing") {
		return rq.ok(standingPart(status))
	}
	return rq.ok(homePage(rq.page.titled("Home"), status))
}

// span is a piece of the past that a chart shows.
type span struct {
	key, text string
	piece     time.Duration
	pieces    int
}

var spans = []span{{"24h", "24 hours", time.Hour, 24}, {"7d", "7 days", 6 * time.Hour, 28}, {"30d", "30 days", 24 * time.Hour, 30}}

// series is what a chart draws: one value of each line for each moment.
type series struct {
	Times   []int64 `json:"times"` // Unix seconds
	Success []int   `json:"success"`
	Failure []int   `json:"failure"`
	Warning []int   `json:"warning"`
	// Lag is how long changes took to reach their accounts on average, in seconds, and Worst how long the slowest one
	// did; null where nothing was changed.
	Lag   []*float64 `json:"lag"`
	Worst []*float64 `json:"worst"`
	Piece string     `json:"piece"`
}

// charts remembers what is over: only the present piece is counted anew.
type charts struct {
	mu   sync.Mutex
	past map[string]series
	at   map[string]time.Time
}

// activity answers the numbers of a chart.
func (c *console) activity(rq *request) error {
	chosen := spans[0]
	for _, s := range spans {
		if s.key == rq.FormValue("span") {
			chosen = s
		}
	}
	data, err := c.charts.of(rq.Context(), rq.desk, rq.FormValue("app"), chosen, time.Now())
	if err != nil {
		return err
	}
	rq.w.Header().Set("Content-Type", "application/json")
	rq.w.Header().Set("Cache-Control", "private, max-age=15")
	return json.NewEncoder(rq.w).Encode(data)
}

// fresh is how long the numbers of a chart are good enough: many look at the same page.
const fresh = 15 * time.Second

func (c *charts) of(ctx context.Context, desk *admin.Desk, app string, s span, now time.Time) (series, error) {
	key := s.key + " " + app
	c.mu.Lock()
	have, at := c.past[key], c.at[key]
	if now.Sub(at) < fresh {
		c.mu.Unlock()
		return have, nil
	}
	if at.IsZero() {
		defer c.mu.Unlock() // whoever comes meanwhile waits for the first numbers
	} else {
		c.at[key] = now // and for newer ones nobody has to
		c.mu.Unlock()
	}
	out, err := tally(ctx, desk, app, s, have, at, now)
	if err != nil {
		return series{}, err
	}
	if !at.IsZero() {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	if c.past == nil {
		c.past, c.at = map[string]series{}, map[string]time.Time{}
	}
	c.past[key], c.at[key] = out, now
	return out, nil
}

// tally counts a chart's pieces up to now. What was over when the numbers that there are were counted stays as it is.
func tally(ctx context.Context, desk *admin.Desk, app string, s span, have series, at, now time.Time) (series, error) {
	begin := now.Truncate(s.piece).Add(-time.Duration(s.pieces-1) * s.piece)
	from := begin
	if open := at.Truncate(s.piece); open.After(from) {
		from = open
	}
	found, err := desk.Activity(ctx, app, from, now, s.piece)
	if err != nil {
		return series{}, err
	}
	out := series{
		Piece: s.piece.String(), Success: make([]int, s.pieces), Failure: make([]int, s.pieces), Warning: make([]int, s.pieces),
		Lag: make([]*float64, s.pieces), Worst: make([]*float64, s.pieces),
	}
	place := map[int64]int{}
	for i := range s.pieces {
		t := begin.Add(time.Duration(i) * s.piece).Unix()
		place[t] = i
		out.Times = append(out.Times, t)
	}
	for j, t := range have.Times {
		if i, there := place[t]; there && t < from.Unix() {
			out.Success[i], out.Failure[i], out.Warning[i], out.Lag[i], out.Worst[i] = have.Success[j], have.Failure[j], have.Warning[j], have.Lag[j], have.Worst[j]
		}
	}
	for _, a := range found {
		i := place[a.From.Unix()]
		out.Success[i], out.Failure[i], out.Warning[i] = a.Status["success"], a.Status["failure"], a.Status["warning"]
		if a.Followed > 0 {
			lag, worst := a.Lag.Seconds(), a.Worst.Seconds()
			out.Lag[i], out.Worst[i] = &lag, &worst
		}
	}
	return out, nil
}

// health is the state of an application in one word, with its colour.
func health(a admin.ApplicationStatus) (kind, word string) {
	switch {
	case a.Quarantine != nil:
		return "bad", "In quarantine"
	case a.Status != "on":
		return "", "Off"
	case a.Paused:
		return "warn", "Paused"
	case a.Cycle != nil && a.Cycle.State == "running":
		return "info", "Running"
	case a.Held > 0:
		return "warn", "Waits for approval"
	case a.Escrow+a.Parked > 0:
		return "warn", "Some failed"
	}
	return "good", "In order"
}

// lag is how far behind the directory an application is.
func lag(a admin.ApplicationStatus) string {
	if a.LagMS == 0 {
		return "none"
	}
	return took(time.Duration(a.LagMS) * time.Millisecond)
}

// ended is when a cycle ended, or began while it runs.
func ended(c *admin.CycleStatus) time.Time { return *cmp.Or(c.Finished, &c.Started) }

// ago tells how long something is past, as people say it.
func ago(t time.Time) string {
	past := time.Since(t)
	if past < time.Minute {
		return "just now"
	}
	if past < time.Hour {
		return fmt.Sprintf("%d min ago", int(past.Minutes()))
	}
	if past < 48*time.Hour {
		return fmt.Sprintf("%d h ago", int(past.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(past.Hours()/24))
}
