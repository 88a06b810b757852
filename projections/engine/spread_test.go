package engine_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

type (
	artistSigned  struct{ ID, Name string }
	artistRenamed struct{ ID, Name string }
	artistPlayed  struct{ ID string }
	artistFanned  struct{ ID string }
	artistRetired struct{ ID string }
	recordCut     struct {
		ID      string
		Artists []string
	}
)

func (artistSigned) EventType() (string, int)  { return "spread.ArtistSigned", 1 }
func (artistRenamed) EventType() (string, int) { return "spread.ArtistRenamed", 1 }
func (artistPlayed) EventType() (string, int)  { return "spread.ArtistPlayed", 1 }
func (artistFanned) EventType() (string, int)  { return "spread.ArtistFanned", 1 }
func (artistRetired) EventType() (string, int) { return "spread.ArtistRetired", 1 }
func (recordCut) EventType() (string, int)     { return "spread.RecordCut", 1 }

// artist has a column that no join reads.
type artist struct {
	ID    string `view:"id,key"`
	Name  string `view:"name"`
	Plays int    `view:"plays"`
	Fans  int    `view:"fans"`
}

type copying struct {
	ID     string `view:"id,key"`
	Artist string `view:"artist"`
	Name   string `view:"name,join"`
	Fans   int    `view:"fans,join"`
}

type calling struct {
	ID     string `view:"id,key"`
	Artist string `view:"artist"`
	Name   string `view:"name,join"`
}

type gathering struct {
	ID      string   `view:"id,key"`
	Artists []string `view:"artists"`
	Names   []string `view:"names,join"`
}

// below joins what is joined itself, by a copy and by a function.
type below struct {
	ID     string   `view:"id,key"`
	Record string   `view:"record"`
	Name   string   `view:"name,join"`
	Names  []string `view:"names,join"`
}

// renaming is what the handler of a rename does.
type renaming func(a *artist, e artistRenamed) error

func renames(a *artist, e artistRenamed) error { a.Name = e.Name; return nil }
func forgets(*artist, artistRenamed) error     { return nil }
func refuses(a *artist, e artistRenamed) error {
	if e.Name == "Anna" {
		return errors.New("no such name")
	}
	return renames(a, e)
}

