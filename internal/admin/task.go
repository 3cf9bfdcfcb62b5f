package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/cycle"
	"github.com/muster-id/muster/internal/store"
)

// Task is something that takes longer than whoever asked waits for it, as every node sees it; see [store.Task].
type Task struct {
	Begun    time.Time
	Running  bool
	Progress cycle.Progress
	Problem  *Problem        // why it failed, nil when it did not
	Result   string          // id of what came of it
	Detail   json.RawMessage // what else whoever began it keeps of it

	row *store.Task
}

// BeginTask begins a task of a kind about a subject. It returns nil when one like that is under way, here or on another
// node. Whoever gets one tells how far it is at least every [store.TaskBeat], and ends it.
func (d *Desk) BeginTask(ctx context.Context, kind, subject string, detail any) (*Task, error) {
	t := &Task{Running: true, row: &store.Task{Kind: kind, Subject: subject, By: d.by, Progress: "{}"}}
	var err error
	if t.row.Detail, err = document(detail); err != nil {
		return nil, err
	}
	begun, err := d.store.BeginTask(ctx, t.row)
	if err != nil || !begun {
		return nil, err
	}
	t.Begun, t.Detail = t.row.Begun, json.RawMessage(t.row.Detail)
	return t, nil
}

// TellTask says that a task is alive, and how far it is.
func (d *Desk) TellTask(ctx context.Context, t *Task, p cycle.Progress) error {
	text, err := document(p)
	if err != nil {
		return err
	}
	t.row.Progress = text
	_, err = d.store.BeatTask(ctx, t.row.ID, text)
	return err
}

// EndTask records what came of a task: a result, or why there is none, and with a detail that is not nil what else is to be kept.
func (d *Desk) EndTask(ctx context.Context, t *Task, result string, detail any, failed error) error {
	t.row.Result = result
	var err error
	if p := Explain(failed); p != nil {
		if t.row.Problem, err = document(p); err != nil {
			return err
		}
	}
	if detail != nil {
		if t.row.Detail, err = document(detail); err != nil {
			return err
		}
	}
	return d.store.EndTask(ctx, t.row)
}

// TaskOf returns the last task of a kind about a subject, nil when there is none.
func (d *Desk) TaskOf(ctx context.Context, kind, subject string) (*Task, error) {
	row, err := d.store.TaskOf(ctx, kind, subject)
	if err != nil || row == nil {
		return nil, err
	}
	t := &Task{Begun: row.Begun, Running: row.Running(), Result: row.Result, Detail: json.RawMessage(row.Detail), row: row}
	switch {
	case row.Lost, row.Problem == store.TaskDied:
		t.Problem = &Problem{
			Exit: ExitInternal, Code: "interrupted", Message: "The process of Muster that did this ended before it was done",
			Next: "do it once more: what was done is recorded, and the rest is still due",
		}
	case row.Problem != "":
		t.Problem = &Problem{Exit: ExitInternal}
		err = json.Unmarshal([]byte(row.Problem), t.Problem)
	}
	if err == nil {
		err = json.Unmarshal([]byte(row.Progress), &t.Progress)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	return t, nil
}

// ForgetTask drops a task that has ended.
func (d *Desk) ForgetTask(ctx context.Context, kind, subject string) error {
	return d.store.ForgetTask(ctx, kind, subject)
}

func document(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("keeping a task: %w", err)
	}
	return string(b), nil
}
