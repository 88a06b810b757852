package fold

import (
	"context"
	"errors"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/parking"
)

// What an operator orders is written in the operator's own transaction, which has locked the
// projector's row: a retry of what is parked, a row in the place of a wrong one, the changes
// that a handover makes visible. Each raises the epoch, so that the lease holder forgets
// what it knows.

// Folding returns here from a fault, and keeps the lock.
const (
	MarkSQL       = `savepoint folding`
	BackToMarkSQL = `rollback to savepoint folding`
)

// Retry is what an operator orders to be folded of what is parked in one view.
type Retry struct {
	View int
	// Rows are those that waited: while they did, their joins may have failed.
	Rows []string
	// Tries are how often each entry was tried, this time included.
	Tries map[parking.Event]int
	// Before takes the entries out of what waits; those that fail again come back. After
	// clears the marks of rows that wait no more.
	Before, After []pipeline.Op
	// Parts hands out the events of the entries in parts, each a batch.
	Parts func(ctx context.Context, fold func(b *batch.Batch, last bool) error) error
}

// attempts is how often an entry was tried, this time included.
func (r *Retry) attempts(place int64, key string) int {
	if tries, ok := r.Tries[parking.Event{View: r.View, Key: key, Place: place}]; ok {
		return tries
	}
	return r.Tries[parking.Event{View: r.View, Place: place}]
}

// Retry folds what an operator has chosen, which Parking must hold no more, and commits. It
// returns how much waits on.
func (t *Turn) Retry(ctx context.Context, r *Retry) (waiting int, err error) {
	failing := map[parking.Row]*projections.FoldError{}
	for {
		a := &attempt{Attempt: t.parking.Begin(failing), retry: r}
		err := t.retryOnce(ctx, a)
		if err == nil {
			t.logParked(ctx, a)
			return len(a.Held), nil
		}
		if err := t.backToMark(ctx, failing, err); err != nil {
			return 0, err
		}
	}
}

// retryOnce makes one attempt at what waits, part by part in one transaction.
func (t *Turn) retryOnce(ctx context.Context, a *attempt) error {
	t.writer.Queue(MarkSQL)
	t.writer.Add(a.retry.Before...)
	err := a.retry.Parts(ctx, func(b *batch.Batch, last bool) error {
		a.Take(t.cfg.Set, b.Choice())
		if last {
			a.End(b.Next)
		}
		f := newFolding(t.cfg.Set, t.cache, t.writer, t.writer, b, a)
		f.again = t.log.At
		if err := t.foldAttempt(ctx, f); err != nil {
			return err
		}
		a.queue(t.writer, t.cfg.Projector)
		if last {
			return nil
		}
		// What is written is read again from here on: rows need not be kept.
		if err := t.writer.Flush(ctx); err != nil {
			return err
		}
		t.cache.Trim(f.number)
		return nil
	})
	if err != nil {
		return err
	}
	t.writer.Add(a.retry.After...)
	t.queueRaise()
	return t.writer.Commit(ctx)
}

// backToMark undoes an attempt that met faults, and adds them to failing; any other error
// it returns.
func (t *Turn) backToMark(ctx context.Context, failing map[parking.Row]*projections.FoldError, err error) error {
	var faults Faults
	if !errors.As(err, &faults) {
		return err
	}
	if err := t.note(failing, faults); err != nil {
		return err
	}
	t.writer.Discard()
	t.cache.Drop()
	return t.writer.Exec(ctx, BackToMarkSQL)
}

func (t *Turn) queueRaise() {
	t.writer.Add(pipeline.Op{SQL: control.RaiseEpochSQL, Rows: 1, Params: [][]byte{[]byte(t.cfg.Projector), pipeline.Int64(t.epoch)}})
}

// Spread brings rows that the operator's transaction changed to the views that join them,
// in topological order, and raises the epoch. Rows whose joins fail are parked as a batch's
// are.
func (t *Turn) Spread(ctx context.Context, view int, changed []hot.Source) error {
	failing := map[parking.Row]*projections.FoldError{}
	for {
		b := &batch.Batch{From: t.at, Next: t.at}
		f := t.folding(b, failing)
		err := t.spreadOnce(ctx, f, view, changed)
		if err == nil {
			f.attempt.Commit()
			t.logParked(ctx, f.attempt)
			t.cache.Trim(t.cache.Batch)
			t.epoch++
			return nil
		}
		if err := t.backToMark(ctx, failing, err); err != nil {
			return err
		}
	}
}

func (t *Turn) spreadOnce(ctx context.Context, f *Folding, view int, changed []hot.Source) error {
	t.writer.Queue(MarkSQL)
	f.views[view].changed = changed
	if err := t.foldAttempt(ctx, f); err != nil {
		return err
	}
	f.attempt.queue(t.writer, t.cfg.Projector)
	t.queueRaise()
	return t.writer.Flush(ctx)
}

// Image joins a row that was folded from the log with the tables, which stand at the same
// checkpoint, and returns what is stored of it.
func (t *Turn) Image(ctx context.Context, view int, row *projections.Row) (hot.Image, error) {
	f := newFolding(t.cfg.Set, t.cache, t.writer, t.writer, &batch.Batch{From: t.at, Next: t.at}, &attempt{Attempt: t.parking.Begin(nil)})
	v := f.views[view]
	e, _ := t.cache.Use(v.View, row.Key)
	*e.Row = *row
	return f.image(ctx, v, e)
}

// Replace writes a row in the place of the stored one, and brings it to the rows that join
// it. The zero image is that of no row.
func (t *Turn) Replace(ctx context.Context, view int, row *projections.Row, stored, next hot.Image) error {
	v := t.cache.Views[view]
	folded := next
	if row.State == projections.Absent {
		folded = hot.Image{}
	}
	v.Table.Replace(t.writer, row.Key, folded)
	if err := t.writer.Flush(ctx); err != nil {
		return err
	}
	var changed []hot.Source
	if v.IsSource {
		if s, visible := v.Table.Source(row, hot.Change{Old: stored, New: next}); visible {
			changed = append(changed, s)
		}
	}
	return t.Spread(ctx, view, changed)
}