// spreadSet has a source, a view for each kind of join, and one below those.
func spreadSet(t *testing.T, rename renaming) *projections.Set {
	t.Helper()
	artists := &projections.View[artist]{Name: "artist", Version: 1, Handlers: []projections.Handler[artist]{
		projections.Create(func(e artistSigned) string { return e.ID }, func(a *artist, e artistSigned, _ projections.Meta) error { a.Name = e.Name; return nil }),
		projections.Update(func(e artistRenamed) string { return e.ID }, func(a *artist, e artistRenamed, _ projections.Meta) error { return rename(a, e) }),
		projections.Update(func(e artistPlayed) string { return e.ID }, func(a *artist, _ artistPlayed, _ projections.Meta) error { a.Plays++; return nil }),
		projections.Update(func(e artistFanned) string { return e.ID }, func(a *artist, _ artistFanned, _ projections.Meta) error { a.Fans++; return nil }),
		projections.Delete[artist](func(e artistRetired) string { return e.ID }),
	}}
	id := func(e recordCut) string { return e.ID }
	copies := &projections.View[copying]{Name: "copying", Version: 1,
		Handlers: []projections.Handler[copying]{projections.Create(id, func(r *copying, e recordCut, _ projections.Meta) error { r.Artist = e.Artists[0]; return nil })},
		Joins:    []projections.Join[copying]{projections.Copy[copying](artists, "artist", "name", "fans")}}
	calls := &projections.View[calling]{Name: "calling", Version: 1,
		Handlers: []projections.Handler[calling]{projections.Create(id, func(r *calling, e recordCut, _ projections.Meta) error { r.Artist = e.Artists[0]; return nil })},
		Joins: []projections.Join[calling]{projections.JoinOn(artists, func(r *calling) []string { return []string{r.Artist} }, func(r *calling, get func(string) *artist) {
			if a := get(r.Artist); a != nil {
				r.Name = a.Name
			}
		}, "name")}}
	gathers := &projections.View[gathering]{Name: "gathering", Version: 1,
		Handlers: []projections.Handler[gathering]{projections.Create(id, func(r *gathering, e recordCut, _ projections.Meta) error { r.Artists = e.Artists; return nil })},
		Joins: []projections.Join[gathering]{projections.JoinOn(artists, func(r *gathering) []string { return r.Artists }, func(r *gathering, get func(string) *artist) {
			for _, id := range r.Artists {
				if a := get(id); a != nil {
					r.Names = append(r.Names, a.Name)
				}
			}
		}, "name")}}
	lowest := &projections.View[below]{Name: "below", Version: 1,
		Handlers: []projections.Handler[below]{projections.Create(id, func(r *below, e recordCut, _ projections.Meta) error { r.Record = e.ID; return nil })},
		Joins: []projections.Join[below]{
			projections.Copy[below](copies, "record", "name"),
			projections.JoinOn(gathers, func(r *below) []string { return []string{r.Record} }, func(r *below, get func(string) *gathering) {
				if g := get(r.Record); g != nil {
					r.Names = g.Names
				}
			}, "names"),
		}}
	set, err := projections.NewSet(lowest, gathers, calls, copies, artists)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// changeOfRows is one way in which rows of a view change.
type changeOfRows struct {
	before, after renaming
	change        func(f *fixture, before, after *projections.Set, p *desk) error
	want          string
}

var anna = streamed{"a1", artistRenamed{"a1", "Anna"}}

var changesOfRows = map[string]changeOfRows{
	"batch": {renames, renames, func(f *fixture, _, after *projections.Set, _ *desk) error {
		f.catchUp(after, 100, f.append(anna))
		return nil
	}, "Anna"},
	"retry": {refuses, renames, func(f *fixture, before, _ *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna))
		_, err := p.Retry(f.t.Context(), parked.Waiting{View: "artist", Key: "a1"})
		return err
	}, "Anna"},
	"discard": {refuses, refuses, func(f *fixture, before, _ *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna, streamed{"a1", artistRenamed{"a1", "Annie"}}))
		_, err := p.Discard(f.t.Context(), parked.Waiting{View: "artist", Key: "a1"})
		return err
	}, "Annie"},
	"repair of a row": {forgets, renames, func(f *fixture, before, _ *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna))
		_, err := p.RebuildKey(f.t.Context(), "artist", "a1")
		return err
	}, "Anna"},
	"handover of what was parked": {refuses, renames, func(f *fixture, before, _ *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna, streamed{"a2", artistRenamed{"a2", "Anna"}}))
		_, err := p.Rebuild(f.t.Context(), "artist", rebuild.Options{})
		return err
	}, "Anna"},
	"handover of what was wrong": {forgets, renames, func(f *fixture, before, _ *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna))
		_, err := p.Rebuild(f.t.Context(), "artist", rebuild.Options{})
		return err
	}, "Anna"},
	"handover of what went wrong after the comparison": {forgets, renames, func(f *fixture, before, _ *projections.Set, p *desk) error {
		_, err := p.Rebuild(f.t.Context(), "artist", rebuild.Options{Progress: func(progress rebuild.Progress) {
			if progress.Phase == rebuild.PhaseSwitching {
				f.catchUp(before, 100, f.append(anna))
			}
		}})
		return err
	}, "Anna"},
	"handover in the middle": {forgets, renames, func(f *fixture, before, after *projections.Set, p *desk) error {
		f.catchUp(before, 100, f.append(anna))
		if _, err := p.Rebuild(f.t.Context(), "artist", rebuild.Options{}); err != nil {
			return err
		}
		f.exec(`update views.copying_v1_g1 set name = 'damaged'; update views.below_v1_g1 set name = 'damaged'`)
		_, err := p.Rebuild(f.t.Context(), "copying", rebuild.Options{})
		return err
	}, "Anna"},
}

