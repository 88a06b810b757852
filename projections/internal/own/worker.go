package own

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/build"
	"github.com/readside/readside/projections/internal/fold"
)

// Worker folds over one connection, as the holder of a projector's lease. What it knows of
// rows is its turn.
type Worker struct {
	// Lease is the projector's, and Conn the connection that is named in it.
	Lease *control.Lease
	Conn  *pgx.Conn
	// Turn is replaced whole by Resume.
	Turn *fold.Turn

	cfg *Config
	// ctx ends with the lease.
	ctx     context.Context
	session *pipeline.Session
}

// Start connects, takes the lease, and finds or makes the projector's tables. While another
// worker has the lease it waits and calls logWaiting; where that is nil it returns
// control.ErrOwned instead.
func Start(ctx context.Context, cfg *Config, logWaiting func(owner string)) (*Worker, error) {
	// The server may be a copy of the one before: its log has taken the checkpoints along.
	if err := cfg.Log.Renew(ctx); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("connect the projector: %w", err)
	}
	w := &Worker{cfg: cfg, Conn: conn, ctx: ctx}
	if err := w.begin(ctx, logWaiting); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Worker) begin(ctx context.Context, logWaiting func(string)) (err error) {
	if err := w.cfg.Projector.OpenCheckpoint(ctx, w.Conn, w.cfg.Log.Start()); err != nil {
		return err
	}
	if w.Lease, err = control.TakeLease(ctx, w.cfg.Postgres, w.cfg.Projector.Name, w.cfg.LeaseTTL, w.Conn, logWaiting); err != nil {
		return err
	}
	w.ctx = w.Lease.Keep(ctx)
	return w.Why(w.prepare(w.ctx))
}

// Context ends when the lease is lost, with the reason as its cause.
func (w *Worker) Context() context.Context { return w.ctx }

// Close gives the lease back, after the connection: its locks go first.
func (w *Worker) Close() {
	session.Close(w.Conn)
	if w.Lease != nil {
		w.Lease.Release()
	}
}

// Why returns the reason that the lease was lost, where that is what ended the work, and
// err where it is not.
func (w *Worker) Why(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// Fold folds and writes a batch, or halts.
func (w *Worker) Fold(ctx context.Context, b *batch.Batch) error {
	return w.halts(ctx, w.Turn.Epoch(), w.Turn.Fold(ctx, b))
}

// Advance writes a batch that was folded ahead, or halts.
func (w *Worker) Advance(ctx context.Context, f *fold.Folding) error {
	return w.halts(ctx, w.Turn.Epoch(), w.Turn.Advance(ctx, f))
}

// Resume begins another turn, where the worker still holds the lease; where it does not, it
// returns control.ErrFenced.
func (w *Worker) Resume(ctx context.Context) error {
	epoch, err := w.Lease.EpochOf(ctx, w.Conn)
	if err != nil {
		return err
	}
	return w.open(ctx, epoch)
}

// open begins a turn in an epoch that was read before.
func (w *Worker) open(ctx context.Context, epoch int64) (err error) {
	w.Turn, w.session, err = w.cfg.openTurn(ctx, w.Conn, w.session, epoch)
	return err
}

// prepare brings the projector to where batches can follow: with tables, which a first
// build may have to fill.
func (w *Worker) prepare(ctx context.Context) error {
	if err := control.ClearHalt(ctx, w.Conn, w.cfg.Projector.Name); err != nil {
		return err
	}
	at, err := control.ReadCheckpoint(ctx, w.Conn, w.cfg.Projector.Name, "", w.cfg.Log.Start())
	if err != nil {
		return err
	}
	if w.cfg.Projector.Shadow() {
		if err := w.openShadow(ctx); err != nil {
			return err
		}
	}
	b, err := build.Open(ctx, w.build(), at)
	if err != nil {
		return err
	}
	create := (*hot.Layout).CreateTable
	if b != nil {
		create = (*hot.Layout).CreateHeap
	}
	if err := w.addGenerations(ctx, at, create); err != nil {
		return err
	}
	if err := w.open(ctx, w.Lease.Epoch); err != nil || b == nil {
		return err
	}
	if err := b.Run(ctx, w.Turn.Tables(), w.Turn.Parking()); err != nil {
		return w.halts(ctx, w.Lease.Epoch, err)
	}
	return w.open(ctx, w.Lease.Epoch)
}

func (w *Worker) build() build.Config {
	return build.Config{
		Projector: w.cfg.Projector, Lease: w.Lease, Conn: w.Conn, Layouts: w.cfg.Layouts,
		Log: w.cfg.Log, Postgres: w.cfg.Postgres, Set: w.cfg.Set,
		Above: w.cfg.BuildAbove, Bytes: w.cfg.BuildBytes, Dir: w.cfg.BuildDir, Rate: w.cfg.BuildRate,
		BatchEvents: w.cfg.BatchEvents, ParkedMax: w.cfg.ParkedMax, Logger: w.cfg.Logger, Progress: w.cfg.Building,
	}
}

// halts records that the projector stands still, where err is a fault of an event that
// cannot be parked.
func (w *Worker) halts(ctx context.Context, epoch int64, err error) error {
	var fault *projections.FoldError
	if !errors.As(err, &fault) {
		return err
	}
	if err := control.RecordHalt(ctx, w.Conn, w.cfg.Projector.Name, epoch, fault); err != nil {
		return err
	}
	w.cfg.Logger.ErrorContext(ctx, "projector HALTED", "projector", w.cfg.Projector.Name, "view", fault.View, "key", fault.Key,
		"position", fault.Position.String(), "place", fault.Position.Place(), "type", fault.Type, "stream", fault.Stream,
		"error", fault.Err.Error(), "hint", fault.Hint)
	if w.cfg.Halted != nil {
		w.cfg.Halted(fault)
	}
	return fault
}

// addGenerations makes the tables of a projector that has folded nothing yet.
func (w *Worker) addGenerations(ctx context.Context, at eventlog.Position, create func(*hot.Layout, string) string) error {
	if at.Place() > 0 {
		return nil
	}
	return control.Fenced(ctx, w.Conn, w.cfg.Projector.Name, w.Lease.Epoch, func(tx pgx.Tx) error {
		for _, l := range w.cfg.Layouts {
			_, ok, err := control.WrittenGeneration(ctx, tx, w.cfg.Projector.Name, l.Model.Name)
			if err != nil {
				return err
			}
			if ok {
				continue
			}
			if err := addGeneration(ctx, tx, w.cfg.Projector.Name, l, create); err != nil {
				return fmt.Errorf("make the table of view %s: %w", l.Model.Name, err)
			}
		}
		return nil
	})
}
