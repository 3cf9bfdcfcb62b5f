package admin

import (
	"context"
	"time"

	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Control says how a server runs an application by itself.
type Control struct {
	Application string     `json:"application"`
	Status      string     `json:"status"` // on, off
	Paused      bool       `json:"paused"`
	PausedUntil *time.Time `json:"paused_until"` // null while it is not paused, or until somebody resumes
	Changed     bool       `json:"changed"`
}

// Start switches the provisioning of an application on: a server runs it by itself from now on. A pause
// ends.
func (d *Desk) Start(ctx context.Context, name string) (Control, error) {
	return d.switched(ctx, name, "on")
}

// Stop switches the provisioning of an application off. A cycle that runs ends at the next object, whoever began it: what
// is under way is recorded, and the rest stays due.
func (d *Desk) Stop(ctx context.Context, name string) (Control, error) {
	return d.switched(ctx, name, "off")
}

func (d *Desk) switched(ctx context.Context, name, status string) (Control, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Control{}, err
	}
	app.Provisioning.Status = status
	changed, err := d.store.SaveApplication(ctx, d.by, app)
	if err != nil {
		return Control{}, err
	}
	if status == "off" {
		// Also one that was begun by hand, and while it is off.
		if err := d.store.EndCycle(ctx, app.ID); err != nil {
			return Control{}, err
		}
	}
	resumed := false
	if status == "on" {
		if resumed, err = d.store.Resume(ctx, d.by, app); err != nil {
			return Control{}, err
		}
	}
	return d.control(ctx, app.ID, changed || resumed)
}

// Pause keeps a server from running an application, for a time or, when that is 0, until
// [Desk.Resume]. The configuration stays as it is, and so does the position.
func (d *Desk) Pause(ctx context.Context, name string, span time.Duration) (Control, error) {
	if span < 0 {
		return Control{}, usage("usage", "give a time such as 2h, or none at all", "a pause cannot be shorter than nothing")
	}
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Control{}, err
	}
	var until time.Time
	if span > 0 {
		until = d.store.Now().Add(span)
	}
	if err := d.store.Pause(ctx, d.by, app, until); err != nil {
		return Control{}, err
	}
	return d.control(ctx, app.ID, true)
}

// Resume ends a pause.
func (d *Desk) Resume(ctx context.Context, name string) (Control, error) {
	app, err := d.store.Application(ctx, name)
	if err != nil {
		return Control{}, err
	}
	resumed, err := d.store.Resume(ctx, d.by, app)
	if err != nil {
		return Control{}, err
	}
	return d.control(ctx, app.ID, resumed)
}

func (d *Desk) control(ctx context.Context, id string, changed bool) (Control, error) {
	app, err := d.store.Application(ctx, id)
	if err != nil {
		return Control{}, err
	}
	p, err := d.store.Standing(ctx, app.ID)
	if err != nil {
		return Control{}, err
	}
	c := Control{Application: app.Name, Status: app.Provisioning.Status, Paused: p.Paused, Changed: changed}
	if p.Paused && !p.PausedTill.IsZero() {
		c.PausedUntil = &p.PausedTill
	}
	return c, nil
}

// TroubleStatus is why Muster could not run an application, and when it tries again.
type TroubleStatus struct {
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`
	Next    string    `json:"next"`
	RetryAt time.Time `json:"retry_at"`
	Pause   bool      `json:"pause"` // the target asked for it: nothing is wrong with Muster, and nobody has to do anything
}

func troubleOf(t *store.Trouble) *TroubleStatus {
	if t == nil {
		return nil
	}
	return &TroubleStatus{Since: t.Since, Reason: t.Reason, Next: t.Next, RetryAt: t.RetryAt, Pause: t.Pause}
}

// trouble is what keeps an application from running: as it is written down, or as this process alone
// knows it because the database takes nothing.
func (d *Desk) trouble(app *provision.Application, p *store.Progress) *store.Trouble {
	d.mu.Lock()
	schedule := d.schedule
	d.mu.Unlock()
	if p.Trouble == nil && schedule != nil && app.Provisioning.Status == "on" {
		return schedule.Trouble(app.ID)
	}
	return p.Trouble
}
