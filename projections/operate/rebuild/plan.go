package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/eventlog/size"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
)

// Estimate is what a rebuild would read, take and need.
type Estimate struct {
	View    string `json:"view"`
	Version int    `json:"version"`
	// Types counts the events that would be folded, by type; Events is their sum.
	Types  []TypeCount `json:"types"`
	Events int64       `json:"events"`
	// Estimated is how long they would take at the rate that bounds them, or at what a small
	// machine does without a bound.
	Estimated time.Duration `json:"estimated_ns"`
	// Bytes is the space that the new generation and the private sources would take
	// until the switch, as much as today's tables.
	Bytes int64 `json:"estimated_bytes"`
	// Connections is how many it opens.
	Connections int `json:"connections"`
}

// TypeCount is how many events there are of a type.
type TypeCount struct {
	Type   string `json:"type"`
	Events int64  `json:"events"`
}

const (
	// unboundedRate is what two cores folded and compared per second in docs/performance.md,
	// rounded down.
	unboundedRate = 300_000
	// rebuildConnections: the view's projector, the shadow's writer, second and lease, the
	// sources, the progress, the snapshot, and the log's two readers.
	rebuildConnections = 9
)

// Plan estimates the cost of a rebuild without changing anything.
func Plan(ctx context.Context, cfg engine.Config, view string, o Options) (Estimate, error) {
	r, err := open(cfg, view, o)
	if err != nil {
		return Estimate{}, err
	}
	if r.conn, err = pgx.ConnectConfig(ctx, r.main.Postgres); err != nil {
		return Estimate{}, fmt.Errorf("plan the rebuild of view %s: %w", view, err)
	}
	defer session.Close(r.conn)
	if err := r.check(ctx); err != nil {
		return Estimate{}, fmt.Errorf("plan the rebuild of view %s: %w", view, err)
	}
	plan, err := r.plan(ctx)
	if err != nil {
		return plan, fmt.Errorf("plan the rebuild of view %s: %w", view, err)
	}
	return plan, nil
}

func (r *rebuild) plan(ctx context.Context) (Estimate, error) {
	part := r.main.Set.With(r.model)
	plan := Estimate{View: r.model.Name, Version: r.model.Version, Connections: rebuildConnections}
	counts, err := size.Count(ctx, r.conn, part.ViewTypes())
	if err != nil {
		return plan, err
	}
	for _, c := range counts {
		plan.Types = append(plan.Types, TypeCount(c))
		plan.Events += c.Events
	}
	most := r.options.rate()
	if most < 0 {
		most = unboundedRate
	}
	plan.Estimated = time.Duration(float64(plan.Events) / float64(most) * float64(time.Second))
	var names []string
	for _, m := range part.Views() {
		names = append(names, m.Name)
	}
	plan.Bytes, err = control.LiveBytes(ctx, r.conn, r.main.Projector.Name, names)
	return plan, err
}
