package engine

import (
	"context"
	"time"

	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/own"
)

// follow folds what the reader reads ahead, until an error.
func (p *Projector) follow(ctx context.Context, w *own.Worker, healthy func()) error {
	if err := p.activateEmpty(ctx, w); err != nil {
		return err
	}
	r := batch.Read(ctx, p.cfg.Log, p.cfg.Set, p.cfg.BatchEvents, w.Turn.At())
	defer r.Close()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	batches := (<-chan *batch.Batch)(r.Batches)
	if w.Turn.FoldsAhead() {
		if err := w.Turn.StartAhead(ctx, batches); err != nil {
			return err
		}
		defer w.Turn.StopAhead()
		batches = nil
	}
	for {
		select {
		case f := <-w.Turn.Folded():
			if err := w.Advance(ctx, f); err != nil {
				return err
			}
			healthy()
		case b := <-batches:
			if err := w.Fold(ctx, b); err != nil {
				return err
			}
			healthy()
		case <-tidy.C:
			if err := p.tidy(ctx, w); err != nil {
				return err
			}
		case err := <-r.Failed:
			return err
		}
	}
}

// activateEmpty shows the views of a log in which there is nothing to fold: no batch
// comes that would.
func (p *Projector) activateEmpty(ctx context.Context, w *own.Worker) error {
	if !w.Turn.Building() {
		return nil
	}
	head, err := p.cfg.Log.Head(ctx)
	at := w.Turn.At()
	if err != nil || head != at {
		return err
	}
	return w.Fold(ctx, &batch.Batch{From: at, Next: at, CaughtUp: true})
}
