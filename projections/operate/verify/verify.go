// Package verify compares views with the log: it folds the log again, privately, and compares
// the tables with what comes out.
package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/size"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/private"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/internal/memory"
	"github.com/readside/readside/projections/progress"
)

// Result is what verifying one view found.
type Result struct {
	View       string            `json:"view"`
	Version    int               `json:"version"`
	Generation int               `json:"generation"`
	Position   eventlog.Position `json:"position"`
	// Rows is how many the table holds, of those that were compared, unborn ones and
	// tombstones among them.
	Rows int `json:"rows"`
	// Events is how many events were folded to verify it.
	Events      int         `json:"events"`
	Differences Differences `json:"differences"`
	// Share is the share of the keys that was compared, 0 where all were.
	Share float64 `json:"share,omitempty"`
	// Checksum, nil where rows were compared one by one, is what only the sums say.
	Checksum *Checksum `json:"checksum,omitempty"`
}

// OK reports whether the table is exactly what the log gives, as far as it was compared.
func (v Result) OK() bool {
	return v.Differences.Count == 0 && (v.Checksum == nil || v.Checksum.Equal)
}

// Config is what to verify, and how.
type Config struct {
	// Application is the one that the database belongs to; every other database is refused.
	Application string
	// Projector is the first half of the projector's name, as in engine.Config.
	Projector string
	Log       *eventlog.Log
	Postgres  *pgx.ConnConfig
	Set       *projections.Set
	// Views are the names of the views to verify; none means all.
	Views []string
	// Sample, if above 0, is the share of the keys to compare, chosen by hash: always
	// the same ones.
	Sample float64
	// Checksum compares sums of all rows instead of rows: it reports whether the table is
	// right, not where it is wrong, and needs no room for the table's rows.
	Checksum bool
	// Budget is the memory for rows, in bytes; 0 is a quarter of the process's memory limit,
	// at most 1 GiB, and 256 MiB where there is none. What does not fit goes to a file in Dir, the system's folder for temporary files if empty.
	Budget int64
	Dir    string
	// Progress, unless nil, is called with how far it is.
	Progress func(progress.Fold)
}

// Views folds the log again, privately, up to the checkpoint, and compares the tables
// with it: all in one snapshot, with the checkpoint read in it, so it is right while a
// projector runs. Events that are parked or discarded are left out, as they are in
// the rows. Slice by slice, its memory is bounded whatever the size of the tables.
func Views(ctx context.Context, cfg Config) ([]Result, error) {
	models, err := chosen(cfg.Set, cfg.Views)
	if err != nil {
		return nil, err
	}
	if cfg.Sample < 0 || cfg.Sample > 1 {
		return nil, fmt.Errorf("verify: a sample of %g of the keys: give a share from 0 to 1", cfg.Sample)
	}
	if err := application.ValidName(cfg.Application); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	cfg.Postgres = application.Writer(cfg.Postgres, cfg.Application)
	conn, err := pgx.ConnectConfig(ctx, cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer session.Close(conn)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	cfg.Budget = memory.For(cfg.Budget)
	v := &verification{cfg: cfg, tx: tx}
	if err := v.look(ctx, models); err != nil {
		return nil, err
	}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return v.found, nil
}

// verification is one under way, in its snapshot.
type verification struct {
	cfg Config
	tx  pgx.Tx
	at  eventlog.Position
	// logBytes is how large the log is.
	logBytes int64
	tables   map[*projections.Model]*table
	parked   map[parkedTouch]bool
	// joinless are rows whose joins may fail: those that wait.
	joinless map[rowOf]bool
	sources  *private.Sources
	layouts  map[*projections.Model]*hot.Layout
	found    []Result
}

// table is a table to verify and what was found so far.
type table struct {
	*hot.Table
	result     Result
	comparison comparison
}

// comparison compares a view's rows with its table's, slice by slice.
type comparison interface {
	// begin reads the table.
	begin(ctx context.Context) error
	// slice takes what a slice should hold.
	slice(s replay.Slice) error
	// end is called behind the last slice.
	end() error
}

// look finds what there is to verify, as of the snapshot.
func (v *verification) look(ctx context.Context, models map[*projections.Model]bool) (err error) {
	// The snapshot is idle while the log is folded.
	if _, err := v.tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	name := engine.ProjectorName(v.cfg.Projector, v.cfg.Set)
	if v.at, err = control.ReadCheckpoint(ctx, v.tx, name, "", v.cfg.Log.Start()); err != nil {
		return err
	}
	if v.logBytes, err = size.Bytes(ctx, v.tx); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := v.readParked(ctx, name); err != nil {
		return err
	}
	v.tables, v.layouts = map[*projections.Model]*table{}, map[*projections.Model]*hot.Layout{}
	for _, m := range v.cfg.Set.Views() {
		l, err := hot.NewLayout(m)
		if err != nil {
			return err
		}
		v.layouts[m] = l
		if !models[m] {
			continue
		}
		g, ok, err := control.LiveGeneration(ctx, v.tx, name, m.Name)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("view %s version %d has %w", m.Name, m.Version, control.ErrNotLive)
		}
		v.tables[m] = &table{
			Table:  hot.NewTable(l, g.Table),
			result: Result{View: m.Name, Version: m.Version, Generation: g.Number, Position: v.at, Share: v.cfg.Sample},
		}
	}
	return nil
}

