package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/watch"
	"github.com/readside/readside/projections/watch/rows"
)

// watched is a projector whose views are compared all the time, and what that found.
type watched struct {
	*fixture
	mu     sync.Mutex
	slices []rows.Compared
	errors bytes.Buffer
	folded chan eventlog.Position
	run    *desk
}

// tiny makes many slices of a few rows each.
const tiny = 16 << 10

func (f *fixture) watched(set *projections.Set, memory int64) *watched {
	f.t.Helper()
	w := &watched{fixture: f, folded: make(chan eventlog.Position, 100_000)}
	p, err := newDesk(engine.Config{
		Application: dbtest.Application,
		Log:         f.log, Postgres: f.config, Set: set, BatchEvents: 100, WatchRate: 1_000_000, WatchBytes: memory,
		Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError})),
		Observer: engine.Observer{
			Folded: func(x engine.Folded) { w.folded <- x.Position },
			Compared: func(c rows.Compared) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.slices = append(w.slices, c)
			},
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	w.run = p.WithoutRest()
	return w
}

// Write takes the projector's errors.
func (w *watched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errors.Write(line)
}

func (w *watched) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errors.String()
}

// of returns the slices of a view from the n-th of all on, and how many there are of all.
func (w *watched) of(view string, n int) (found []rows.Compared, all int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.slices[n:] {
		if c.View == view {
			found = append(found, c)
		}
	}
	return found, len(w.slices)
}

// turns waits until whole turns of a view were made from now on, and returns the slices.
func (w *watched) turns(view string, turns int) (found []rows.Compared) {
	w.t.Helper()
	_, from := w.of(view, 0)
	w.until(fmt.Sprintf("%d turns of %s were made", turns, view), func() bool {
		found, _ = w.of(view, from)
		done := 0
		for _, c := range found {
			if c.Turn {
				done++
			}
		}
		return done >= turns
	})
	return found
}

// alarm waits until a view has an alarm, and returns it with the slices that were compared
// from now on; wanted false waits until it has none.
func (w *watched) alarm(view string, wanted bool) (*watch.Difference, []rows.Compared) {
	w.t.Helper()
	_, from := w.of(view, 0)
	var found []rows.Compared
	var last watch.State
	w.until(fmt.Sprintf("the alarm of %s is %t", view, wanted), func() bool {
		found, _ = w.of(view, from)
		if len(found) == 0 {
			return false
		}
		last = found[len(found)-1].State
		return (last.Difference != nil) == wanted
	})
	return last.Difference, found
}

// A row that somebody damaged is found within one turn, named once, and recorded until it is
// repaired; so are one that is gone and one that the log does not know.
func TestTheWatchFindsADamagedRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(randomEvents(rand.New(rand.NewPCG(31, 3)), 1500)...)
	w := f.watched(set, tiny)
	defer f.runs(w.run)()
	f.reach(w.folded, last)
	w.turns("badge", 1)
	turn := w.turns("talk", 2)
	perTurn := len(turn)
	if perTurn < 4 {
		t.Errorf("two turns took %d slices: the test does not see how they are put together", perTurn)
	}
	for _, c := range turn {
		if len(c.Found) > 0 || c.State.Difference != nil {
			t.Fatalf("of what nobody damaged, %+v was found", c.Found)
		}
	}
	if f.int(`select count(*) from readside.verified where name = 'talk' and equal_at is not null and difference is null`) != 1 {
		t.Error("it is not recorded that the view is equal")
	}
	for name, damage := range map[string]string{
		"differs": `update views.talk_v1_g1 set stars = stars + 1 where id = $1`,
		"missing": `delete from views.talk_v1_g1 where id = $1`,
		"surplus": `insert into views.talk_v1_g1 select (jsonb_populate_record(r, '{"id": "stray"}')).* from views.talk_v1_g1 r where id = $1`,
	} {
		key := "t7"
		f.exec(damage, key)
		if name == "surplus" {
			key = "stray"
		}
		d, slices := w.alarm("talk", true)
		if d.Kind != name || d.Key != key || d.View != "talk" {
			t.Errorf("%s: found %+v", name, d)
		}
		if name == "differs" && (fmt.Sprint(d.Columns) != "[stars]" || d.Stored == d.Expected || d.Expected == "") {
			t.Errorf("found %+v", d)
		}
		if len(slices) > perTurn {
			t.Errorf("%s: it took %d slices, and two turns take %d", name, len(slices), perTurn)
		}
		w.turns("talk", 2)
		if got := f.int(`select count(*) from readside.verified where name = 'talk' and difference ->> 'key' = $1 and found_at is not null`, key); got != 1 {
			t.Errorf("%s: the record is not of row %s", name, key)
		}
		if got := strings.Count(w.logged(), "NOT what the log says"); got != 1 {
			t.Errorf("%s: it was logged %d times:\n%s", name, got, w.logged())
		}
		if _, err := f.projector(set, 100, nil).RebuildKey(t.Context(), "talk", key); err != nil {
			t.Fatal(err)
		}
		w.alarm("talk", false)
		before := f.int(`select count(*) from readside.verified where name = 'talk' and difference is null`)
		w.turns("talk", 2)
		if before != 1 || f.int(`select count(*) from readside.verified where name = 'talk' and difference is null and equal_at > clock_timestamp() - interval '1 minute'`) != 1 {
			t.Errorf("%s: the mended row is not recorded as equal", name)
		}
		w.mu.Lock()
		w.errors.Reset()
		w.mu.Unlock()
	}
	f.mustVerify(set)
}

