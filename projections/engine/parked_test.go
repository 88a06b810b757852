package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

// A domain whose events say in their note how they break: cards are opened and added
// to, and show the name of their room.
type (
	cardOpened struct{ ID, Room string }
	// cardAdded is what broken code knows of the event, cardAdded2 what repaired code does.
	cardAdded struct {
		ID, Note string
		N        int
	}
	cardAdded2 struct {
		ID, Note string
		N        lenient
	}
	lenient int
	card    struct {
		ID    string `view:"id,key"`
		Room  string `view:"room"`
		Note  string `view:"note"`
		Total int    `view:"total"`
		Seen  []int  `view:"seen"`
		Touch touchy `view:"touch"`
		Name  string `view:"name,join"`
	}
	// touchy is a value whose own method panics.
	touchy struct{ On bool }
	adding interface {
		eventlog.Typed
		parts() (id, note string, n int)
	}
)

func (cardOpened) EventType() (string, int)          { return "test.CardOpened", 1 }
func (cardAdded) EventType() (string, int)           { return "test.CardAdded", 1 }
func (cardAdded2) EventType() (string, int)          { return "test.CardAdded", 1 }
func (e cardAdded) parts() (id, note string, n int)  { return e.ID, e.Note, e.N }
func (e cardAdded2) parts() (id, note string, n int) { return e.ID, e.Note, int(e.N) }

// UnmarshalJSON takes text for a number, as repaired code does.
func (l *lenient) UnmarshalJSON(data []byte) error {
	_, err := fmt.Sscan(strings.Trim(string(data), `"`), (*int)(l))
	return err
}

// MarshalJSON panics where On is set.
func (t touchy) MarshalJSON() ([]byte, error) {
	if t.On {
		panic("touched")
	}
	return []byte("{}"), nil
}

// cards is the view with handlers that break where a note names how.
func cards[E adding](broken bool, rooms *projections.View[room]) projections.View[card] {
	breaks := func(note, how string) bool { return broken && note == how }
	return projections.View[card]{Name: "card", Version: 1,
		Handlers: []projections.Handler[card]{
			projections.Create(func(e cardOpened) string { return e.ID },
				func(c *card, e cardOpened, _ projections.Meta) error { c.Room = e.Room; return nil }),
			projections.Update(func(e E) string {
				id, note, _ := e.parts()
				if breaks(note, "key") {
					return ""
				}
				return id
			}, func(c *card, e E, _ projections.Meta) error {
				_, note, n := e.parts()
				c.Total, c.Seen = c.Total+n, append(c.Seen, n)
				if note != "" {
					c.Note = note
				}
				switch {
				case breaks(note, "handler"):
					return errBroken
				case breaks(note, "panic"):
					panic(note)
				case breaks(note, "touchy"):
					c.Touch.On = true
				case breaks(note, "unstorable"):
					c.Note = "\x00"
				}
				return nil
			}),
		},
		Joins: []projections.Join[card]{projections.JoinOn(rooms, func(c *card) []string { return []string{c.Room} }, func(c *card, get func(string) *room) {
			r := get(c.Room)
			if r == nil {
				return
			}
			if breaks(c.Note, "join") || breaks(r.Name, "join") {
				panic("join")
			}
			c.Name = r.Name
		}, "name")},
	}
}

