package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muster-id/muster/internal/gallery"
	"github.com/muster-id/muster/internal/mapping"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"

	"github.com/muster-id/muster/internal/directory"
)

// Checkup is what the doctor found.
type Checkup struct {
	OK     bool      `json:"ok"` // nothing is broken; there may be warnings
	Checks []Finding `json:"checks"`
}

// Finding is one thing that was looked at.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // success, warning, failure
	Detail string `json:"detail"`
	Next   string `json:"next"` // what to do, "" when nothing
}

func (c *Checkup) add(check, status, next, detail string, args ...any) {
	c.Checks = append(c.Checks, Finding{Check: check, Status: status, Detail: fmt.Sprintf(detail, args...), Next: next})
	if status == failure {
		c.OK = false
	}
}

const (
	fine    = "success"
	warning = "warning"
	failure = "failure"
)

// leastDisk is the room below which a disk is about to be full: a cycle over 100,000 people writes
// less.
const leastDisk = 1 << 30

// Doctor looks at the state, how it is kept and what is configured in it, and changes nothing. It
// opens the store itself, because that may be what is wrong.
func Doctor(ctx context.Context, c store.Config, protocols map[string]Protocol) Checkup {
	out := Checkup{OK: true}
	if c.Database == "" {
		out.directory(c.Data)
	}
	c.ReadOnly = true
	s, err := store.Open(ctx, c)
	if err != nil {
		p := Explain(err)
		out.add("database", failure, p.Next, "%s", p.Message)
		return out
	}
	defer s.Close()
	out.state(ctx, New(s, Options{Protocols: protocols}))
	return out
}

// Doctor looks at the open state as [Doctor] does.
func (d *Desk) Doctor(ctx context.Context) Checkup {
	out := Checkup{OK: true}
	if !d.store.Postgres() {
		out.directory(d.store.Dir())
	}
	out.state(ctx, d)
	return out
}

// state looks at what is in the database.
func (c *Checkup) state(ctx context.Context, d *Desk) {
	s := d.store
	schema, err := s.Schema(ctx)
	if err == nil {
		err = s.Check(ctx)
	}
	if err != nil {
		p := Explain(err)
		c.add("database", failure, p.Next, "%s", p.Message)
		return
	}
	c.add("database", fine, "", "is whole, at schema %d", schema)
	c.clock(ctx, s)
	apps, err := s.Applications(ctx)
	if err != nil {
		c.add("applications", failure, "", "cannot be read: %v", err)
		return
	}
	if len(apps) == 0 {
		c.add("applications", warning, "`muster config apply FILE` makes one", "there are none")
	}
	for _, app := range apps {
		c.application(ctx, d, app)
	}
}

// directory looks at the data directory: there, closed to others, with room.
func (c *Checkup) directory(dir string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add("data", failure, "check --data, or import something to make it", "%s is not there", dir)
		return
	case err != nil:
		c.add("data", failure, "check its owner and permissions", "%s cannot be looked at: %v", dir, err)
		return
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		full = dir
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		c.add("data", warning, "chmod 700 "+dir, "%s is open to other users of this machine (%v)", full, info.Mode().Perm())
	} else {
		c.add("data", fine, "", "%s is closed to others", full)
	}
	key, err := os.Stat(filepath.Join(dir, "muster.key"))
	switch {
	case err == nil && key.Mode().Perm()&0o077 != 0:
		c.add("key", failure, "chmod 600 "+filepath.Join(dir, "muster.key"), "muster.key can be read by other users of this machine (%v)", key.Mode().Perm())
	case err == nil:
		c.add("key", fine, "", "muster.key is closed to others; keep a copy apart from the backups")
	case os.Getenv("MUSTER_KEY") != "", os.Getenv("MUSTER_KEY_FILE") != "":
		c.add("key", fine, "", "the key of the environment is used")
	default:
		c.add("key", fine, "", "there is none yet; the first secret makes it")
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil {
		free := disk.Bavail * uint64(disk.Bsize)
		switch {
		case free < leastDisk/10:
			c.add("disk", failure, "make room: nothing is sent whose record could be lost", "%d MB are free", free>>20)
		case free < leastDisk:
			c.add("disk", warning, "make room", "%d MB are free", free>>20)
		default:
			c.add("disk", fine, "", "%d GB are free", free>>30)
		}
	}
}

// clock compares the time with what has been recorded: a clock that went back makes pauses longer.
func (c *Checkup) clock(ctx context.Context, s *store.Store) {
	page, err := s.AuditLog(ctx, store.AuditQuery{Limit: 1})
	now := s.Now()
	switch {
	case now.Year() < 2025:
		c.add("clock", failure, "set the machine's clock", "it says %s", now.Format(time.RFC3339))
	case err == nil && len(page) > 0 && page[0].At.After(now.Add(time.Minute)):
		c.add("clock", warning, "check the machine's clock", "the audit log's last record is from %s, which has not come yet", page[0].At.Format(time.RFC3339))
	default:
		c.add("clock", fine, "", "agrees with what has been recorded")
	}
}

// application looks at one application: its template, mappings and secrets, whom it is for, what it
// waits for.
func (c *Checkup) application(ctx context.Context, d *Desk, app *provision.Application) {
	name := "app " + app.Name
	sound := true
	bad := func(status, next, detail string, args ...any) {
		sound = false
		c.add(name, status, next, detail, args...)
	}
	t, protocol, err := d.protocol(app)
	if err != nil {
		p := Explain(err)
		bad(failure, p.Next, "%s", p.Message)
		return
	}
	if protocol.Check != nil {
		if err := protocol.Check(t, *app); err != nil {
			bad(failure, "correct it with `muster config apply`", "its options do not fit template %s any more: %v", t.Name, err)
		}
	}
	for kind, rows := range map[directory.Kind][]mapping.Mapping{directory.KindUser: app.Mappings.Users, directory.KindGroup: app.Mappings.Groups} {
		if _, err := mapping.Compile(kind, rows); err != nil {
			bad(failure, "correct it with `muster config apply`", "its %s mappings do not compile: %v", kind, err)
		}
	}
	if lost := lacking(t, app); len(lost) > 0 {
		bad(warning, "compare with the template and `muster config apply`", "template %s now requires %v, which is not mapped", t.Name, lost)
	}
	if _, _, err := d.credentials(ctx, app); err != nil {
		p := Explain(err)
		bad(failure, p.Next, "%s", p.Message)
	}
	s, err := d.status(ctx, app)
	if err != nil {
		bad(failure, "", "how it stands cannot be read: %v", err)
		return
	}
	for _, w := range waiting(app, s, true) {
		bad(warning, w.Next, "%s", w.What)
	}
	if sound {
		c.add(name, fine, "", "is configured, and nothing waits for a person")
	}
}

// lacking are the target attributes that a template requires and an application does not map: a
// newer version of Muster may know more about a target.
func lacking(t gallery.Template, app *provision.Application) []string {
	var out []string
	for _, want := range t.Required.Users {
		found := false
		for _, row := range app.Mappings.Users {
			found = found || row.Target == want
		}
		if !found && app.Provisioning.Users.Enabled {
			out = append(out, want)
		}
	}
	return out
}
