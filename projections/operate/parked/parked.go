// Package parked is what an operator does about events that could not be folded: it lists
// them, has them folded again, or discards one.
package parked

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/internal/desk"
	"github.com/readside/readside/projections/internal/order"
	"github.com/readside/readside/projections/internal/own"
	"github.com/readside/readside/projections/operate/verify"
)

// Waiting chooses among what is parked in a view: the events of one row, those of one
// stream, or, with both empty, all.
type Waiting struct {
	View, Key, Stream string
}

// ErrNothingWaits is returned where nothing is parked of what an operator has chosen.
var ErrNothingWaits = order.ErrNothingWaits

// Retried is what a retry came to.
type Retried struct {
	// Folded events are in their rows now, Discarded ones dropped, Waiting ones wait on.
	Folded    int `json:"folded"`
	Discarded int `json:"discarded"`
	Waiting   int `json:"waiting"`
}

// List lists what is parked in every projector of the application, those of other
// definitions too, in the order of the log; view may be empty for all.
func List(ctx context.Context, cfg engine.Config, view string) ([]control.ParkedEvent, error) {
	p, err := desk.Open(cfg)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, p.Postgres)
	if err != nil {
		return nil, fmt.Errorf("list what is parked: %w", err)
	}
	defer session.Close(conn)
	entries, err := control.ListParked(ctx, conn, "", view)
	if err == nil && len(entries) == 0 && view != "" && p.Set.View(view) == nil {
		return nil, verify.UnknownView(p.Set, view)
	}
	return entries, err
}

// Retry folds what waits, in order, with the handlers that this program has: all of
// it that hangs together with what is chosen. What fails again waits on.
func Retry(ctx context.Context, cfg engine.Config, w Waiting) (Retried, error) {
	return repair(ctx, cfg, w, false)
}

// Discard drops the first event that is parked of what is chosen, for ever: no
// rebuild folds it into this view again. What waited behind it is folded.
func Discard(ctx context.Context, cfg engine.Config, w Waiting) (Retried, error) {
	if w.Key == "" && w.Stream == "" {
		return Retried{}, fmt.Errorf("discard: name a row or a stream of view %s: a discard never takes all of a view", w.View)
	}
	return repair(ctx, cfg, w, true)
}

func repair(ctx context.Context, cfg engine.Config, w Waiting, discard bool) (Retried, error) {
	p, err := desk.Open(cfg)
	if err != nil {
		return Retried{}, err
	}
	if p.Set.View(w.View) == nil {
		return Retried{}, verify.UnknownView(p.Set, w.View)
	}
	conn, err := pgx.ConnectConfig(ctx, p.Postgres)
	if err != nil {
		return Retried{}, fmt.Errorf("repair what is parked: %w", err)
	}
	defer session.Close(conn) // and what was not committed is undone
	g := own.NewGuest(p, conn)
	if err := g.Lock(ctx); err != nil {
		return Retried{}, fmt.Errorf("repair what is parked: %w", err)
	}
	all, err := control.ListParked(ctx, conn, p.Projector.Name, w.View)
	if err != nil {
		return Retried{}, err
	}
	o := order.Order{Projector: p.Projector.Name, Set: p.Set, Log: p.Log, Choice: order.Choice(w), Discard: discard}
	counts, err := o.Carry(ctx, g.Turn, all)
	return Retried(counts), err
}
