package fold

import (
	"context"
	"errors"
	"time"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
)

// This file is the way of a batch when nothing fails, from its events to the commit.
//
//	two events of order 7, one that renames product 3, which 40 orders join
//
//	load      order 7 and product 3, unless the cache has them
//	fold      the three events, in their order, into the two rows
//	products  compare: product 3 differs               write 1 row
//	orders    join order 7 with product 3, compare     write 1 row, fan out to the other 39
//	parked    what had to wait
//	move      the checkpoint, if nobody else did; commit

// Fold folds a batch and writes it. It returns ErrAgain where this turn is over, though
// nothing is wrong. A *projections.FoldError is what the projector halts at.
func (t *Turn) Fold(ctx context.Context, b *batch.Batch) error {
	return t.Advance(ctx, t.folding(b, nil))
}

// Advance writes a batch, which may have been folded ahead, and parks what fails in it.
func (t *Turn) Advance(ctx context.Context, f *Folding) error {
	return t.afterFault(ctx, f, t.commit(ctx, f))
}

// commit writes a batch in one transaction: rows, what is parked, and the checkpoint.
// Where that fails the cache is ahead of the tables, and so is the parking: only
// foldAround continues with them, and it begins by dropping the cache.
func (t *Turn) commit(ctx context.Context, f *Folding) error {
	started := time.Now()
	if err := t.transact(ctx, f); err != nil {
		t.rollback(ctx, f)
		return err
	}
	t.logParked(ctx, f.attempt)
	if f.ahead() {
		t.committed.Store(f.number)
		close(f.done)
	} else {
		f.attempt.Commit()
		t.cache.Trim(t.cache.Batch)
	}
	b := f.batch
	t.at = b.Next
	t.building = t.building && (!b.CaughtUp || t.cfg.Shadow)
	if t.cfg.Folded != nil {
		t.cfg.Folded(Folded{Position: b.Next, Events: len(b.Events), Took: time.Since(started), Effort: f.effort})
	}
	return nil
}

// transact is the transaction.
func (t *Turn) transact(ctx context.Context, f *Folding) error {
	if f.failed != nil {
		return f.failed
	}
	t.writer.Queue("begin")
	t.writer.Add(pipeline.Op{SQL: control.LockCheckpointSQL, Rows: 1, Checked: true, Otherwise: control.ErrFenced, Params: [][]byte{
		[]byte(t.cfg.Projector), pipeline.Int64(f.batch.From.Place()), pipeline.Int64(t.epoch),
	}})
	if f.ahead() {
		t.writer.Add(f.out.Take()...)
	} else if err := t.foldAttempt(ctx, f); err != nil {
		return err
	}
	f.attempt.queue(t.writer, t.cfg.Projector)
	t.queueMove(f.batch)
	return t.writer.Commit(ctx) // with nothing that did not find its row
}

// fold loads, folds and gathers the writes; what is left queued goes with the commit.
func (f *Folding) fold(ctx context.Context) error {
	if f.load() {
		if err := f.in.Flush(ctx); err != nil {
			return err
		}
	}
	if faults := f.set.FoldAll(f, f.attempt.Touches, f.batch.Events); len(faults) > 0 {
		return Faults(faults)
	}
	f.effort.count(f.attempt.Touches)
	for _, v := range f.views { // sources first
		if err := f.write(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// load finds every row that the batch touches, and queues the loading of those that
// the cache does not know; asked reports whether there are some.
func (f *Folding) load() (asked bool) {
	keys := make([][]string, len(f.views))
	for i := range f.attempt.Touches {
		t := &f.attempt.Touches[i]
		v := f.views[t.View]
		e, known := f.cache.Use(v.View, t.Key)
		t.Row = e.Row
		if !known {
			keys[t.View] = append(keys[t.View], e.Key)
		}
		if !e.Concerned {
			e.Concerned = true
			f.cache.Seen(v.View, e.Key)
			v.touched = append(v.touched, e)
			v.Model.Unjoin(e.Row)
		}
	}
	for i, v := range f.views {
		if len(keys[i]) > 0 {
			asked = true
			v.Table.LoadOwn(f.in, keys[i], func(st hot.Stored) { f.cache.Fill(v.Rows[st.Key], st) })
		}
	}
	return asked
}

// write joins and compares the rows of one view, writes those that differ, and brings its
// sources' changes to the rows that the batch did not touch.
func (f *Folding) write(ctx context.Context, v *view) error {
	changes, err := f.compare(ctx, v)
	if err != nil {
		return err
	}
	f.effort.Rows += len(changes)
	v.Table.Write(f.out, changes)
	return f.fanOut(ctx, v)
}

// compare joins the rows of one view and finds those that are to be written.
func (f *Folding) compare(ctx context.Context, v *view) ([]hot.Change, error) {
	v.concerned(f)
	rows := v.folded()
	if err := f.loadSources(ctx, v, rows); err != nil {
		return nil, err
	}
	changes := make([]hot.Change, 0, len(rows))
	var faults Faults
	for _, e := range rows {
		c, err := f.changeRow(v, &e.Stored)
		if fault := (*projections.FoldError)(nil); errors.As(err, &fault) {
			faults = append(faults, fault)
			continue
		}
		if err != nil {
			return nil, err
		}
		f.cache.Settle(e)
		if c.Changed() {
			changes = append(changes, c)
			v.noteChange(e.Row, c)
		}
	}
	if len(faults) > 0 {
		return nil, f.blame(ctx, v, faults)
	}
	return changes, nil
}

// changeRow joins a row, whose image is what was stored, and gives it its new image.
func (f *Folding) changeRow(v *view, st *hot.Stored) (hot.Change, error) {
	keep := f.keeps(v, *st)
	if st.State == projections.Live && !keep {
		if err := v.Model.Join(st.Row, f.source); err != nil {
			return hot.Change{}, f.placed(err, st.Row)
		}
	}
	img, err := f.enc.Encode(v.Table.Layout, st.Row, st.Image, keep)
	if err != nil {
		return hot.Change{}, f.unstorable(v, st.Row, err)
	}
	c := v.Table.Change(st.Image, img, keep, v.sourceChanged)
	st.Image = img
	return c, nil
}

// queueMove moves the checkpoint, and shows views that have caught up for the first time.
func (t *Turn) queueMove(b *batch.Batch) {
	name := []byte(t.cfg.Projector)
	events, last := b.Count()
	if t.building && b.CaughtUp && !t.cfg.Shadow {
		t.writer.Add(pipeline.Op{SQL: control.ActivateSQL, Params: [][]byte{name}, Rows: len(t.tables)})
	}
	t.writer.Add(pipeline.Op{SQL: control.MoveCheckpointSQL, Rows: 1, Params: [][]byte{
		name, pipeline.Int64(b.Next.Place()), pipeline.Int64(int64(events)), []byte(t.stateAfter(b)), pipeline.TimeOrNull(last), pipeline.Int64(b.From.Place()), pipeline.Int64(t.epoch),
	}})
}