func (v *verification) run(ctx context.Context) error {
	v.sources = private.New(v.cfg.Postgres)
	defer func() { _ = v.sources.Close(context.WithoutCancel(ctx)) }()
	cfg := replay.Config{
		Log: v.cfg.Log, Set: v.cfg.Set, Until: v.at, Views: v.cfg.Views,
		Budget: v.cfg.Budget, Slices: replay.Slices(v.logBytes, v.cfg.Budget), Dir: v.cfg.Dir,
		Skip: v.skip, Sources: v.sources, Progress: v.cfg.Progress, Joinless: v.waits,
	}
	if v.cfg.Sample > 0 {
		cfg.Keep = func(_ *projections.Model, key string) bool { return v.compared(key) }
	}
	result, err := replay.Run(ctx, cfg, v.slice)
	err = errors.Join(err, v.abandon())
	for i := range v.found {
		v.found[i].Events = int(result.Events)
	}
	return err
}

// compared reports whether a row is in the sample.
func (v *verification) compared(key string) bool {
	return v.cfg.Sample == 0 || keyhash.InShare(key, v.cfg.Sample)
}

// slice compares one slice with the table, which is read before the first one.
func (v *verification) slice(ctx context.Context, s replay.Slice) error {
	if len(s.Sources) > 0 {
		keys, images := make([]string, len(s.Sources)), make([]hot.Image, len(s.Sources))
		for i, row := range s.Sources {
			keys[i], images[i] = row.Key, row.Image
		}
		if err := v.sources.Add(ctx, v.layouts[s.View], keys, images); err != nil {
			return err
		}
	}
	t := v.tables[s.View]
	if t == nil {
		return nil
	}
	if t.comparison == nil {
		if v.cfg.Checksum {
			t.comparison = &sums{v: v, table: t}
		} else {
			t.comparison = &rowByRow{v: v, table: t, slices: s.Of}
		}
		if err := t.comparison.begin(ctx); err != nil {
			return fmt.Errorf("read view %s: %w", s.View.Name, err)
		}
	}
	if err := t.comparison.slice(s); err != nil {
		return fmt.Errorf("view %s: %w", s.View.Name, err)
	}
	if s.Number < s.Of-1 {
		return nil
	}
	if err := t.comparison.end(); err != nil {
		return err
	}
	t.comparison = nil
	v.found = append(v.found, t.result)
	return nil
}

// abandon ends a comparison that did not come to its end.
func (v *verification) abandon() (err error) {
	for _, t := range v.tables {
		if t.comparison != nil {
			err = errors.Join(err, t.comparison.end())
		}
	}
	return err
}

// parkedTouch is an event that is not folded into a row; without a key into no row
// of the view.
type parkedTouch struct {
	view  string
	place int64
	key   string
}

// rowOf names a row.
type rowOf struct{ view, key string }

func (v *verification) readParked(ctx context.Context, projector string) error {
	v.parked, v.joinless = map[parkedTouch]bool{}, map[rowOf]bool{}
	touches, err := control.ParkedTouches(ctx, v.tx, projector, "")
	for _, t := range touches {
		if !t.Eventless {
			v.parked[parkedTouch{t.View, t.Place, t.Key}] = true
		}
		if t.Waits {
			v.joinless[rowOf{t.View, t.Key}] = true
		}
	}
	return err
}

func (v *verification) skip(view *projections.Model, key, _ string, place int64) bool {
	return len(v.parked) > 0 && (v.parked[parkedTouch{view.Name, place, key}] || v.parked[parkedTouch{view.Name, place, ""}])
}

// waits reports whether the joins of a row may fail: what its joined columns should hold
// is not known then.
func (v *verification) waits(view *projections.Model, key string) bool {
	return v.joinless[rowOf{view.Name, key}]
}

// chosen finds views by name; none means all.
func chosen(set *projections.Set, names []string) (map[*projections.Model]bool, error) {
	out := map[*projections.Model]bool{}
	for _, name := range names {
		m := set.View(name)
		if m == nil {
			return nil, UnknownView(set, name)
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

// UnknownView is the error for a name that a set does not have.
func UnknownView(set *projections.Set, name string) error {
	var names []string
	for _, m := range set.Views() {
		names = append(names, m.Name)
	}
	return fmt.Errorf("there is no view %q: there are %s", name, strings.Join(names, ", "))
}
