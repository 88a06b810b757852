package engine_test

import (
	"context"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

// desk is a projector with what its operator does.
type desk struct {
	*engine.Projector
	cfg engine.Config
}

func newDesk(cfg engine.Config) (*desk, error) {
	p, err := engine.New(cfg)
	return &desk{p, cfg}, err
}

func (d *desk) Parked(ctx context.Context, view string) ([]control.ParkedEvent, error) {
	return parked.List(ctx, d.cfg, view)
}

func (d *desk) Retry(ctx context.Context, w parked.Waiting) (parked.Retried, error) {
	return parked.Retry(ctx, d.cfg, w)
}

func (d *desk) Discard(ctx context.Context, w parked.Waiting) (parked.Retried, error) {
	return parked.Discard(ctx, d.cfg, w)
}

func (d *desk) Rebuild(ctx context.Context, view string, o rebuild.Options) (rebuild.Result, error) {
	return rebuild.View(ctx, d.cfg, view, o)
}

func (d *desk) PlanRebuild(ctx context.Context, view string, o rebuild.Options) (rebuild.Estimate, error) {
	return rebuild.Plan(ctx, d.cfg, view, o)
}

func (d *desk) RebuildKey(ctx context.Context, view, key string) (rebuild.RowResult, error) {
	return rebuild.Row(ctx, d.cfg, view, key)
}

// WithoutRest lets continuous verification compare slice after slice.
func (d *desk) WithoutRest() *desk {
	d.Projector.WithoutRest()
	return d
}
