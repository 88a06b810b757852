package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/replay"
)

// Verified is what verifying one view found.
type Verified struct {
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

// OK reports whether the table is exactly what the log says, as far as it was compared.
func (v Verified) OK() bool {
	return v.Differences.Count == 0 && (v.Checksum == nil || v.Checksum.Equal)
}

// VerifyConfig says what to verify, and how.
type VerifyConfig struct {
	// Application is the one that the database belongs to; every other database is refused.
	Application string
	// Projector is the first half of the projector's name, as in Config.
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
	// Progress, unless nil, is told how far it is.
	Progress func(replay.Progress)
}

// Verify folds the log anew, privately, up to the checkpoint, and compares the tables
// with it: all in one snapshot, with the checkpoint read in it, so it is right while a
// projector runs. Events that are parked or discarded are left out, as they are in
// the rows. Slice by slice, its memory is bounded whatever the size of the tables.
func Verify(ctx context.Context, cfg VerifyConfig) ([]Verified, error) {
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
	cfg.Postgres = prepared(application.Guard(cfg.Postgres, cfg.Application))
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
	cfg.Budget = memoryFor(cfg.Budget)
	v := &verification{VerifyConfig: cfg, tx: tx}
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
	VerifyConfig
	tx pgx.Tx
	at eventlog.Position
	// logBytes is how large the log is.
	logBytes int64
	tables   map[*projections.Model]*verifiedTable
	parked   map[parkedTouch]bool
	// joinless are rows whose joins may fail: those that wait.
	joinless map[rowOf]bool
	sources  *hot.PrivateSources
	layouts  map[*projections.Model]*hot.Layout
	found    []Verified
}

// verifiedTable is a table to verify and what was found so far.
type verifiedTable struct {
	*hot.Table
	Verified
	comparison
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
	name := ProjectorName(v.Projector, v.Set)
	if v.at, err = readCheckpoint(ctx, v.tx, name, "", v.Log.Start()); err != nil {
		return err
	}
	if err := v.tx.QueryRow(ctx, `select pg_table_size('eventlog.events')`).Scan(&v.logBytes); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := v.readParked(ctx, name); err != nil {
		return err
	}
	v.tables, v.layouts = map[*projections.Model]*verifiedTable{}, map[*projections.Model]*hot.Layout{}
	for _, m := range v.Set.Views() {
		l, err := hot.NewLayout(m)
		if err != nil {
			return err
		}
		v.layouts[m] = l
		if !models[m] {
			continue
		}
		g, ok, err := liveGeneration(ctx, v.tx, name, m)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("view %s version %d has %w", m.Name, m.Version, ErrNotLive)
		}
		v.tables[m] = &verifiedTable{
			Table:    hot.NewTable(l, g.table),
			Verified: Verified{View: m.Name, Version: m.Version, Generation: g.number, Position: v.at, Share: v.Sample},
		}
	}
	return nil
}

func (v *verification) run(ctx context.Context) error {
	v.sources = hot.NewPrivateSources(v.Postgres)
	defer func() { _ = v.sources.Close(context.WithoutCancel(ctx)) }()
	cfg := replay.Config{
		Log: v.Log, Set: v.Set, Until: v.at, Views: v.Views,
		Budget: v.Budget, Slices: replay.Slices(v.logBytes, v.Budget), Dir: v.Dir,
		Skip: v.skip, Sources: v.sources, Progress: v.Progress, Joinless: v.waits,
	}
	if v.Sample > 0 {
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
	return v.Sample == 0 || replay.InShare(key, v.Sample)
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
		if v.Checksum {
			t.comparison = &sums{verification: v, table: t}
		} else {
			t.comparison = &rowByRow{verification: v, table: t, slices: s.Of}
		}
		if err := t.begin(ctx); err != nil {
			return fmt.Errorf("read view %s: %w", s.View.Name, err)
		}
	}
	if err := t.slice(s); err != nil {
		return fmt.Errorf("view %s: %w", s.View.Name, err)
	}
	if s.Number < s.Of-1 {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	t.comparison = nil
	v.found = append(v.found, t.Verified)
	return nil
}

// abandon ends a comparison that did not come to its end.
func (v *verification) abandon() (err error) {
	for _, t := range v.tables {
		if t.comparison != nil {
			err = errors.Join(err, t.end())
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
	rows, err := v.tx.Query(ctx, `select view, place, key, state <> 'discarded', stream <> '' from readside.parked where projector = $1`, projector)
	if err != nil {
		return fmt.Errorf("read what is parked: %w", explain(err))
	}
	var t parkedTouch
	var waits, isEvent bool
	_, err = pgx.ForEachRow(rows, []any{&t.view, &t.place, &t.key, &waits, &isEvent}, func() error {
		if isEvent { // else only the row's joins failed
			v.parked[t] = true
		}
		if waits {
			v.joinless[rowOf{t.view, t.key}] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what is parked: %w", explain(err))
	}
	return nil
}

func (v *verification) skip(view *projections.Model, key, _ string, place int64) bool {
	return len(v.parked) > 0 && (v.parked[parkedTouch{view.Name, place, key}] || v.parked[parkedTouch{view.Name, place, ""}])
}

// waits says of a row that its joins may fail: what its joined columns should hold
// nobody can say then.
func (v *verification) waits(view *projections.Model, key string) bool {
	return v.joinless[rowOf{view.Name, key}]
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
	return fmt.Errorf("there is no view %q: there are %s", name, strings.Join(names, ", "))
}
