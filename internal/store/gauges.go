package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Gauges are how everything stands, for measuring.
type Gauges struct {
	Applications []AppGauges
	Messages     map[string]int // what people are still to be told, by state: gathering, waiting, sending
}

// AppGauges are how an application stands.
type AppGauges struct {
	ID, Name   string
	On         bool
	Quarantine bool
	Lag        time.Duration // how long the eldest change waits that no cycle has looked at
	Escrow     int
	Parked     int
	Held       int
	Queue      int // planned and under way
}

// openByState counts what waits or is under way. It is counted by cycle first, and each of those few cycles is then
// looked up: looked up by their cycles, all records of the log would be gone through at every scrape, and of all cycles
// there are as many.
var openByState = `select app_id, state, cast(sum(n) as bigint) from (select app_id, state, cycle_id, count(*) as n from operations where ` + isOpen + ` group by 1, 2, 3) o
	where (select c.state from cycles c where c.id = o.cycle_id) <> 'planned' group by 1, 2`

// Gauges reads how everything stands, with as many queries for one application as for a hundred.
func (s *Store) Gauges(ctx context.Context) (Gauges, error) {
	g := Gauges{Messages: map[string]int{}}
	err := s.Read(ctx, func(tx *Tx) error {
		apps, err := collect(scanGauges(tx.s.Now()))(tx.Query(ctx, `select id, name, config, quarantine is not null,
			(select at from changes where seq > applications.watermark order by seq limit 1) from applications order by name_key`))
		if err != nil {
			return err
		}
		g.Applications = apps
		at := map[string]*AppGauges{}
		for i := range apps {
			at[apps[i].ID] = &apps[i]
		}
		count := func(query string, into func(app *AppGauges, what string, n int)) error {
			rows, err := tx.Query(ctx, query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id, what string
				var n int
				if err := rows.Scan(&id, &what, &n); err != nil {
					return err
				}
				if app := at[id]; app != nil {
					into(app, what, n)
				}
			}
			return rows.Err()
		}
		err = count(`select app_id, case when parked then 'parked' else 'escrow' end, count(*) from escrow group by 1, 2`, func(app *AppGauges, what string, n int) {
			if what == "parked" {
				app.Parked = n
			} else {
				app.Escrow = n
			}
		})
		if err != nil {
			return err
		}
		err = count(openByState, func(app *AppGauges, what string, n int) {
			switch State(what) {
			case Held:
				app.Held = n
			case Planned, Applying:
				app.Queue += n
			}
		})
		if err != nil {
			return err
		}
		rows, err := collect(func(row scanner) (v struct {
			state string
			n     int
		}, err error,
		) {
			return v, row.Scan(&v.state, &v.n)
		})(tx.Query(ctx, `select state, count(*) from messages where `+unsent+` group by state`))
		for _, r := range rows {
			g.Messages[r.state] = r.n
		}
		return err
	})
	if err != nil {
		return g, fmt.Errorf("reading how everything stands: %w", err)
	}
	return g, nil
}

func scanGauges(now time.Time) func(scanner) (AppGauges, error) {
	return func(row scanner) (g AppGauges, err error) {
		var config string
		var oldest sql.NullInt64
		if err := row.Scan(&g.ID, &g.Name, &config, &g.Quarantine, &oldest); err != nil {
			return g, err
		}
		var only struct {
			Provisioning struct {
				Status string `json:"status"`
			} `json:"provisioning"`
		}
		if err := json.Unmarshal([]byte(config), &only); err != nil {
			return g, fmt.Errorf("reading the configuration of %s: %w", g.Name, err)
		}
		g.On = only.Provisioning.Status == "on"
		if oldest.Valid {
			g.Lag = max(0, now.Sub(fromMillis(oldest)))
		}
		return g, nil
	}
}

// LinkedAccounts counts the linked accounts of each application, by its name. It goes through all of
// them: let [Counted] remember them.
func (s *Store) LinkedAccounts(ctx context.Context) (map[string]int, error) {
	type count struct {
		app string
		n   int
	}
	counts, err := read(ctx, s, func(tx *Tx) ([]count, error) {
		return rowsOf(ctx, tx, func(row scanner) (c count, err error) { return c, row.Scan(&c.app, &c.n) },
			`select a.name, (select count(*) from links l where l.app_id = a.id and l.type = 'user') from applications a`)
	})
	by := map[string]int{}
	for _, c := range counts {
		by[c.app] = c.n
	}
	return by, err
}
