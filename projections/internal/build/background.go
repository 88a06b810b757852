package build

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/internal/session"
)

// background is what the second server process of a build does while the first one copies
// rows: one job after the other.
type background struct {
	ctx    context.Context
	cancel context.CancelFunc
	// conn is there when the first job is done.
	conn *pgx.Conn

	mu sync.Mutex
	// done is closed when the last job has ended; only then err is its error.
	done chan struct{}
	err  error
}

// newBackground connects as the first job.
func newBackground(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) *background {
	ctx, cancel := context.WithCancel(ctx)
	b := &background{ctx: ctx, cancel: cancel}
	b.start(func() (err error) {
		b.conn, err = connect(ctx)
		return err
	})
	return b
}

// begin begins a job when the one before has ended, unless that failed. One goroutine
// begins them.
func (b *background) begin(ctx context.Context, job func(context.Context, *pgx.Conn) error) error {
	if err := b.wait(ctx); err != nil {
		return err
	}
	b.start(func() error { return job(b.ctx, b.conn) })
	return nil
}

func (b *background) start(job func() error) {
	done := make(chan struct{})
	b.mu.Lock()
	b.done = done
	b.mu.Unlock()
	go func() {
		defer close(done)
		b.err = job()
	}()
}

// wait returns when the last job has ended, with its error.
func (b *background) wait(ctx context.Context) error {
	select {
	case <-b.last():
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *background) last() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

// idle reports whether the last job has ended.
func (b *background) idle() bool {
	select {
	case <-b.last():
		return true
	default:
		return false
	}
}

// close cancels what is under way, and the connection.
func (b *background) close() {
	b.cancel()
	<-b.last()
	if b.conn != nil {
		session.Close(b.conn)
	}
}