func cardSet(t *testing.T, broken bool) *projections.Set {
	t.Helper()
	rooms := rooms()
	views := []projections.Definition{&rooms}
	if broken {
		c := cards[cardAdded](true, &rooms)
		views = append(views, &c)
	} else {
		c := cards[cardAdded2](false, &rooms)
		views = append(views, &c)
	}
	set, err := projections.NewSet(views...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// damage is a way in which an event cannot be folded.
type damage struct {
	name, reason string
	// event is the one that cannot; raw is stored instead where it is set.
	event eventlog.Typed
	raw   string
	// stream reports whether the row cannot be read from it.
	stream bool
}

var damages = []damage{
	{name: "undecodable", reason: "undecodable", raw: `{"ID": "c1", "N": "7"}`, stream: true},
	{name: "hopeless", reason: "undecodable", raw: `{"ID": 5}`, stream: true},
	{name: "key", reason: "key", event: cardAdded{"c1", "key", 7}, stream: true},
	{name: "handler", reason: "handler", event: cardAdded{"c1", "handler", 7}},
	{name: "panic", reason: "panic", event: cardAdded{"c1", "panic", 7}},
	{name: "unstorable", reason: "unstorable", event: cardAdded{"c1", "unstorable", 7}},
	{name: "a value that panics", reason: "unstorable", event: cardAdded{"c1", "touchy", 7}},
	{name: "join", reason: "join", event: cardAdded{"c1", "join", 7}},
}

// appendDamage appends the event that breaks, and returns its place.
func (f *fixture) appendDamage(d damage, stream string) eventlog.Position {
	f.t.Helper()
	if d.raw == "" {
		return f.append(streamed{stream, d.event})
	}
	f.versions[stream]++
	f.exec(`insert into eventlog.events (source, stream, version, id, type, schema_version, time, data)
	  values (current_user, $1, $2, gen_random_uuid()::text, 'test.CardAdded', 1, now(), $3)`, stream, f.versions[stream], d.raw)
	head, err := f.log.Head(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return head
}

// Whatever is wrong with an event: its row stays as it was right before, later events
// of it wait in order, everything else continues, a verification knows, and once the
// code is repaired a retry folds all of it.
func TestFaultyEventIsParked(t *testing.T) {
	t.Parallel()
	for _, d := range damages {
		for _, batch := range []int{2, 100} {
			t.Run(fmt.Sprintf("%s/%d", d.name, batch), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				broken, mended := cardSet(t, true), cardSet(t, false)
				f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"c1", cardOpened{"c1", "r1"}}, streamed{"c2", cardOpened{"c2", "r1"}},
					streamed{"c1", cardAdded{"c1", "", 1}}, streamed{"c2", cardAdded{"c2", "", 10}})
				bad := f.appendDamage(d, "c1")
				last := f.append(streamed{"c1", cardAdded{"c1", "", 2}}, streamed{"c2", cardAdded{"c2", "", 20}}, streamed{"r1", roomRenamed{"r1", "eins"}},
					streamed{"c1", cardAdded{"c1", "", 3}}, streamed{"c3", cardOpened{"c3", "r1"}})
				f.catchUp(broken, batch, last)
				f.checkParked(broken, d, bad)
				f.mustVerify(broken)

				if d.name == "hopeless" { // no code repairs that
					f.discards(mended, parked.Waiting{View: "card", Stream: "c1"}, parked.Retried{Folded: 2, Discarded: 1})
					f.mustBe("c1", 6, "[1,2,3]")
					f.mustVerify(mended)
					return
				}
				f.retries(mended, parked.Waiting{View: "card"}, parked.Retried{Folded: 3})
				f.mustBe("c1", 13, "[1,7,2,3]")
				f.mustVerify(mended)
			})
		}
	}
}

// checkParked looks at what one damaged event left behind.
func (f *fixture) checkParked(set *projections.Set, d damage, bad eventlog.Position) {
	f.t.Helper()
	entries, err := f.projector(set, 100, nil).Parked(f.t.Context(), "card")
	if err != nil {
		f.t.Fatal(err)
	}
	if len(entries) != 3 {
		f.t.Fatalf("parked are %+v, not one event and two behind it", entries)
	}
	key := "c1"
	if d.stream {
		key = ""
	}
	e := entries[0]
	if e.State != "parked" || e.Reason != d.reason || e.Key != key || e.Stream != "c1" || e.Position != bad || e.Error == "" || e.Hint == "" {
		f.t.Errorf("the damaged event is parked as %+v", e)
	}
	for _, e := range entries[1:] {
		if e.State != "queued" || e.Key != "c1" {
			f.t.Errorf("behind it is %+v", e)
		}
	}
	f.mustBe("c1", 1, "[1]")
	f.mustBe("c2", 30, "[10,20]")
	if got := f.int(`select count(distinct key) from readside.degraded where view = 'card' and key = 'c1'`); got != 1 {
		f.t.Error("readers are not told that the row is degraded")
	}
	if got := f.int(`select count(*) from readside.degraded where key <> 'c1'`); got != 0 {
		f.t.Errorf("%d other rows are called degraded", got)
	}
	if got := f.int(`select count(*) from views.card_v1_g1 where name = 'eins'`); got != 3 {
		f.t.Errorf("%d cards follow their room's name, not all three", got)
	}
}

// mustBe checks a card.
func (f *fixture) mustBe(id string, total int, seen string) {
	f.t.Helper()
	if got := f.int(`select total from views.card_v1_g1 where id = $1 and seen::text = $2`, id, seen); got != total {
		f.t.Errorf("card %s has a total of %d, not %d", id, got, total)
	}
}

