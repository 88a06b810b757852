package fold

import (
	"context"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/internal/batch"
)

// What the simulator drives besides the exported methods: it stands outside of the package,
// since it also drives an operator's orders.

// FoldAhead folds a batch without its transaction.
func (t *Turn) FoldAhead(ctx context.Context, b *batch.Batch, loader *pipeline.Session) *Folding {
	return t.foldAhead(ctx, b, loader)
}

// WaitsFor reports whether the batch behind f is folded only when f is committed.
func (t *Turn) WaitsFor(f *Folding) bool { return t.waitsFor(f) }

// Committed is the number of the last batch that is committed.
func (t *Turn) Committed() int64 { return t.committed.Load() }

// SetEager sets how many events a batch must have for the next one to be folded ahead.
func (t *Turn) SetEager(events int) { t.eager = events }

// Failed is what ended the folding of a batch; Number is its number.
func (f *Folding) Failed() error { return f.failed }

// Number is the batch's number in the cache.
func (f *Folding) Number() int64 { return f.number }

// Batch is what is folded.
func (f *Folding) Batch() *batch.Batch { return f.batch }
