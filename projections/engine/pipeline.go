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
// until it is committed. Whoever else changes rows raises the projector's epoch, so
// that a batch which was folded from older rows is refused when it locks the
// checkpoint.
type ahead struct {
	folded chan *folding
	cancel context.CancelFunc
	done   chan struct{}
}

// foldAhead starts to fold ahead, for as long as ctx lasts.
func (w *worker) foldAhead(ctx context.Context, batches <-chan *batch) error {
	conn, err := pgx.ConnectConfig(ctx, w.cfg.Postgres)
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
	w.ahead = a
	go func() {
		defer close(a.done)
		defer closeConn(conn)
		w.foldEach(ctx, batches, a.folded, loader)
	}()
	return nil
}

// aheadEvents is how large a batch is whose writing takes long enough to fold the next
// one meanwhile. Behind smaller ones the folder waits, and what comes meanwhile goes
// into one batch.
const aheadEvents = 500

// foldEach ends with the context, or behind a batch that could not be folded whole.
func (w *worker) foldEach(ctx context.Context, batches <-chan *batch, folded chan<- *folding, loader *hot.Session) {
	for {
		var b *batch
		select {
		case b = <-batches:
		case <-ctx.Done():
			return
		}
		w.cache.trim(w.committed.Load())
		f := newFolding(w.cfg.Set, w.cache, loader, hot.NewScript(), b, w.parking.newAttempt(w.cfg.Set, b, nil))
		if f.failed = w.foldAttempt(ctx, f); f.failed == nil {
			f.attempt.commit() // for the next batch; where this one is not written, all is read anew
		}
		select {
		case folded <- f:
		case <-ctx.Done():
			return
		}
		if f.failed != nil {
			return
		}
		if len(b.events) < aheadEvents {
			select {
			case <-f.done:
			case <-ctx.Done():
				return
			}
		}
	}
}

// stopAhead ends the folding ahead, if there is any: the cache is the caller's then,
// and empty, since it holds rows of batches that will not be written.
func (w *worker) stopAhead() {
	if w.ahead != nil {
		w.ahead.cancel()
		<-w.ahead.done
		w.ahead = nil
	}
	w.cache.drop()
}

// folded are the batches that were folded ahead; nil where none are.
func (w *worker) folded() <-chan *folding {
	if w.ahead == nil {
		return nil
	}
	return w.ahead.folded
}
