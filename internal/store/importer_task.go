package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// imported is how much of an import is in.
type imported struct {
	Source      string `json:"source"`
	Created     int    `json:"created"`
	Updated     int    `json:"updated"`
	Deactivated int    `json:"deactivated"`
	Failed      int    `json:"failed"`
	Full        bool   `json:"full"`
}

func (in *imported) add(rows ...ImportRow) {
	for _, row := range rows {
		switch row.Status {
		case created:
			in.Created++
		case updated:
			in.Updated++
		case failed:
			in.Failed++
		}
	}
}

// late adds those who are in, but for what they point at.
func (in *imported) late(managers []lateManager, groups []lateGroup) {
	for _, m := range managers {
		in.add(m.row)
	}
	for _, g := range groups {
		in.add(g.row)
	}
}

// standing is how much is in, with those who still point at something that was not known yet.
func (im *importer) standing(managers []lateManager, groups []lateGroup) imported {
	r := im.result
	in := imported{Source: im.opts.Source, Created: r.Created, Updated: r.Updated, Deactivated: r.Deactivated, Failed: r.Failed, Full: im.opts.Full}
	in.late(managers, groups)
	return in
}

// begin lets everybody know of the import: when its process dies somebody else says in the audit log how much is in.
func (im *importer) begin(ctx context.Context) error {
	im.task = &Task{Kind: taskImport, Subject: im.id, By: im.opts.Actor, Progress: "{}", Detail: jsonText(im.standing(nil, nil))}
	if _, err := im.s.BeginTask(ctx, im.task); err != nil {
		return err
	}
	living, quiet := context.WithCancel(ctx)
	im.quiet = quiet
	if im.s.Postgres() { // else there is no other process that would ask
		go im.live(living)
	}
	return nil
}

// live gives signs of life.
func (im *importer) live(ctx context.Context) {
	beat := time.NewTicker(TaskBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			_, _ = im.s.BeatTask(ctx, im.task.ID, im.task.Progress) // the next one may get through
		}
	}
}

// note keeps in a transaction how much is in when it is through. An import that others have taken for dead ends here: it may have
// been begun anew meanwhile, from a file that says otherwise.
func (im *importer) note(ctx context.Context, tx *Tx, in imported) error {
	if im.task == nil {
		return nil
	}
	now, err := tx.databaseTime(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "update tasks set beat_at = $1, detail = $2 where id = $3 and ended_at is null", now, jsonText(in), im.task.ID)
	if err != nil {
		return fmt.Errorf("noting how much is in: %w", err)
	}
	if n == 0 {
		return refuse(ErrBusy, "import it again: that does the rest", "the import gave no sign of life for too long, and was taken for dead")
	}
	return nil
}

// end records what the import has changed, also when it was ended early: what came before is in.
func (im *importer) end(ctx context.Context, early bool) error {
	im.quiet()
	im.task.Detail = jsonText(im.standing(nil, nil))
	if early || im.result.Incomplete != "" {
		im.task.Problem = "early"
	}
	return im.s.Write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(ctx, "delete from tasks where id = $1 and ended_at is null", im.task.ID)
		if err != nil || n == 0 {
			return err // who took it for dead has recorded it
		}
		return tx.auditImport(ctx, im.task, false)
	})
}

// auditImport records an import; lost says that it ended with its process. One that changed nothing is recorded only then.
func (tx *Tx) auditImport(ctx context.Context, t *Task, lost bool) error {
	var in imported
	if err := json.Unmarshal([]byte(t.Detail), &in); err != nil {
		return fmt.Errorf("reading import %s: %w", t.ID, err)
	}
	if !lost && in.Created+in.Updated+in.Deactivated == 0 {
		return nil
	}
	after := map[string]any{"created": in.Created, "updated": in.Updated, "deactivated": in.Deactivated, "failed": in.Failed, "full": in.Full}
	if lost || t.Problem != "" {
		after["incomplete"] = true
	}
	if lost {
		after["interrupted"] = true
	}
	return tx.audit(ctx, t.By, "import", subject{"source", in.Source, in.Source}, nil, after)
}
