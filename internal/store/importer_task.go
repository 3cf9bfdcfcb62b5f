package store

import (
	"context"
	"database/sql"
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
//
// A full import says who is all there, and of two at once each would deactivate those whom only the other one names. The last one
// is the truth: it ends the one before, whether that lives or died, at that one's next slice.
func (im *importer) begin(ctx context.Context) error {
	im.task = &Task{ID: newID(), Kind: taskImport, Subject: im.id, By: im.opts.Actor, Begun: im.s.Now(), Progress: "{}", Detail: jsonText(im.standing(nil, nil))}
	if im.opts.Full {
		im.task.Subject = "all of " + im.opts.Source
	}
	begin := func(tx *Tx) (bool, error) {
		overtaken, err := rowsOf(ctx, tx, scanTask, "update tasks set ended_at = $1, problem = $2, subject = id where kind = $3 and subject = $4 and ended_at is null returning "+taskColumns+", true",
			millis(im.s.Now()), taskOvertaken, taskImport, im.task.Subject)
		if err != nil {
			return false, err
		}
		for _, t := range overtaken {
			if err := tx.auditImport(ctx, t, true); err != nil {
				return false, err
			}
		}
		return tx.beginTask(ctx, im.task)
	}
	for begun := false; !begun; { // again when another one has begun at the same moment: that one is seen, and overtaken, then
		var err error
		if begun, err = write(ctx, im.s, begin); err != nil {
			return fmt.Errorf("beginning an import: %w", err)
		}
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

// note keeps in a transaction how much is in when it is through. An import that others have taken for dead, or have overtaken, ends
// here: the file that came after it may say otherwise.
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
	if n == 1 {
		return nil
	}
	var problem sql.NullString
	if err := tx.QueryRow(ctx, "select max(problem) from tasks where id = $1", im.task.ID).Scan(&problem); err != nil {
		return fmt.Errorf("asking who has ended the import: %w", err)
	}
	if problem.String == taskOvertaken {
		return refuse(ErrBusy, "look whose file is right, and import that one again when the other one has ended",
			"another full import of %s was begun meanwhile, and says who is all there: this one deactivates nobody", im.opts.Source)
	}
	return refuse(ErrBusy, "import it again: that does the rest", "the import gave no sign of life for too long, and was taken for dead")
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
