package cycle

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-id/muster/internal/directory"
	"github.com/muster-id/muster/internal/provision"
	"github.com/muster-id/muster/internal/store"
)

// Results are recorded many at a time, because the disk is waited for once for all of them: as soon as
// there are so many, or so much time has passed, or nothing else is under way. Where recording itself takes
// long, a slow disk or a busy machine, the time grows with it and a batch with the time.
const (
	recordBatch = 128
	recordEvery = 25 * time.Millisecond
	recordShare = 4 // times as long as the last recording took
)

// recordDue reports whether it is time to record what has come back.
func (d *dispatcher) recordDue() bool {
	return !d.recording && len(d.unrecorded) > 0 && (len(d.unrecorded) >= recordBatch || d.inflight == 0 || !time.Now().Before(d.recordNext))
}

// recordEnded notes that what was being recorded is.
func (d *dispatcher) recordEnded() {
	now := time.Now()
	d.recording, d.recordNext = false, now.Add(min(max(recordEvery, recordShare*now.Sub(d.recordFrom)), feedCheck))
}

// recordAll makes durable at once what has come back so far.
func (d *dispatcher) recordAll(ctx context.Context) error {
	for len(d.finished) > 0 {
		d.take1(<-d.finished)
	}
	if d.recording {
		err := <-d.recorded
		d.recordEnded()
		if err != nil {
			return err
		}
	}
	batch := d.unrecorded
	d.unrecorded = nil
	one, done := recording(ctx)
	defer done()
	return d.record(one, batch)
}

// record makes results durable. An account which the target says is new, or which was adopted on the
// way, and which is in truth that of somebody else, fails here: an account has one owner.
func (d *dispatcher) record(ctx context.Context, results []store.Result) error {
	linked := map[directory.Kind][]string{}
	for _, r := range results {
		if r.Link != nil {
			linked[r.Op.Kind] = append(linked[r.Op.Kind], r.Link.Account.ID)
		}
	}
	for kind, accounts := range linked {
		owners, err := d.engine.Store.LinkedTo(ctx, d.app.ID, kind, accounts)
		if err != nil {
			return err
		}
		for i, r := range results {
			if r.Link == nil || r.Op.Kind != kind {
				continue
			}
			if owner, taken := owners[r.Link.Account.ID]; taken && owner.ID != r.Op.Source.ID {
				p := provision.TwoForOne(fmt.Sprintf("%s (%s)", r.Link.Account.Name, r.Link.Account.ID), owner.Name, r.Op.Source.Name)
				results[i] = d.failed(&work{Operation: r.Op}, *p, true)
				d.disowned.Add(1)
				continue
			}
			owners[r.Link.Account.ID] = r.Op.Source
		}
	}
	if err := d.engine.Store.Record(ctx, d.holder, results); err != nil {
		return err
	}
	if told := d.engine.Watch.Recorded; told != nil {
		told(d.app.Name, results)
	}
	return nil
}