// Every change of a view's rows reaches the views that join it, by every kind of join and
// through several views, in the same transaction: nothing has to be folded afterwards.
func TestEveryChangeOfRowsFansOut(t *testing.T) {
	t.Parallel()
	for place, c := range changesOfRows {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			before, after := spreadSet(t, c.before), spreadSet(t, c.after)
			f.catchUp(before, 100, f.append(streamed{"a1", artistSigned{"a1", "Ann"}}, streamed{"a2", artistSigned{"a2", "Bob"}},
				streamed{"r1", recordCut{"r1", []string{"a1", "a2"}}}, streamed{"r2", recordCut{"r2", []string{"a2"}}}))
			f.mustVerify(before)
			epoch := f.int(`select epoch from readside.projectors`)
			if err := c.change(f, before, after, f.quiet(after)); err != nil {
				t.Fatal(err)
			}
			f.mustVerify(after)
			if got := f.int(`select epoch from readside.projectors`); got <= epoch {
				t.Errorf("the epoch is %d, as it was before: a worker would keep what it knows", got)
			}
			for _, table := range []string{"copying", "calling", "below"} {
				var live, name string
				if err := f.db.Pool.QueryRow(t.Context(), `select table_name from readside.views where view = $1 and state = 'live'`, table).Scan(&live); err != nil {
					t.Fatal(err)
				}
				if err := f.db.Pool.QueryRow(t.Context(), fmt.Sprintf(`select name from views.%s where id = 'r1'`, live)).Scan(&name); err != nil || name != c.want {
					t.Errorf("%s has the name %q, %v, not %q", table, name, err, c.want)
				}
			}
		})
	}
}

// A handover brings any number of changed rows to the rows that join them, some at a time.
func TestHandoverOfManyChangedRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before, after := spreadSet(t, forgets), spreadSet(t, renames)
	var events []streamed
	const artists = 2300 // more than two chunks
	for i := range artists {
		a, b := fmt.Sprint("a", i), fmt.Sprint("a", (i*7+1)%artists)
		events = append(events, streamed{a, artistSigned{a, "Ann"}}, streamed{"r" + a, recordCut{"r" + a, []string{a, b}}})
	}
	for i := range artists {
		a := fmt.Sprint("a", i)
		events = append(events, streamed{a, artistRenamed{a, "Anna " + a}})
	}
	f.catchUp(before, 10_000, f.append(events...))
	out, err := f.quiet(after).Rebuild(t.Context(), "artist", rebuild.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Repaired.Count != artists {
		t.Errorf("%d rows were repaired", out.Repaired.Count)
	}
	f.mustVerify(after)
	f.catchUp(after, 100, f.append(streamed{"a1", artistRenamed{"a1", "Anne"}}))
	f.mustVerify(after)
}

// A source of more rows than one chunk has reaches all of them, and what joins those.
func TestSourceOfManyRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := spreadSet(t, renames)
	events := []streamed{{"a1", artistSigned{"a1", "Ann"}}}
	for i := range 2_100 {
		id := fmt.Sprint("r", i)
		events = append(events, streamed{id, recordCut{id, []string{"a1"}}})
	}
	f.catchUp(set, 10_000, f.append(events...))
	f.catchUp(set, 10_000, f.append(streamed{"a1", artistRenamed{"a1", "Anna"}}))
	if got := f.int(`select count(*) from views.below_v1_g1 where name = 'Anna' and names::text = '["Anna"]'`); got != 2_100 {
		t.Errorf("%d rows have the new name", got)
	}
	f.mustVerify(set)
}

// linerNotes are rows of megabytes that join by a function.
type linerNotes struct {
	ID     string `view:"id,key"`
	Artist string `view:"artist"`
	Text   string `view:"text"`
	Name   string `view:"name,join"`
}

