package bench

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/readside/readside/internal/bench/story"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

// growthRounds bounds the rounds of this benchmark: each folds six logs.
const growthRounds = 3

// growth measures whether the work of a batch grows with the tables: for each history the
// cost of an event in the last tenth of the log over that in the first tenth. The ratio of
// an awkward history is divided by the usual one's, so that what grows for any log (colder
// caches, deeper indexes) does not count.
func (a *arena) growth(ctx context.Context, cfg Config) (Ratios, error) {
	grown := map[string][]float64{}
	for round := range min(cfg.Rounds, growthRounds) {
		for _, h := range story.Histories() {
			first, last, err := a.fold(ctx, h, cfg.Events)
			if err != nil {
				return nil, fmt.Errorf("the history %s: %w", h.Name, err)
			}
			grown[h.Name] = append(grown[h.Name], float64(last)/float64(first))
			fmt.Fprintf(cfg.Out, "round %d  %-12s %9d events  first tenth %8s an event, last tenth %8s\n", round+1, h.Name, cfg.Events, first, last)
		}
	}
	out := Ratios{}
	for _, h := range story.Histories() {
		if h.Name != story.Usual {
			out["growth/"+h.Name] = ratio(grown[h.Name], grown[story.Usual])
		}
	}
	return out, nil
}

// fold folds a history batch by batch, and returns what an event costs in the first and in
// the last tenth of it.
func (a *arena) fold(ctx context.Context, h story.History, events int) (first, last time.Duration, err error) {
	if err := a.load(ctx, h, events); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var m meter
	p, err := engine.New(engine.Config{
		Application: shop.Application,
		Log:         a.log, Postgres: a.pool.Config().ConnConfig, Set: a.set, BatchEvents: batchOf(events), BuildAbove: never, Logger: slog.New(slog.DiscardHandler),
		Observer: engine.Observer{Folded: func(f engine.Folded) {
			if m.passed(f.Position.Place(), time.Now()); f.Position.Place() >= a.last.Place() {
				cancel()
			}
		}},
	})
	if err != nil {
		return 0, 0, err
	}
	if err := p.Run(ctx); err != nil {
		return 0, 0, err
	}
	begin := a.last.Place() - int64(events)
	if first, err = m.cost(begin, begin+int64(events/10)); err != nil {
		return 0, 0, err
	}
	last, err = m.cost(a.last.Place()-int64(events/10), a.last.Place())
	return first, last, err
}

// batchOf is the batch for a log: a tenth of it has several.
func batchOf(events int) int { return max(1, min(batchEvents, events/100)) }

// load leaves a log of the history's events, and no view.
func (a *arena) load(ctx context.Context, h story.History, events int) (err error) {
	if _, err := a.pool.Exec(ctx, `truncate eventlog.events`); err != nil {
		return err
	}
	if a.set, err = h.Set(); err != nil {
		return err
	}
	a.events = h.Events(events)
	if err := a.openLog(ctx); err != nil {
		return err
	}
	return a.clear(ctx)
}

// meter notes when checkpoints were reached.
type meter struct {
	places []int64
	times  []time.Time
}

func (m *meter) passed(place int64, at time.Time) {
	m.places, m.times = append(m.places, place), append(m.times, at)
}

// cost is what an event takes between two places, from the first checkpoint at or behind
// from to the last up to until: what comes before the first checkpoint is no folding.
func (m *meter) cost(from, until int64) (time.Duration, error) {
	begin, end := -1, -1
	for i, place := range m.places {
		if begin < 0 && place > from {
			begin = i
		}
		if place <= until {
			end = i
		}
	}
	if begin < 0 || end <= begin {
		return 0, fmt.Errorf("no two checkpoints between the places %d and %d", from, until)
	}
	events := m.places[end] - m.places[begin]
	return m.times[end].Sub(m.times[begin]) / time.Duration(events), nil
}
