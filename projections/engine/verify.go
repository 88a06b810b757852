package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// Verified is what verifying one view found.
type Verified struct {
	View       string            `json:"view"`
	Version    int               `json:"version"`
	Generation int               `json:"generation"`
	Position   eventlog.Position `json:"position"`
	// Rows is how many the table holds, unborn ones and tombstones among them.
	Rows int `json:"rows"`
	// Events is how many events were folded to verify it.
	Events      int         `json:"events"`
	Differences Differences `json:"differences"`
}

// OK says that the table is exactly what the log says.
func (v Verified) OK() bool { return v.Differences.Count == 0 }

// VerifyConfig says what to verify.
type VerifyConfig struct {
	// Projector is the first half of the projector's name, as in Config.
	Projector string
	Log       *eventlog.Log
	Postgres  *pgx.ConnConfig
	Set       *projections.Set
	// Views are the names of the views to verify; none means all.
	Views []string
	// Progress, unless nil, is called as the log is read.
	Progress func(at, until eventlog.Position)
}

// Verify folds the log anew in memory, up to the checkpoint, and compares every row
// of the tables with it: all in one snapshot, with the checkpoint read in it, so it
// is right while a projector runs.
func Verify(ctx context.Context, cfg VerifyConfig) ([]Verified, error) {
	models, err := chosen(cfg.Set, cfg.Views)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer closeConn(conn)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	at, err := readCheckpoint(ctx, tx, ProjectorName(cfg.Projector, cfg.Set), "", cfg.Log.Start())
	if err != nil {
		return nil, err
	}
	fold := newRefold(cfg.Log, cfg.Set)
	if err := fold.advance(ctx, at, func(p eventlog.Position) {
		if cfg.Progress != nil {
			cfg.Progress(p, at)
		}
	}); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return verifyTables(ctx, tx, cfg, models, fold)
}

func verifyTables(ctx context.Context, tx pgx.Tx, cfg VerifyConfig, models map[*projections.Model]bool, fold *refold) ([]Verified, error) {
	layouts, err := layoutsOf(cfg.Set)
	if err != nil {
		return nil, err
	}
	images, err := fold.images(layouts)
	if err != nil {
		return nil, err
	}
	var out []Verified
	for i, m := range cfg.Set.Views() {
		if !models[m] {
			continue
		}
		g, ok, err := liveGeneration(ctx, tx, ProjectorName(cfg.Projector, cfg.Set), m)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("view %s version %d has no live generation yet: run `readside project`", m.Name, m.Version)
		}
		v := Verified{View: m.Name, Version: m.Version, Generation: g.number, Position: fold.at, Events: fold.events}
		v.Rows, v.Differences, err = compareTable(ctx, tx, hot.NewTable(layouts[i], g.table), images[i])
		if err != nil {
			return nil, fmt.Errorf("verify view %s: %w", m.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// chosen finds views by name; none means all.
func chosen(set *projections.Set, names []string) (map[*projections.Model]bool, error) {
	out := map[*projections.Model]bool{}
	for _, name := range names {
		m := set.View(name)
		if m == nil {
			return nil, unknownView(set, name)
		}
		out[m] = true
	}
	if len(names) == 0 {
		for _, m := range set.Views() {
			out[m] = true
		}
	}
	return out, nil
}

func unknownView(set *projections.Set, name string) error {
	var names []string
	for _, m := range set.Views() {
		names = append(names, m.Name)
	}
	return fmt.Errorf("there is no view %q: there are %v", name, names)
}
