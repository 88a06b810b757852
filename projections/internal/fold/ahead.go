package fold

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/internal/batch"
)

// ahead folds the next batch while the one before it is being written. It loads over a
// connection of its own what the cache does not know. That sees nothing of the batch
// on its way, and need not: the rows of that one are in the cache, where they stay
// until it is committed. Everybody else who changes rows raises the projector's epoch, so
// that a batch which was folded from older rows is refused when it locks the
// checkpoint.
type ahead struct {
	folded chan *Folding
	cancel context.CancelFunc
	done   chan struct{}
}

// FoldsAhead reports whether a batch can be folded while the one before it is being written.
func (t *Turn) FoldsAhead() bool { return t.cache.Flat() }

// StartAhead starts to fold ahead, for as long as ctx lasts.
func (t *Turn) StartAhead(ctx context.Context, batches <-chan *batch.Batch) error {
	conn, err := pgx.ConnectConfig(ctx, t.cfg.Postgres)
	if err != nil {
		return fmt.Errorf("connect the projector's loader: %w", err)
	}
	loader, err := pipeline.NewSession(ctx, conn.PgConn())
	if err != nil {
		session.Close(conn)
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{folded: make(chan *Folding), cancel: cancel, done: make(chan struct{})}
	t.ahead = a
	go func() {
		defer close(a.done)
		defer session.Close(conn)
		t.foldEach(ctx, batches, a.folded, loader)
	}()
	return nil
}

// aheadEvents is how large a batch is whose writing takes long enough to fold the next
// one meanwhile. Behind smaller ones the folder waits, and what comes meanwhile goes
// into one batch.
const aheadEvents = 500

// foldEach ends with the context, or behind a batch that could not be folded whole.
func (t *Turn) foldEach(ctx context.Context, batches <-chan *batch.Batch, folded chan<- *Folding, loader *pipeline.Session) {
	for {
		var b *batch.Batch
		select {
		case b = <-batches:
		case <-ctx.Done():
			return
		}
		f := t.foldAhead(ctx, b, loader)
		select {
		case folded <- f:
		case <-ctx.Done():
			return
		}
		if f.failed != nil {
			return
		}
		if t.waitsFor(f) {
			select {
			case <-f.done:
			case <-ctx.Done():
				return
			}
		}
	}
}

// foldAhead folds a batch without its transaction, which advance writes later. Rows
// that an uncommitted batch changed stay in the cache: the tables do not have them yet.
func (t *Turn) foldAhead(ctx context.Context, b *batch.Batch, loader *pipeline.Session) *Folding {
	t.cache.Trim(t.committed.Load())
	set := t.cfg.Set
	f := newFolding(set, t.cache, loader, pipeline.NewScript(), b, attemptAt(set, t.parking, b, nil))
	if f.failed = t.foldAttempt(ctx, f); f.failed == nil {
		f.attempt.Commit() // for the next batch; where this one is not written, the turn ends
	}
	return f
}

// waitsFor reports whether the batch behind f is folded only when f is committed.
func (t *Turn) waitsFor(f *Folding) bool { return len(f.batch.Events) < t.eager }

// StopAhead ends the folding ahead, if there is any: the cache is the caller's then,
// and empty, since it holds rows of batches that will not be written.
func (t *Turn) StopAhead() {
	if t.ahead != nil {
		t.ahead.cancel()
		<-t.ahead.done
		t.ahead = nil
	}
	t.cache.Drop()
}

// Folded is the channel of the batches that were folded ahead; nil where none are.
func (t *Turn) Folded() <-chan *Folding {
	if t.ahead == nil {
		return nil
	}
	return t.ahead.folded
}
