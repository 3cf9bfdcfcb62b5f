package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/store"
	"github.com/muster-id/muster/internal/store/storetest"
)

// On the way from a change to its request the disk is waited for twice: for the change, which somebody is told of, and for the mark on
// the operation, without which nobody would know after a crash that it may have been sent. A change that is not waited for is in
// PostgreSQL's log before that mark, and so is never lost alone.
func TestDiskIsWaitedForTwice(t *testing.T) {
	t.Parallel()
	c := storetest.Postgres(t)
	// The tests' server waits for no disk unless it is told to.
	c.Database += map[bool]string{true: "&", false: "?"}[strings.Contains(c.Database, "?")] + "synchronous_commit=on"
	s := storetest.Open(t, c)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, c.Database)
	must(t)(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `create sequence turns; create table waited (n bigint default nextval('turns'), place text, waits text);
		create function note() returns trigger language plpgsql as $$ begin
			insert into waited (place, waits) values (tg_argv[0], current_setting('synchronous_commit')); return null; end $$;
		create trigger u after insert on users for each statement execute function note('change');
		create trigger l after insert on leases for each statement execute function note('lease');
		create trigger c after insert on cycles for each statement execute function note('cycle');
		create trigger o after insert on operations for each statement execute function note('plan');
		create trigger m after update on operations for each statement execute function note('mark')`)
	must(t)(err)

	app := application("Slack")
	_, err = s.SaveApplication(ctx, store.Actor{Name: "ann"}, app)
	must(t)(err)
	u, err := s.CreateUser(ctx, store.Actor{Name: "ann"}, store.UserEdit{Attributes: directory.Edit{"userName": "bob"}})
	must(t)(err)
	_, _, err = s.Lease(ctx, app.ID, "h", "node", time.Minute)
	must(t)(err)
	cycle := &store.Cycle{AppID: app.ID, Type: "incremental", State: "running"}
	must(t)(s.NewCycle(ctx, cycle))
	o := row(app.ID, cycle.ID, u.ID, store.Planned)
	must(t)(s.AddOperations(ctx, "", "", []*store.Operation{o}, nil, nil))
	taken, err := s.TakeOperations(ctx, cycle.ID, 1)
	if err != nil || len(taken) != 1 {
		t.Fatalf("took %v, %v", taken, err)
	}
	rows, err := conn.Query(ctx, "select place || ' ' || waits from waited order by n")
	must(t)(err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t)(err)
	if want := "change on, lease off, cycle off, plan off, mark on"; strings.Join(got, ", ") != want {
		t.Errorf("waits for the disk: %s; want %s", strings.Join(got, ", "), want)
	}
}