// Rows that are too large to be computed again together are computed one group after
// another, and none is left out.
func TestSourceOfManyLargeRows(t *testing.T) {
	t.Parallel()
	const rows, size = 20, 1 << 20 // more than fanBytes together
	artists := &projections.View[artist]{Name: "artist", Version: 1, Handlers: []projections.Handler[artist]{
		projections.Create(func(e artistSigned) string { return e.ID }, func(a *artist, e artistSigned, _ projections.Meta) error { a.Name = e.Name; return nil }),
		projections.Update(func(e artistRenamed) string { return e.ID }, func(a *artist, e artistRenamed, _ projections.Meta) error { return renames(a, e) }),
	}}
	notes := &projections.View[linerNotes]{Name: "notes", Version: 1,
		Handlers: []projections.Handler[linerNotes]{projections.Create(func(e recordCut) string { return e.ID }, func(r *linerNotes, e recordCut, _ projections.Meta) error {
			r.Artist, r.Text = e.Artists[0], strings.Repeat("x", size)
			return nil
		})},
		Joins: []projections.Join[linerNotes]{projections.JoinOn(artists, func(r *linerNotes) []string { return []string{r.Artist} }, func(r *linerNotes, get func(string) *artist) {
			if a := get(r.Artist); a != nil {
				r.Name = a.Name
			}
		}, "name")}}
	set, err := projections.NewSet(artists, notes)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	events := []streamed{{"a1", artistSigned{"a1", "Ann"}}}
	for i := range rows {
		id := fmt.Sprint("r", i)
		events = append(events, streamed{id, recordCut{id, []string{"a1"}}})
	}
	f.catchUp(set, 10_000, f.append(events...))
	f.catchUp(set, 10_000, f.append(streamed{"a1", artistRenamed{"a1", "Anna"}}))
	if got := f.int(`select count(*) from views.notes_v1_g1 where name = 'Anna'`); got != rows {
		t.Errorf("%d of %d rows have the new name", got, rows)
	}
	f.mustVerify(set)
}

// quiet is a projector for an operator's orders.
func (f *fixture) quiet(set *projections.Set) *desk {
	f.t.Helper()
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, Logger: slog.New(slog.NewTextHandler(f.t.Output(), nil))})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// What did not visibly change fans out to nobody, however many rows join it: a row that
// nobody has created, a deleted one, columns that no join reads. Else the work of a batch
// would grow with the table.
func TestWhatDidNotVisiblyChangeFansOutToNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before []streamed
		event  func(n int) streamed
		effort engine.Effort // of each event
	}{
		"unborn": {nil, func(n int) streamed { return streamed{"a1", artistRenamed{"a1", fmt.Sprint("name ", n)}} },
			engine.Effort{Rows: 1, Unborn: 1}},
		"deleted": {[]streamed{{"a1", artistSigned{"a1", "Ann"}}, {"a1", artistRetired{"a1"}}},
			func(n int) streamed { return streamed{"a1", artistRenamed{"a1", fmt.Sprint("name ", n)}} },
			engine.Effort{Late: 1}},
		"unread": {[]streamed{{"a1", artistSigned{"a1", "Ann"}}},
			func(int) streamed { return streamed{"a1", artistPlayed{"a1"}} },
			engine.Effort{Rows: 1}},
		// The copies of it change, and what copies from them reads another column.
		"unread below": {[]streamed{{"a1", artistSigned{"a1", "Ann"}}},
			func(int) streamed { return streamed{"a1", artistFanned{"a1"}} },
			engine.Effort{Rows: 1, Sources: 1, Fanned: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := spreadSet(t, renames)
			efforts := make(chan engine.Folded, 1000)
			p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
				Observer: engine.Observer{Folded: func(x engine.Folded) { efforts <- x }}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.runs(p)()
			step := func(events ...streamed) (sum engine.Effort) {
				last := f.append(events...)
				for x := range efforts {
					sum.Rows, sum.Sources, sum.Fanned = sum.Rows+x.Effort.Rows, sum.Sources+x.Effort.Sources, sum.Fanned+x.Effort.Fanned
					sum.Late, sum.Unborn = sum.Late+x.Effort.Late, sum.Unborn+x.Effort.Unborn
					if x.Position.Place() >= last.Place() {
						break
					}
				}
				return sum
			}
			records := make([]streamed, 100)
			for i := range records {
				id := fmt.Sprint("r", i)
				records[i] = streamed{id, recordCut{id, []string{"a1", "a2"}}}
			}
			step(append(c.before, records...)...)
			for n := range 3 {
				if got := step(c.event(n)); got != c.effort {
					t.Errorf("event %d: %+v, not %+v", n, got, c.effort)
				}
			}
			f.mustVerify(set)
		})
	}
}
