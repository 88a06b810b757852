package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

const (
	// retryAfter is the pause after an error of infrastructure.
	retryAfter = 5 * time.Second
	// dutyMost is the share of the time in which snapshots may be open: one of dutyMost.
	dutyMost = 20
)

// watcher is one connection's work.
type watcher struct {
	Config
	conn  *pgx.Conn
	views []*view
}

// view is what the watcher knows of one view.
type view struct {
	model  *projections.Model
	layout *hot.Layout
	// set is the view with its sources, index its place there, types its own event types.
	set   *projections.Set
	index int
	types []string
	state watch.State
	// width is how many hashes the next slice has, less one.
	width uint64
	// suspects are keys that are compared with the next slice: rows that other views' rows,
	// which differ, join.
	suspects map[string]bool
}

// Run compares until ctx ends, which it does with the lease.
func Run(ctx context.Context, cfg Config) {
	for ctx.Err() == nil {
		err := run(ctx, cfg)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, watch.ErrEnded) { // else the lease's own renewal finds out
			cfg.Logger.WarnContext(ctx, "continuous verification of views interrupted; it tries again", "projector", cfg.Projector, "error", err, "retry_in", retryAfter)
		}
		rest(ctx, retryAfter)
	}
}

func run(ctx context.Context, cfg Config) error {
	conn, err := pgx.ConnectConfig(ctx, cfg.Postgres)
	if err != nil {
		return err
	}
	defer session.Close(conn)
	w := &watcher{Config: cfg, conn: conn}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for {
		for i := range w.views {
			if err := w.next(ctx, w.views[i]); err != nil {
				return err
			}
		}
	}
}

// begin finds out what earlier lease holders have found.
func (w *watcher) begin(ctx context.Context) error {
	if _, err := w.conn.Exec(ctx, "set application_name = 'readside watch'"); err != nil {
		return err
	}
	known, err := watch.Load(ctx, w.conn, w.Projector, watch.View)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range w.Set.Views() {
		v, err := newView(w.Set, m)
		if err != nil {
			return err
		}
		v.state = known[m.Name]
		v.state.Name = m.Name
		w.views = append(w.views, v)
		names = append(names, m.Name)
	}
	return watch.Forget(ctx, w.conn, watch.LeaseFence(w.Owner), w.Projector, watch.View, names)
}

func newView(set *projections.Set, m *projections.Model) (*view, error) {
	layout, err := hot.NewLayout(m)
	if err != nil {
		return nil, err
	}
	v := &view{model: m, layout: layout, set: set.With(m), width: hashMost, suspects: map[string]bool{}}
	for i, other := range v.set.Views() {
		if other.Name == m.Name {
			v.index = i
		}
	}
	for _, name := range v.set.ViewTypes() {
		for _, r := range v.set.Route(name).Views {
			if r.View == v.index {
				v.types = append(v.types, name)
				break
			}
		}
	}
	return v, nil
}

// next compares the next slice of a view, records what was found, and rests.
func (w *watcher) next(ctx context.Context, v *view) error {
	c, err := w.compareNext(ctx, v)
	var fault *projections.FoldError
	switch {
	case errors.Is(err, errMoved):
		rest(ctx, w.Rest)
		return ctx.Err()
	case errors.As(err, &fault):
		return w.problem(ctx, v, fault)
	case err != nil:
		return err
	}
	v.state.Problem = ""
	if err := w.save(ctx, v); err != nil {
		return err
	}
	if w.Compared != nil {
		c.State = v.state
		w.Compared(c)
	}
	rest(ctx, max(w.Rest, c.Took*(dutyMost-1)))
	return ctx.Err()
}

// problem records that a view cannot be folded by this program.
func (w *watcher) problem(ctx context.Context, v *view, fault *projections.FoldError) error {
	if problem := fault.Error(); problem != v.state.Problem {
		v.state.Problem = problem
		w.Logger.ErrorContext(ctx, "a view cannot be compared with the log", "projector", w.Projector, "view", v.model.Name, "error", problem)
	}
	if err := w.save(ctx, v); err != nil {
		return err
	}
	rest(ctx, max(w.Rest, retryAfter))
	return ctx.Err()
}

func (w *watcher) save(ctx context.Context, v *view) error {
	return watch.Save(ctx, w.conn, watch.LeaseFence(w.Owner), w.Projector, watch.View, v.state)
}

// view finds one by name.
func (w *watcher) view(name string) *view {
	for _, v := range w.views {
		if v.model.Name == name {
			return v
		}
	}
	panic(fmt.Sprintf("no view %s in the set that joins it", name)) // NewSet has checked it
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