func (f *fixture) retries(set *projections.Set, w parked.Waiting, want parked.Retried) {
	f.t.Helper()
	got, err := f.projector(set, 100, nil).Retry(f.t.Context(), w)
	f.mended(got, err, want)
}

func (f *fixture) discards(set *projections.Set, w parked.Waiting, want parked.Retried) {
	f.t.Helper()
	got, err := f.projector(set, 100, nil).Discard(f.t.Context(), w)
	f.mended(got, err, want)
}

func (f *fixture) mended(got parked.Retried, err error, want parked.Retried) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	if got != want {
		f.t.Errorf("it says %+v, want %+v", got, want)
	}
	waiting := f.int(`select count(*) from readside.parked where state <> 'discarded'`)
	if degraded := f.int(`select count(*) from readside.degraded`); waiting != want.Waiting || (waiting == 0) != (degraded == 0) {
		f.t.Errorf("%d events wait, %d rows are degraded", waiting, degraded)
	}
}

// A join may fail for a row that no event touched: its source's new value does it.
func TestRowWhoseJoinFailsIsParked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"r2", roomOpened{"r2", "two"}}, streamed{"c1", cardOpened{"c1", "r1"}}, streamed{"c2", cardOpened{"c2", "r2"}})
	f.catchUp(broken, 1, f.append(streamed{"r1", roomRenamed{"r1", "join"}}))
	f.catchUp(broken, 1, f.append(streamed{"c1", cardAdded{"c1", "", 1}}, streamed{"r1", roomRenamed{"r1", "join"}}, streamed{"c2", cardAdded{"c2", "", 2}}))
	if got := f.int(`select count(*) from readside.parked where key = 'c1'`); got != 2 {
		t.Errorf("%d entries for the row, not its join and the event behind it", got)
	}
	f.mustBe("c2", 2, "[2]")
	f.retries(broken, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 1, Waiting: 1})
	f.retries(mended, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 1})
	f.mustBe("c1", 1, "[1]")
	f.mustVerify(mended)
}

// Over the bound the projector halts, where nothing of the batch is folded.
func TestOverTheBoundOfParkedEventsTheProjectorHalts(t *testing.T) {
	t.Parallel()
	for most, want := range map[int]int{-1: 0, 2: 2} {
		f := newFixture(t)
		first := f.append(streamed{"c0", cardOpened{"c0", ""}})
		broken := cardSet(t, true)
		f.catchUp(broken, 1, first)
		for i := range 4 {
			id := fmt.Sprint("c", i)
			f.append(streamed{id, cardOpened{id + "x", ""}}, streamed{id, cardAdded{id + "x", "handler", 1}})
		}
		p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: broken, BatchEvents: 2, ParkedMax: most})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err = p.Run(ctx)
		var fault *projections.FoldError
		if !errors.As(err, &fault) || !errors.Is(err, errBroken) || fault.Hint == "" {
			t.Fatalf("the projector answered %v", err)
		}
		if got := f.int(`select count(*) from readside.parked`); got != want {
			t.Errorf("%d events are parked, %d are allowed", got, want)
		}
		if got := f.int(`select count(*) from readside.projectors where state = 'halted' and fault->>'view' = 'card' and fault->>'hint' <> '' and place = $1`, int(first.Place())+2*want); got != 1 {
			t.Error("the projector's row does not say why it halted, or where")
		}
		mended := cardSet(t, false)
		head, err := f.log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.catchUp(mended, 100, head)
		if want > 0 {
			f.retries(mended, parked.Waiting{View: "card"}, parked.Retried{Folded: want})
		}
		f.mustVerify(mended)
	}
}

// What was discarded stays discarded, even when another program folds the view again.
func TestDiscardedEventIsNotFoldedByARebuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	last := f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "handler", 7}}, streamed{"c1", cardAdded{"c1", "", 1}})
	f.catchUp(broken, 100, last)
	f.discards(broken, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 1, Discarded: 1})
	f.mustVerify(mended)
	if _, err := f.projector(mended, 100, nil).Rebuild(t.Context(), "card", rebuild.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := f.int(`select total from views.card_v1_g2 where id = 'c1'`); got != 1 {
		t.Errorf("the total is %d, with the event that was given up", got)
	}
	f.mustVerify(mended)
	if _, err := f.projector(mended, 100, nil).Discard(t.Context(), parked.Waiting{View: "card", Key: "c1"}); !errors.Is(err, parked.ErrNothingWaits) {
		t.Errorf("discarding what does not wait: %v", err)
	}
}

