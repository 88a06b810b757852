package exact_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
)

// rebuild builds a view anew beside the load, and hands it over. Where events wait in a
// view that it joins, an operator clears those first; new ones may come meanwhile. A view
// that joins others is always rebuilt by the mended program: the one before cannot fold
// those others as they stand.
func (x *experiment) rebuild(view *projections.Model, mended bool) {
	x.t.Helper()
	p := x.program(mended || len(view.Joins) > 0)
	var err error
	for range 5 {
		if err = rebuildView(x.t.Context(), x.projector(p), view.Name, x.fates.Thousandths == 0); !errors.Is(err, rebuild.ErrSourceWaits) {
			break
		}
		x.operator(true).clear()
	}
	x.rebuilt(err)
}

// rebuilt fails for the error of a rebuild, but for that of one which was refused.
func (x *experiment) rebuilt(err error) {
	x.t.Helper()
	if errors.Is(err, rebuild.ErrSourceWaits) {
		x.tally.count("rebuilds refused", 1)
		return
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// rebuildView rebuilds a view. Where all events are sound it finds nothing to repair; else
// the program that rebuilds may fold what the one before did not, and the other way round.
func rebuildView(ctx context.Context, p engine.Config, view string, sound bool) error {
	out, err := rebuild.View(ctx, p, view, rebuild.Options{MaxRate: -1})
	if err == nil && sound && out.Repaired.Count > 0 {
		err = fmt.Errorf("rebuilding view %s found %d rows that were wrong, the first: %+v", view, out.Repaired.Count, out.Repaired.First[0])
	}
	return err
}

// startRebuild begins a rebuild that goes on while the next faults happen. What these
// break is built again.
func (c *crew) startRebuild() {
	x := c.x
	x.t.Helper()
	c.joinRebuild()
	view, p := x.drawView(), x.projector(x.program(true))
	done := make(chan error, 1)
	c.beside = done
	go func() {
		for {
			crashes := x.crashes.Load()
			err := rebuildView(x.t.Context(), p, view.Name, x.fates.Thousandths == 0)
			if err == nil || !x.excused(crashes) {
				done <- err
				return
			}
		}
	}()
}

// joinRebuild waits for the rebuild that is on its way, if there is one.
func (c *crew) joinRebuild() {
	c.x.t.Helper()
	if c.beside == nil {
		return
	}
	var err error
	c.x.until("the rebuild is done", func() bool {
		c.tend()
		select {
		case err = <-c.beside:
			return true
		default:
			return false
		}
	})
	c.beside = nil
	c.x.rebuilt(err)
}

// rebuildRow folds one row anew beside the load.
func (x *experiment) rebuildRow() {
	x.t.Helper()
	x.drawView()
	out, err := rebuild.Row(x.t.Context(), x.projector(x.program(true)), "account", fmt.Sprintf("c%d", x.r.IntN(12)))
	if err != nil {
		x.t.Fatal(err)
	}
	if out.Repaired != nil {
		x.t.Errorf("row %s of view account was wrong: %+v", out.Key, *out.Repaired)
	}
}

// rebuildFacts orders new tables of the facts, which the crew's worker builds.
func (x *experiment) rebuildFacts() {
	x.t.Helper()
	o := x.operator(true)
	x.until("there are facts", func() bool {
		var any bool
		err := x.db.Pool.QueryRow(x.t.Context(), `select exists (select from readside.cold_checkpoint)`).Scan(&any)
		return err == nil && any
	})
	p, err := cold.Open(x.t.Context(), cold.Config{Application: dbtest.Application, Log: x.log, Pool: o.pool, ClickHouse: x.ch.Conn, Set: o.set, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = p.Rebuild(x.t.Context())
	}
	if err != nil {
		x.t.Fatal(err)
	}
}
