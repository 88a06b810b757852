package ordering

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/command"
)

const (
	// graceBatch is how many orders one transaction takes on at most.
	graceBatch = 200
	// The timer looks every tenth of the grace period, within these bounds.
	graceLookMin = 20 * time.Millisecond
	graceLookMax = time.Second
	// graceRetry is the pause after a failure of the database.
	graceRetry = time.Second
)

// Grace ends the grace periods that are over, until ctx ends. Several may run at once:
// each skips the orders that another one holds.
func Grace(ctx context.Context, x *command.Executor, grace time.Duration, logger *slog.Logger) error {
	look := min(max(grace/10, graceLookMin), graceLookMax)
	for {
		pause := look
		n, err := EndGracePeriods(ctx, x)
		switch {
		case err != nil:
			logger.WarnContext(ctx, "ending grace periods failed; tried again soon", "service", Name, "error", err.Error())
			pause = graceRetry
		case n == graceBatch:
			pause = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// EndGracePeriods takes on one batch of the orders whose grace period is over, and
// returns how many those were.
func EndGracePeriods(ctx context.Context, x *command.Executor) (int, error) {
	var w *endGrace
	_, err := x.Do(ctx, command.Cause{}, command.Key{}, func() command.Work {
		w = &endGrace{now: x.Now()}
		return w
	})
	if err != nil {
		return 0, err
	}
	return len(w.orders), nil
}

// endGrace is Work on all due orders at once.
type endGrace struct {
	now    time.Time
	orders []Order
}

func (w *endGrace) Load(b *pgx.Batch) { queueLoadDue(b, w.now, graceBatch, &w.orders) }

func (w *endGrace) Decide(time.Time) (command.Decision, error) {
	var d command.Decision
	for i, o := range w.orders {
		events := o.EndGrace()
		d.Streams = append(d.Streams, command.Stream{
			Name: "order-" + o.ID, Version: o.Version, Events: events, Cause: o.Cause,
		})
		w.orders[i] = o.Evolve(events...)
	}
	return d, nil
}

func (w *endGrace) Save(b *pgx.Batch) { queueUpdate(b, w.orders...) }