// While a worker runs, rows are repaired beside it: what it knows of them it forgets.
func TestRetryBesideARunningWorker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	folded := make(chan eventlog.Position, 10_000)
	defer f.runs(f.projector(broken, 100, folded))()
	f.reach(folded, f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "", 1}}, streamed{"c1", cardAdded{"c1", "panic", 2}}))
	f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "", 3}}))
	f.retries(mended, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 2})
	f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "", 4}}))
	f.mustBe("c1", 10, "[1,2,3,4]")
	f.mustVerify(mended)
}

// Random stories with damaged events, in any batches, with retries that fail and one
// that does not: in the end the tables are what repaired code folds from the log.
func TestParkedEventsAreFoldedInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 21))
			f := newFixture(t)
			broken, mended := cardSet(t, true), cardSet(t, false)
			var last eventlog.Position
			for range 6 {
				last = f.randomCards(r, 60)
				f.catchUp(broken, []int{1, 7, 100}[r.IntN(3)], last)
				f.mustVerify(broken)
				if _, err := f.projector(broken, 100, nil).Retry(t.Context(), parked.Waiting{View: "card"}); err != nil && !errors.Is(err, parked.ErrNothingWaits) {
					t.Fatal(err)
				}
				f.mustVerify(broken)
			}
			if f.int(`select count(*) from readside.parked where state = 'parked'`) == 0 {
				t.Error("the story had no damaged event")
			}
			got, err := f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "card"})
			f.mended(got, err, parked.Retried{Folded: got.Folded})
			f.mustVerify(mended)
		})
	}
}

// What waits may be far more than a batch may have: it is folded in parts. The events of
// c1 are more than two parts have, so that they are split; those of the others are not.
func TestARetryIsFoldedInParts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	f.append(streamed{"r1", roomOpened{"r1", "one"}})
	waiting := map[string]int{"c1": 60, "c2": 10, "c3": 10}
	for id := range waiting {
		f.append(streamed{id, cardOpened{id, "r1"}}, streamed{id, cardAdded{id, "handler", 7}})
	}
	var last eventlog.Position
	for range 10 {
		for id, n := range waiting {
			for range n / 10 {
				last = f.appendDamage(damage{raw: `{"ID": "` + id + `", "N": 1, "Pad": "` + strings.Repeat("p", 1_000_000) + `"}`}, id)
			}
		}
	}
	f.catchUp(broken, 100, last)
	f.mustVerify(broken)
	f.retries(broken, parked.Waiting{View: "card"}, parked.Retried{Waiting: 83})
	f.mustVerify(broken)
	f.retries(mended, parked.Waiting{View: "card"}, parked.Retried{Folded: 83})
	for id, n := range waiting {
		if got := f.int(`select total from views.card_v1_g1 where id = $1`, id); got != 7+n {
			t.Errorf("card %s has %d, not %d", id, got, 7+n)
		}
	}
	f.mustVerify(mended)
}

func (f *fixture) randomCards(r *rand.Rand, n int) (last eventlog.Position) {
	for range n {
		id, ro := fmt.Sprint("c", r.IntN(12)), fmt.Sprint("r", r.IntN(3))
		switch k := r.IntN(20); {
		case k == 0:
			d := damages[r.IntN(len(damages))]
			if slices.Contains([]string{"hopeless"}, d.name) {
				continue
			}
			if d.raw != "" {
				d.raw = strings.ReplaceAll(d.raw, "c1", id)
			} else {
				e := d.event.(cardAdded)
				e.ID = id
				d.event = e
			}
			last = f.appendDamage(d, id)
		case k < 5:
			last = f.append(streamed{id, cardOpened{id, ro}})
		case k < 7:
			last = f.append(streamed{ro, roomOpened{ro, fmt.Sprint("name ", r.IntN(9))}})
		case k == 7:
			last = f.append(streamed{ro, roomRenamed{ro, "join"}})
		case k == 8:
			last = f.append(streamed{ro, roomRenamed{ro, "better"}})
		default:
			last = f.append(streamed{id, cardAdded{id, "", r.IntN(9)}})
		}
	}
	return last
}