// Joined columns are compared with what the sources' rows give; where a source's row is the
// one that is wrong, that is found too.
func TestTheWatchFindsADamagedJoin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(streamed{"p1", personRegistered{"p1", "Ada"}}, streamed{"p2", personRegistered{"p2", "Bob"}},
		streamed{"t1", talkProposed{"t1", "p1", "On views", nil}}, streamed{"t2", talkProposed{"t2", "p2", "On logs", nil}}, streamed{"b1", badgePrinted{"b1", "t1"}})
	w := f.watched(set, 0)
	defer f.runs(w.run)()
	f.reach(w.folded, last)
	w.turns("badge", 2)
	f.exec(`update views.badge_v1_g1 set speaker = 'Eve' where id = 'b1'`)
	if d, _ := w.alarm("badge", true); d.Key != "b1" || d.Stored != "Eve" || d.Expected != "Ada" || fmt.Sprint(d.Joins) != "[talk]" {
		t.Errorf("found %+v", d)
	}
	f.exec(`update views.badge_v1_g1 set speaker = 'Ada' where id = 'b1'`)
	w.alarm("badge", false)
	f.exec(`update views.person_v1_g1 set name = 'Eve' where id = 'p1'`)
	if d, _ := w.alarm("person", true); d.Key != "p1" || d.Stored != "Eve" || d.Expected != "Ada" || d.Joins != nil {
		t.Errorf("found %+v", d)
	}
	if d, _ := w.alarm("talk", true); d.Key != "t1" || fmt.Sprint(d.Joins) != "[person room]" {
		t.Errorf("of a row that joins a damaged one, found %+v", d)
	}
	f.exec(`update views.person_v1_g1 set name = 'Ada' where id = 'p1'`)
	w.alarm("person", false)
	w.alarm("talk", false)
}

// quietly fails where anything was found.
func (w *watched) quietly() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.slices {
		if len(c.Found) > 0 {
			w.t.Fatalf("at place %d the watch found %+v", c.Position.Place(), c.Found)
		}
	}
	if text := w.errors.String(); strings.Contains(text, "compared with the log") {
		w.t.Fatal(text)
	}
}

// Under load, with events that park, are tried again and discarded, with rebuilds and
// takeovers, nothing is found that is not there.
func TestTheWatchDoesNotCryWolf(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 77))
			f := newFixture(t)
			broken, mended := cardSet(t, true), cardSet(t, false)
			for _, set := range []*projections.Set{broken, broken, mended} {
				w := f.watched(set, tiny)
				stop := f.runs(w.run)
				f.reach(w.folded, f.randomCards(r, 40))
				for range 4 {
					f.operate(r, set)
					f.reach(w.folded, f.randomCards(r, 40))
				}
				if set == mended {
					if _, err := f.projector(set, 100, nil).Retry(t.Context(), parked.Waiting{View: "card"}); err != nil && !errors.Is(err, parked.ErrNothingWaits) {
						t.Fatal(err)
					}
				}
				w.turns("card", 2)
				w.turns("room", 2)
				stop()
				w.quietly()
			}
			f.mustVerify(mended)
			if got := f.int(`select count(*) from readside.verified where equal_at is not null and difference is null and problem = ''`); got != 2 {
				t.Errorf("%d of 2 views are recorded as equal", got)
			}
		})
	}
}

// operate does one of an operator's works beside the load.
func (f *fixture) operate(r *rand.Rand, set *projections.Set) {
	f.t.Helper()
	p := f.projector(set, 100, nil)
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	var err error
	switch r.IntN(4) {
	case 0:
		_, err = p.Retry(ctx, parked.Waiting{View: "card"})
	case 1:
		_, err = p.Discard(ctx, parked.Waiting{View: "card", Key: fmt.Sprint("c", r.IntN(12))})
	case 2:
		_, err = p.Rebuild(ctx, []string{"card", "room"}[r.IntN(2)], rebuild.Options{})
	default:
		_, err = p.RebuildKey(ctx, "room", fmt.Sprint("r", r.IntN(3)))
	}
	if err != nil && !errors.Is(err, parked.ErrNothingWaits) && !errors.Is(err, rebuild.ErrSourceWaits) && !strings.Contains(err.Error(), "no event of it is to blame") {
		f.t.Fatal(err)
	}
}

