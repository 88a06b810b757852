package engine_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
)

// busy appends to a card until the function that it returns is called.
func (f *fixture) busy(stream, key string) (stop func()) {
	f.t.Helper()
	before := f.int(`select folded from readside.projectors`)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				f.append(streamed{stream, cardAdded{key, "", 1}})
			}
		}
	}()
	f.until("the worker is busy", func() bool { return f.int(`select folded from readside.projectors`) > before+20 })
	return func() {
		close(done)
		<-ended
	}
}

// However much waits, and however busy the worker is: one try folds it, since it keeps
// the worker from moving on.
func TestRetryOfManyBesideABusyWorker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	folded := make(chan eventlog.Position, 100_000)
	defer f.runs(f.projector(broken, 10_000, folded))()
	events := []streamed{{"c1", cardOpened{"c1", ""}}, {"c1", cardAdded{"c1", "panic", 2}}}
	for range 3000 {
		events = append(events, streamed{"c1", cardAdded{"c1", "", 1}})
	}
	f.reach(folded, f.append(events...))
	stop := f.busy("busy", "busy")
	got, err := f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "card", Key: "c1"})
	stop()
	f.mended(got, err, parked.Retried{Folded: 3001})
	if total := f.int(`select total from views.card_v1_g1 where id = 'c1'`); total != 3002 {
		t.Errorf("the total is %d", total)
	}
}

// The row that waits is itself the busy one: what comes while it is repaired is folded
// too, or waits, and nothing is left behind.
func TestRetryOfABusyRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	folded := make(chan eventlog.Position, 100_000)
	defer f.runs(f.projector(broken, 100, folded))()
	f.reach(folded, f.append(streamed{"c1", cardOpened{"c1", ""}}))
	for range 5 {
		f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "panic", 2}}))
		stop := f.busy("c1", "c1")
		got, err := f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "card", Key: "c1"})
		stop()
		if err != nil || got.Waiting != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "", 3}}))
		if waiting := f.int(`select count(*) from readside.parked`); waiting != 0 {
			t.Fatalf("%d events wait behind none that is parked", waiting)
		}
	}
	f.mustVerify(mended)
}

// A retry in vain needs no room beside what waits already.
func TestRetryInVainIsNotOverTheBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := cardSet(t, true)
	var last eventlog.Position
	for i := range 2 {
		id := fmt.Sprint("c", i)
		last = f.append(streamed{id, cardOpened{id, ""}}, streamed{id, cardAdded{id, "handler", 1}}, streamed{id, cardAdded{id, "", 1}})
	}
	f.catchUp(broken, 100, last)
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: broken, ParkedMax: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Retry(t.Context(), parked.Waiting{View: "card"})
	f.mended(got, err, parked.Retried{Waiting: 4})
}
