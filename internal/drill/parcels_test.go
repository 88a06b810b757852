package drill_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/progress"
)

// A domain whose log can be made by a few statements: parcels are sent from depots.
type (
	depotOpened struct{ ID, Name string }
	parcelSent  struct {
		ID, Depot, Note string
		Weight          int
	}
	parcelMoved struct{ ID, Depot string }

	depot struct {
		ID   string `view:"id,key"`
		Name string `view:"name"`
	}
	parcel struct {
		ID        string `view:"id,key"`
		Depot     string `view:"depot,index"`
		DepotName string `view:"depot_name,join"`
		Weight    int    `view:"weight"`
		Note      string `view:"note"`
		Moves     int    `view:"moves"`
	}
)

func (depotOpened) EventType() (string, int) { return "drill.DepotOpened", 1 }
func (parcelSent) EventType() (string, int)  { return "drill.ParcelSent", 1 }
func (parcelMoved) EventType() (string, int) { return "drill.ParcelMoved", 1 }

func parcels() (*projections.Set, error) {
	depots := projections.View[depot]{Name: "depot", Version: 1, Handlers: []projections.Handler[depot]{
		projections.Create(func(e depotOpened) string { return e.ID },
			func(d *depot, e depotOpened, _ projections.Meta) error { d.Name = e.Name; return nil }),
	}}
	return projections.NewSet(&depots, &projections.View[parcel]{Name: "parcel", Version: 1,
		Handlers: []projections.Handler[parcel]{
			projections.Create(func(e parcelSent) string { return e.ID },
				func(p *parcel, e parcelSent, _ projections.Meta) error {
					p.Depot, p.Weight, p.Note = e.Depot, e.Weight, e.Note
					return nil
				}),
			projections.Update(func(e parcelMoved) string { return e.ID },
				func(p *parcel, e parcelMoved, _ projections.Meta) error {
					p.Depot = e.Depot
					p.Moves++
					return nil
				}),
		},
		Joins: []projections.Join[parcel]{projections.Copy[parcel](&depots, "depot", "depot_name=name")},
	})
}

// largeVariable holds what this process is to do where it is one with little memory.
const largeVariable = "DRILL_LARGE"

// largeTask is what such a process does.
type largeTask struct {
	Task, URL, Dir string
	Budget         int64
}

// asLarge does it where this process is one, and says so.
func asLarge() bool {
	text := os.Getenv(largeVariable)
	if text == "" {
		return false
	}
	var task largeTask
	err := json.Unmarshal([]byte(text), &task)
	if err == nil {
		err = task.report()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, task.Task+":", err)
		os.Exit(1)
	}
	return true
}

func (l *largeTask) report() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	began := time.Now()
	got, err := l.run(ctx)
	if err != nil {
		return err
	}
	got.Took = time.Since(began)
	if got.Peak, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

func (l *largeTask) run(ctx context.Context) (got largeResult, err error) {
	pool, err := pgxpool.New(ctx, l.URL)
	if err != nil {
		return got, err
	}
	defer pool.Close()
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		return got, err
	}
	config, err := pgx.ParseConfig(l.URL)
	if err != nil {
		return got, err
	}
	set, err := parcels()
	if err != nil {
		return got, err
	}
	cfg := engine.Config{Application: dbtest.Application, Log: log, Postgres: config, Set: set, BuildAbove: 1, BuildBytes: l.Budget, BuildDir: l.Dir,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Observer: engine.Observer{Building: func(p progress.Fold) { got.Spilled = p.Spilled }}}
	switch l.Task {
	case "build":
		err = l.build(ctx, cfg, &got)
	case "rebuild":
		err = l.rebuild(ctx, cfg, &got)
	default:
		err = l.verify(ctx, cfg, &got)
	}
	return got, err
}

// build runs a projector until its views are live.
func (l *largeTask) build(ctx context.Context, cfg engine.Config, got *largeResult) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cfg.Observer.Folded = func(engine.Folded) { stop() } // the log's end: nothing comes meanwhile
	p, err := engine.New(cfg)
	if err != nil {
		return err
	}
	if err := p.Run(running); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, `select count(*) from views.parcel_v1_g1`).Scan(&got.Rows)
}

func (l *largeTask) rebuild(ctx context.Context, cfg engine.Config, got *largeResult) error {
	rebuilt, err := rebuild.View(ctx, cfg, "parcel", rebuild.Options{MaxRate: -1})
	got.Rows = rebuilt.Rows
	if err == nil && rebuilt.Repaired.Count > 0 {
		err = fmt.Errorf("the rebuild repaired %+v", rebuilt.Repaired)
	}
	return err
}

func (l *largeTask) verify(ctx context.Context, cfg engine.Config, got *largeResult) error {
	budget := l.Budget
	if budget == 0 {
		budget = debug.SetMemoryLimit(-1) / 4
	}
	found, err := verify.Views(ctx, verify.Config{
		Application: dbtest.Application,
		Projector:   "main", Log: cfg.Log, Postgres: cfg.Postgres, Set: cfg.Set, Budget: budget, Dir: l.Dir, Progress: cfg.Observer.Building,
	})
	if err != nil {
		return err
	}
	got.Rows, err = largeVerified(found)
	return err
}