// The lease holder continues where the one before stopped, and a worker without the lease
// writes nothing.
func TestTheWatchBelongsToTheLeaseHolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(randomEvents(rand.New(rand.NewPCG(33, 3)), 800)...)
	f.catchUp(set, 100, last)
	f.exec(`update readside.leases set owner = 'cafe0000-0000-4000-8000-000000000000', expires_at = now() + interval '1 hour'`)
	steps := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	seen := make(chan rows.Compared, 1000)
	go func() {
		defer close(ended)
		rows.Run(ctx, rows.Config{
			Projector: engine.ProjectorName("main", set), Owner: "cafe0000-0000-4000-8000-000000000000", Log: f.log, Postgres: f.config, Set: set,
			Pace: stepwise(steps), PageEvents: 100, Bytes: tiny, Logger: slog.New(slog.DiscardHandler), Compared: func(c rows.Compared) { seen <- c },
		})
	}()
	for len(seen) == 0 {
		select {
		case steps <- struct{}{}:
		case c := <-seen:
			seen <- c
		}
	}
	first := f.int(`select count(*) from readside.verified`)
	if first == 0 {
		t.Error("nothing is recorded of a slice that was compared")
	}
	f.exec(`delete from readside.verified`)
	f.exec(`update readside.leases set owner = 'beef0000-0000-4000-8000-000000000000'`)
	f.until("the watch has given up", func() bool {
		select {
		case steps <- struct{}{}:
		default:
		}
		const there = `select (select count(*) from readside.verified) + (select count(*) from pg_stat_activity where datname = current_database() and application_name = 'readside watch')`
		return f.int(`select count(*) from readside.verified`) > 0 || f.int(there) == 0
	})
	cancel()
	<-ended
	if got := f.int(`select count(*) from readside.verified`); got != 0 {
		t.Errorf("%d rows were recorded by a worker that had lost its lease", got)
	}
}

// stepwise lets a page be read for each step.
type stepwise chan struct{}

func (s stepwise) Wait(ctx context.Context, _ int) error {
	select {
	case <-s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// counting counts what is paid for, and lets all of it happen.
type counting struct {
	mu            sync.Mutex
	events, pages int
}

func (c *counting) Wait(ctx context.Context, events int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events, c.pages = c.events+events, c.pages+1
	return ctx.Err()
}

// Every event that is read is paid for, pages are no larger than the rate allows, the rows
// stay within the memory, and slices cover all hashes without a gap, after a takeover too.
func TestTheWatchKeepsItsBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 5000, f.append(manyRows(500)...))
	f.exec(`update readside.leases set owner = 'cafe0000-0000-4000-8000-000000000000', expires_at = now() + interval '1 hour'`)
	const memory, page = 128 << 10, 50
	pace := &counting{}
	var all []rows.Compared
	for len(all) < 24 {
		ctx, cancel := context.WithCancel(t.Context())
		rows.Run(ctx, rows.Config{
			Projector: engine.ProjectorName("main", set), Owner: "cafe0000-0000-4000-8000-000000000000", Log: f.log, Postgres: f.config, Set: set,
			Pace: pace, PageEvents: page, Bytes: memory, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Compared: func(c rows.Compared) {
				all = append(all, c)
				if len(all)%7 == 0 { // another one continues
					cancel()
				}
			},
		})
		cancel()
	}
	events := 0
	next := map[string]uint64{}
	for _, c := range all {
		events += c.Events
		if c.Bytes > 3*memory { // a page more, and what handlers make of it
			t.Errorf("the rows of a slice of %s took %d bytes, and %d are allowed", c.View, c.Bytes, memory)
		}
		if c.From != next[c.View] {
			t.Errorf("a slice of %s begins at %d, and the one before ended before %d", c.View, c.From, next[c.View])
		}
		if next[c.View] = c.Last + 1; c.Turn != (c.Last+1 == 0) {
			t.Errorf("a slice of %s up to %d says %t of the turn's end", c.View, c.Last, c.Turn)
		}
	}
	if pace.events < events || pace.pages*page < events {
		t.Errorf("%d events were read, %d paid for in %d pages", events, pace.events, pace.pages)
	}
	if !slices.ContainsFunc(all, func(c rows.Compared) bool { return c.Turn && c.From > 0 }) {
		t.Error("no view needed several slices: the test shows nothing")
	}
}

// Where it is off, nothing is compared, and what was found before is forgotten.
func TestTheWatchCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, f.append(streamed{"p1", personRegistered{"p1", "Ada"}}))
	f.exec(`insert into readside.verified (projector, kind, name, version, generation) values ($1, 'view', 'talk', 1, 1)`, engine.ProjectorName("main", set))
	f.catchUp(set, 100, f.append(streamed{"p1", personRenamed{"p1", "Eve"}}))
	if got := f.int(`select count(*) from readside.verified`); got != 0 {
		t.Errorf("%d records are left", got)
	}
	if _, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, WatchRate: -1}); err == nil {
		t.Error("a rate of -1 was accepted")
	}
}
