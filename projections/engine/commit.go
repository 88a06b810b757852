package engine

import (
	"context"
	"errors"
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
)

// fold folds and writes a batch.
func (t *turn) fold(ctx context.Context, b *batch) error {
	return t.advance(ctx, t.folding(b, nil))
}

// folding is a batch to be folded in its own transaction; failing are the faults that
// former attempts at it met.
func (t *turn) folding(b *batch, failing map[parking.Row]*projections.FoldError) *folding {
	set := t.of.cfg.Set
	return newFolding(set, t.cache, t.writer, t.writer, b, attemptAt(set, t.parking, b, failing))
}

// advance writes a batch, which may have been folded ahead, and parks what fails in it.
// It returns errAgain where this turn is over, though nothing is wrong. A *FoldError is
// what the projector halts at.
func (t *turn) advance(ctx context.Context, f *folding) error {
	err := t.commit(ctx, f)
	var faults foldErrors
	var fault *projections.FoldError
	switch {
	case errors.As(err, &faults):
		t.stopAhead()
		if err = t.foldAround(ctx, f.batch, faults); err == nil && f.ahead() {
			return errAgain
		}
	case errors.As(err, &fault):
		t.stopAhead()
	}
	return err
}

// commit writes a batch in one transaction: rows, what is parked, and the checkpoint.
// Where that fails the cache is ahead of the tables, and so is the parking: only
// foldAround goes on with them, and it begins by dropping the cache.
func (t *turn) commit(ctx context.Context, f *folding) error {
	started := time.Now()
	if err := t.transact(ctx, f); err != nil {
		t.rollback(ctx, f)
		return err
	}
	b := f.batch
	t.of.tell(ctx, f.attempt)
	if f.ahead() {
		t.committed.Store(f.number)
		close(f.done)
	} else {
		f.attempt.Commit()
		t.cache.trim(t.cache.batch)
	}
	t.at = b.next
	t.building = t.building && (!b.caughtUp || t.of.rebuilds != "")
	if t.of.cfg.Observer.Folded != nil {
		t.of.cfg.Observer.Folded(Folded{Position: b.next, Events: len(b.events), Took: time.Since(started), Effort: f.effort})
	}
	return nil
}

func (t *turn) transact(ctx context.Context, f *folding) error {
	if f.failed != nil {
		return f.failed
	}
	t.writer.Queue("begin")
	t.writer.Add(hot.Op{SQL: lockCheckpointSQL, Rows: 1, Checked: true, Otherwise: errFenced, Params: [][]byte{
		[]byte(t.of.name), hot.Int64(f.batch.from.Place()), hot.Int64(t.epoch),
	}})
	if f.ahead() {
		t.writer.Add(f.out.Take()...)
	} else if err := t.foldAttempt(ctx, f); err != nil {
		return err
	}
	f.attempt.queue(t.writer, t.of.name)
	t.queueMove(f.batch)
	return t.writer.Commit(ctx) // with nothing that did not find its row
}

// queueMove moves the checkpoint, and shows views that have caught up for the first time.
func (t *turn) queueMove(b *batch) {
	name := []byte(t.of.name)
	events, last := b.folded()
	if t.building && b.caughtUp && t.of.rebuilds == "" {
		t.writer.Add(hot.Op{SQL: activateSQL, Params: [][]byte{name}, Rows: len(t.tables)})
	}
	t.writer.Add(hot.Op{SQL: moveCheckpointSQL, Rows: 1, Params: [][]byte{
		name, hot.Int64(b.next.Place()), hot.Int64(int64(events)), []byte(t.stateAfter(b)), hot.TimeOrNull(last), hot.Int64(b.from.Place()), hot.Int64(t.epoch),
	}})
}

// stateAfter is what the projector is after a batch.
func (t *turn) stateAfter(b *batch) string {
	switch {
	case b.caughtUp && t.of.rebuilds == "":
		return "live"
	case t.building:
		return "building"
	}
	return "catching_up"
}

// rollback ends a failed transaction. Where the connection is gone, so is the
// transaction. The cache of batches folded ahead belongs to another goroutine.
func (t *turn) rollback(ctx context.Context, f *folding) {
	t.writer.Discard()
	if !f.ahead() {
		t.cache.drop()
	}
	_ = t.writer.Exec(ctx, "rollback")
}
