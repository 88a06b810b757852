package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/hot"
)

// ahead folds the next batch while the one before it is being written. It loads over a
// connection of its own what the cache does not know. That sees nothing of the batch
// on its way, and need not: the rows of that one are in the cache, where they stay
// until it is committed. A guest that changes rows raises the projector's epoch, so
// that a batch which was folded from older rows is refused when it locks the
// checkpoint.
type ahead struct {
	folded chan *folding
	cancel context.CancelFunc
	done   chan struct{}
}

// startAhead starts to fold ahead, for as long as ctx lasts.
func (t *turn) startAhead(ctx context.Context, batches <-chan *batch) error {
	conn, err := pgx.ConnectConfig(ctx, t.of.cfg.Postgres)
	if err != nil {
		return fmt.Errorf("connect the projector's loader: %w", err)
	}
	loader, err := hot.NewSession(ctx, conn.PgConn())
	if err != nil {
		closeConn(conn)
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{folded: make(chan *folding), cancel: cancel, done: make(chan struct{})}
	t.ahead = a
	go func() {
		defer close(a.done)
		defer closeConn(conn)
		t.foldEach(ctx, batches, a.folded, loader)
	}()
	return nil
}

// aheadEvents is how large a batch is whose writing takes long enough to fold the next
// one meanwhile. Behind smaller ones the folder waits, and what comes meanwhile goes
// into one batch.
const aheadEvents = 500

// foldEach ends with the context, or behind a batch that could not be folded whole.
func (t *turn) foldEach(ctx context.Context, batches <-chan *batch, folded chan<- *folding, loader *hot.Session) {
	for {
		var b *batch
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
func (t *turn) foldAhead(ctx context.Context, b *batch, loader *hot.Session) *folding {
	t.cache.trim(t.committed.Load())
	set := t.of.cfg.Set
	f := newFolding(set, t.cache, loader, hot.NewScript(), b, attemptAt(set, t.parking, b, nil))
	if f.failed = t.foldAttempt(ctx, f); f.failed == nil {
		f.attempt.Commit() // for the next batch; where this one is not written, the turn ends
	}
	return f
}

// waitsFor reports whether the batch behind f is folded only when f is committed.
func (t *turn) waitsFor(f *folding) bool { return len(f.batch.events) < t.eager }

// stopAhead ends the folding ahead, if there is any: the cache is the caller's then,
// and empty, since it holds rows of batches that will not be written.
func (t *turn) stopAhead() {
	if t.ahead != nil {
		t.ahead.cancel()
		<-t.ahead.done
		t.ahead = nil
	}
	t.cache.drop()
}

// folded are the batches that were folded ahead; nil where none are.
func (t *turn) folded() <-chan *folding {
	if t.ahead == nil {
		return nil
	}
	return t.ahead.folded
}
