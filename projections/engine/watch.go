package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/own"
	"github.com/readside/readside/projections/watch"
	"github.com/readside/readside/projections/watch/rows"
)

// watchRest is how long continuous verification rests between two slices.
const watchRest = time.Second

// startWatch compares the views with the log all the time, beside the folding, for as long
// as the lease is this worker's; stop returns when that has ended. Where it is off, what
// earlier lease holders found is forgotten: nobody would find out that a row is right again.
func (p *Projector) startWatch(ctx context.Context, w *own.Worker) (stop func(), err error) {
	owner := w.Lease.Owner
	if p.cfg.WatchRate == watch.Off {
		if err := watch.Forget(ctx, w.Conn, watch.LeaseFence(owner), p.Name(), watch.View, nil); err != nil {
			return nil, fmt.Errorf("projector %s: %w", p.Name(), control.Explain(err))
		}
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { rows.Run(ctx, p.watchConfig(owner)) })
	return func() { cancel(); done.Wait() }, nil
}

func (p *Projector) watchConfig(owner string) rows.Config {
	return rows.Config{
		Projector: p.Name(), Owner: owner, Log: p.cfg.Log, Postgres: p.cfg.Postgres, Set: p.cfg.Set,
		Pace: watch.NewPace(p.cfg.WatchRate), PageEvents: p.cfg.WatchRate.PageEvents(), Bytes: p.cfg.WatchBytes, Rest: p.watchRest,
		Logger: p.cfg.Logger, Compared: p.cfg.Observer.Compared,
	}
}
