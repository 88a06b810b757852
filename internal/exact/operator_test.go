package exact_test

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
)

// projector is the configuration of an operator's commands, which work beside the crew.
func (x *experiment) projector(p program) engine.Config {
	x.t.Helper()
	set, err := p.set()
	if err != nil {
		x.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(x.db.RoleURL("readside_projector"))
	if err != nil {
		x.t.Fatal(err)
	}
	return engine.Config{Application: dbtest.Application, Log: x.log, Postgres: config, Set: set, Program: p.name(), Logger: slog.New(slog.DiscardHandler)}
}

// drawView draws one of the views, once they are live.
func (x *experiment) drawView() *projections.Model {
	x.t.Helper()
	views := x.live()
	return views[x.r.IntN(len(views))]
}

// live waits until the views are live, and returns them.
func (x *experiment) live() []*projections.Model {
	x.t.Helper()
	set, err := x.program(true).set()
	if err != nil {
		x.t.Fatal(err)
	}
	x.until("the views are live", func() bool {
		var live int
		err := x.db.Pool.QueryRow(x.t.Context(), `select count(*) from readside.views where state = 'live'`).Scan(&live)
		return err == nil && live >= len(set.Views())
	})
	return set.Views()
}

// operator retries and discards with the handlers of a program.
type operator struct {
	x       *experiment
	set     *projections.Set
	views   engine.Config
	pool    *pgxpool.Pool
	facts   *cold.Desk
	letters *reaction.Desk
}

func (x *experiment) operator(mended bool) *operator {
	x.t.Helper()
	x.live() // rows that are being built are not mended
	p := x.program(mended)
	set, err := p.set()
	if err != nil {
		x.t.Fatal(err)
	}
	o := &operator{x: x, set: set, views: x.projector(p), pool: x.db.Role(x.t, "readside_projector")}
	o.facts = cold.NewDesk("", x.log, o.pool, set)
	reactor, err := p.reactor(x.log, x.db.Role(x.t, serviceRole))
	if err != nil {
		x.t.Fatal(err)
	}
	o.letters = reaction.NewDesk(reactor)
	return o
}

// retry tries everything again that waits.
func (o *operator) retry() {
	o.x.t.Helper()
	for _, view := range o.set.Views() {
		if len(o.waiting(view.Name)) > 0 {
			_, err := parked.Retry(o.x.t.Context(), o.views, parked.Waiting{View: view.Name})
			o.unlessGone(view.Name, err, func(control.ParkedEvent) bool { return true })
		}
	}
	for _, e := range o.parkedFacts() {
		if e.State == "parked" {
			if _, err := o.facts.Retry(o.x.t.Context(), cold.Waiting{Fact: e.Fact, Place: e.Position.Place()}); err != nil {
				o.x.t.Fatal(err)
			}
		}
	}
	for _, l := range o.deadLetters() {
		// What fails again stays, which the end of the run finds where it should not.
		_ = o.letters.Retry(o.x.t.Context(), l)
	}
}

// clear retries, and gives up what no program can fold.
//
// A discard gives up the first event that is parked of all that hangs together. Behind a
// retry with mended handlers only hopeless events stand before the place that it came to.
func (o *operator) clear() {
	o.x.t.Helper()
	o.retry()
	lost := o.x.lostPlaces()
	for _, view := range o.set.Views() {
		for _, e := range o.waiting(view.Name) {
			if e.State == "parked" && lost[e.Position.Place()] {
				_, err := parked.Discard(o.x.t.Context(), o.views, parked.Waiting{View: view.Name, Key: e.Key, Stream: streamOf(e)})
				o.unlessGone(view.Name, err, func(w control.ParkedEvent) bool {
					return w.Key == e.Key && w.Stream == e.Stream && w.Position == e.Position
				})
			}
		}
	}
	for _, e := range o.parkedFacts() {
		if e.State == "parked" && lost[e.Position.Place()] {
			if err := o.facts.Discard(o.x.t.Context(), cold.Waiting{Fact: e.Fact, Place: e.Position.Place()}); err != nil {
				o.x.t.Fatal(err)
			}
		}
	}
	for _, l := range o.deadLetters() {
		if lost[l.Position.Place()] {
			if err := o.letters.Discard(o.x.t.Context(), l); err != nil {
				o.x.t.Fatal(err)
			}
		}
	}
}

// streamOf is what chooses an event whose row is not known.
func streamOf(e control.ParkedEvent) string {
	if e.Key == "" {
		return e.Stream
	}
	return ""
}

// unlessGone fails for an error, but for that of an order on events of a view none of which
// waits any more: a rebuild that was handed over, or a discard before, took them along.
func (o *operator) unlessGone(view string, err error, of func(control.ParkedEvent) bool) {
	o.x.t.Helper()
	if err != nil && slices.ContainsFunc(o.waiting(view), of) {
		o.x.t.Fatal(err)
	}
}

// waiting are the events that wait in a view, those of a rebuild beside it left out.
func (o *operator) waiting(view string) []control.ParkedEvent {
	o.x.t.Helper()
	all, err := parked.List(o.x.t.Context(), o.views, view)
	if err != nil {
		o.x.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e control.ParkedEvent) bool { return e.State == "discarded" || strings.Contains(e.Projector, "+") })
}

func (o *operator) parkedFacts() []cold.Parked {
	o.x.t.Helper()
	all, err := o.facts.Parked(o.x.t.Context(), "")
	if err != nil {
		o.x.t.Fatal(err)
	}
	return all
}

func (o *operator) deadLetters() []reaction.DeadLetter {
	o.x.t.Helper()
	all, err := o.letters.List(o.x.t.Context(), "")
	if err != nil {
		o.x.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(l reaction.DeadLetter) bool { return l.DiscardedAt != nil })
}

// lostPlaces are the places of the events that no program can fold.
func (x *experiment) lostPlaces() map[int64]bool {
	x.t.Helper()
	rows, err := x.db.Pool.Query(x.t.Context(), `select position, stream, time from eventlog.events`)
	if err != nil {
		x.t.Fatal(err)
	}
	lost := map[int64]bool{}
	var place int64
	var stream string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&place, &stream, &at}, func() error {
		if x.fates.lost(stream, at) {
			lost[place] = true
		}
		return nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return lost
}

// nothingWaits reports whether no view, no fact and no reaction has events that wait. Those
// of a rebuild that was cut off wait for the next one.
func (x *experiment) nothingWaits() bool {
	x.t.Helper()
	var waiting int
	err := x.db.Pool.QueryRow(x.t.Context(), `select (select count(*) from readside.parked where state <> 'discarded' and projector not like '%+%') +
  (select count(*) from readside.cold_parked where state <> 'discarded') + (select count(*) from exact.dead_letters where discarded_at is null)`).Scan(&waiting)
	if err != nil {
		x.t.Fatal(err)
	}
	return waiting == 0
}
