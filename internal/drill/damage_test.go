package drill_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/queryapi"
)

var (
	storyEvents = flag.Int("events", 4_000, "events of the log of which some are damaged")
	damagedMost = flag.Int("damaged", 50, "how many of them are")
	probes      = flag.Int("probes", 30, "events appended to undamaged keys while damaged ones wait")
)

const (
	eventsPerCrate = 10
	eventsPerHall  = 40
	// freshWithin is when an event of an undamaged key is to be seen, by flag only.
	freshWithin = time.Second
)

// told is an event of the story, as it was meant.
type told struct {
	stream string
	event  eventlog.Typed
	// way is how it is damaged, empty for most.
	way string
}

// teller makes up a story of crates.
type teller struct {
	r             *rand.Rand
	crates, halls int
	story         []told
	// victims are the crates that one event of is damaged, and how.
	victims map[string]string
	// fills is how often a crate was filled since it was sent.
	fills map[string]int
}

// tellCrates makes up a story of at least n events, of which some are damaged, each of
// another crate.
func tellCrates(r *rand.Rand, n, damaged int) *teller {
	t := &teller{r: r, crates: n / eventsPerCrate, halls: n / eventsPerHall, victims: map[string]string{}, fills: map[string]int{}}
	chosen := r.Perm(t.crates)[:damaged]
	for i, c := range chosen {
		t.victims[crateID(c)] = ways[i%len(ways)]
	}
	for i := range t.halls {
		t.tell(hallID(i), hallNamed{hallID(i), fmt.Sprint("hall ", i)}, "")
	}
	for len(t.story) < n {
		if i := r.IntN(t.halls); r.IntN(50) == 0 {
			t.tell(hallID(i), hallNamed{hallID(i), fmt.Sprint("renamed ", r.IntN(1000))}, "")
			continue
		}
		t.next(r.IntN(t.crates))
	}
	for _, c := range chosen { // none gets away
		for t.fills[crateID(c)] < damagedFill {
			t.next(c)
		}
	}
	return t
}

func (t *teller) tell(stream string, e eventlog.Typed, way string) {
	t.story = append(t.story, told{stream, e, way})
}

// damagedFill is which filling of a crate is the damaged one.
const damagedFill = 2

// next is what happens next to a crate.
func (t *teller) next(c int) {
	id, hall := crateID(c), hallID(c%t.halls)
	way := t.victims[id]
	if _, sent := t.fills[id]; !sent {
		t.fills[id] = 0
		if way != wayHandler { // that one's row will not even be there
			way = ""
		}
		t.tell(id, crateSent{id, hall, way}, way)
		return
	}
	t.fills[id]++
	if way == wayHandler || t.fills[id] != damagedFill {
		way = ""
	}
	t.tell(id, crateFilled{id, hall, way, 1 + t.r.IntN(99)}, way)
}

func crateID(i int) string { return fmt.Sprint("crate-", i) }
func hallID(i int) string  { return fmt.Sprint("hall-", i) }

// crateRow and hallRow are what tables should hold.
type crateRow struct {
	Hall, HallName, Note string
	Total                int
	Seen                 string
}

type hallRow struct {
	Name  string
	Total int
}

type rows struct {
	crates map[string]crateRow
	halls  map[string]hallRow
}

// expectCrates is the oracle: plain Go.
func expectCrates(story []told) rows {
	out := rows{map[string]crateRow{}, map[string]hallRow{}}
	for _, t := range story {
		switch e := t.event.(type) {
		case hallNamed:
			h := out.halls[e.ID]
			h.Name = e.Name
			out.halls[e.ID] = h
		case crateSent:
			out.crates[e.ID] = crateRow{Hall: e.Hall, Note: e.Note, Seen: "[]"}
		case crateFilled:
			c, h := out.crates[e.ID], out.halls[e.Hall]
			c.Total += e.N
			c.Seen = strings.Replace(strings.TrimSuffix(c.Seen, "]")+fmt.Sprint(",", e.N, "]"), "[,", "[", 1)
			if e.Note != "" {
				c.Note = e.Note
			}
			h.Total += e.N
			out.crates[e.ID], out.halls[e.Hall] = c, h
		}
	}
	for id, c := range out.crates {
		c.HallName = out.halls[c.Hall].Name
		out.crates[id] = c
	}
	return out
}

// yard is a database with crates.
type yard struct {
	*shop
	story    []told
	victims  map[string]string
	versions map[string]int64
}

func newYard(t *testing.T) *yard {
	t.Helper()
	db := dbtest.Postgres(t)
	config, err := pgx.ParseConfig(db.RoleURL("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	y := &yard{shop: &shop{t: t, db: db, config: config, log: log}, versions: map[string]int64{}}
	tale := tellCrates(rand.New(rand.NewPCG(*seed, 5)), *storyEvents, *damagedMost)
	y.story, y.victims = tale.story, tale.victims
	return y
}

// append brings events into the log, damaged as they are.
func (y *yard) append(story []told) {
	y.t.Helper()
	columns := []string{"source", "stream", "version", "id", "type", "schema_version", "time", "data"}
	for chunk := range slices.Chunk(story, 1000) {
		_, err := y.db.Pool.CopyFrom(y.t.Context(), pgx.Identifier{"eventlog", "events"}, columns, pgx.CopyFromSlice(len(chunk), func(i int) ([]any, error) {
			t := chunk[i]
			y.versions[t.stream]++
			name, version := t.event.EventType()
			data, err := json.Marshal(t.event)
			switch t.way {
			case wayUndecodable:
				data = []byte(`{"ID": 5}`)
			case wayVersion:
				version++
				data, err = json.Marshal(t.event.(crateFilled).next())
			}
			return []any{"drill", t.stream, y.versions[t.stream], fmt.Sprint(t.stream, "/", y.versions[t.stream]), name, version, time.Now(), string(data)}, err
		}))
		if err != nil {
			y.t.Fatal(err)
		}
	}
}

// restore brings back the data that was damaged in the log.
func (y *yard) restore() {
	y.t.Helper()
	for _, t := range y.story {
		if t.way != wayUndecodable {
			continue
		}
		data, err := json.Marshal(t.event)
		if err != nil {
			y.t.Fatal(err)
		}
		tag, err := y.db.Pool.Exec(y.t.Context(), `update eventlog.events set data = $2 where stream = $1 and data->>'ID' = '5'`, t.stream, string(data))
		if err != nil || tag.RowsAffected() != 1 {
			y.t.Fatalf("restore an event of %s: %s, %v", t.stream, tag, err)
		}
	}
}

// mustHold compares the views of a projector with the oracle; rows that wait are left
// out, and answered by how many they are.
func (y *yard) mustHold(c code, want rows) (waiting int) {
	y.t.Helper()
	name := engine.ProjectorName("main", c.set(y.t))
	waits := y.waiting(name)
	got := rows{map[string]crateRow{}, map[string]hallRow{}}
	var id string
	var cr crateRow
	y.each(name, "crate", `id, hall, hall_name, note, total, coalesce(nullif(seen::text, 'null'), '[]')`, []any{&id, &cr.Hall, &cr.HallName, &cr.Note, &cr.Total, &cr.Seen}, func() { got.crates[id] = cr })
	var h hallRow
	y.each(name, "hall", `id, name, total`, []any{&id, &h.Name, &h.Total}, func() { got.halls[id] = h })
	for id, c := range want.crates {
		if waits["hall/"+c.Hall] { // it shows the hall as the hall is
			c.HallName = got.halls[c.Hall].Name
			want.crates[id] = c
		}
		if waits["crate/"+id] {
			delete(got.crates, id)
			delete(want.crates, id)
		}
	}
	for id := range want.halls {
		if waits["hall/"+id] {
			delete(got.halls, id)
			delete(want.halls, id)
		}
	}
	if diff := cmp.Diff(want.crates, got.crates); diff != "" {
		y.t.Errorf("crates are not what the oracle says (-oracle +view):\n%.3000s", diff)
	}
	if diff := cmp.Diff(want.halls, got.halls); diff != "" {
		y.t.Errorf("halls are not what the oracle says (-oracle +view):\n%.3000s", diff)
	}
	return len(waits)
}

func (y *yard) each(projector, view, columns string, into []any, add func()) {
	y.t.Helper()
	table := y.text(`select 'views.' || table_name from readside.views where projector = $1 and view = $2 and state = 'live'`, projector, view)
	found, err := y.db.Pool.Query(y.t.Context(), `select `+columns+` from `+table+` where _state = 2`)
	if err != nil {
		y.t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(found, into, func() error { add(); return nil }); err != nil {
		y.t.Fatal(err)
	}
}

// waiting are the rows that a projector's parked events concern: view/key.
func (y *yard) waiting(projector string) map[string]bool {
	y.t.Helper()
	waits := map[string]bool{}
	found, err := y.db.Pool.Query(y.t.Context(), `select view || '/' || key from readside.parked where projector = $1 and state <> 'discarded' and key <> ''
union select view || '/' || key from readside.degraded where projector = $1`, projector)
	if err != nil {
		y.t.Fatal(err)
	}
	var name string
	if _, err := pgx.ForEachRow(found, []any{&name}, func() error { waits[name] = true; return nil }); err != nil {
		y.t.Fatal(err)
	}
	return waits
}

// reached waits until a projector has folded all of the log.
func (y *yard) reached(c code) {
	y.t.Helper()
	name := engine.ProjectorName("main", c.set(y.t))
	y.until("the views have caught up", func() bool {
		return y.int(`select count(*) from readside.projectors where name = $1 and state = 'live' and place >= (select max(position) from eventlog.events)`, name) == 1
	})
}

// Of a long log some events are damaged, in seven ways. Their rows stay as they were,
// readers are told, all others go on as if nothing was; and when code and data are
// mended, every view is what the oracle says.
func TestDamagedEventsHoldUpNobodyElse(t *testing.T) {
	y := newYard(t)
	half := len(y.story) / 2
	y.append(y.story[:half])
	stop := y.startWorker(brokenCode.set(t), 0, func(eventlog.Position) {})
	y.reached(brokenCode)
	y.append(y.story[half:])
	y.reached(brokenCode)

	want := expectCrates(y.story)
	waiting := y.mustHold(brokenCode, want)
	parked := y.int(`select count(distinct place) from readside.parked where state = 'parked'`)
	t.Logf("damaged: %d of %d events, in %d ways: parked; %d rows of %d wait", parked, len(y.story), len(y.parkedWays()), waiting, len(want.crates)+len(want.halls)+waiting)
	if int(parked) != *damagedMost {
		t.Errorf("%d events are parked, %d are damaged", parked, *damagedMost)
	}
	api := y.newAPI(brokenCode.set(t))
	y.mustBeMarked(api)
	y.mustBeFresh(api)
	y.mustVerify(brokenCode.set(t))
	stop()

	y.mend()
	y.renew()
}

// parkedWays are the reasons of what is parked; an unknown version is undecodable, too.
func (y *yard) parkedWays() map[string]int64 {
	y.t.Helper()
	seen := map[string]int64{}
	found, err := y.db.Pool.Query(y.t.Context(), `select reason || case when error like '%version 2%' then ' version' else '' end, count(distinct place) from readside.parked where state = 'parked' group by 1`)
	if err != nil {
		y.t.Fatal(err)
	}
	var reason string
	var n int64
	if _, err := pgx.ForEachRow(found, []any{&reason, &n}, func() error { seen[reason] = n; return nil }); err != nil {
		y.t.Fatal(err)
	}
	if len(seen) != len(ways) {
		y.t.Errorf("events are damaged in %d ways, and parked are %v", len(ways), seen)
	}
	return seen
}

// mustBeMarked asks for every damaged row and for as many others.
func (y *yard) mustBeMarked(api *queryapi.API) {
	y.t.Helper()
	rows, missing := 0, 0
	for id, way := range y.victims {
		got, marked := y.askCrate(api, id)
		if !marked {
			y.t.Errorf("%s, %s: extensions.degraded does not name it", id, way)
		}
		switch {
		case got == nil && way == wayHandler:
			missing++
		case got == nil:
			y.t.Errorf("%s, %s: there is no row", id, way)
		case got["degraded"] != true:
			y.t.Errorf("%s, %s: readers are not told that it is degraded: %v", id, way, got)
		default:
			rows++
		}
	}
	others := 0
	for id := range expectCrates(y.story).crates {
		if y.victims[id] != "" || others == len(y.victims) {
			continue
		}
		others++
		if got, marked := y.askCrate(api, id); got == nil || marked || got["degraded"] != false {
			y.t.Errorf("%s, which is not damaged: %v, marked %v", id, got, marked)
		}
	}
	y.t.Logf("marked: GraphQL says of %d rows that they are degraded, of %d that are missing, too; of %d others of none", rows, missing, others)
}

func (y *yard) askCrate(api *queryapi.API, id string) (row map[string]any, marked bool) {
	y.t.Helper()
	answer := api.Do(y.t.Context(), queryapi.Request{Query: fmt.Sprintf(`{ crate(id: %q) { id total degraded } }`, id)})
	if len(answer.Errors) > 0 {
		y.t.Fatal(answer.Errors)
	}
	doc, err := json.Marshal(answer.Extensions["degraded"])
	if err != nil {
		y.t.Fatal(err)
	}
	row, _ = answer.Data.(map[string]any)["crate"].(map[string]any)
	return row, strings.Contains(string(doc), `"`+id+`"`)
}

// mustBeFresh appends to keys that are not damaged while the others wait, and looks
// how soon readers see it.
func (y *yard) mustBeFresh(api *queryapi.API) {
	y.t.Helper()
	notifier := announce.NewNotifier(y.db.Pool.Config().ConnConfig, y.logger(), announce.Events)
	defer y.background("announce events", notifier.Run)()
	var took spread
	for i := range *probes {
		id := fmt.Sprint("probe-", i)
		ev, err := eventlog.NewEvent(crateSent{ID: id, Hall: hallID(0)}, eventlog.Meta{})
		if err != nil {
			y.t.Fatal(err)
		}
		err = pgx.BeginFunc(y.t.Context(), y.db.Pool, func(tx pgx.Tx) error {
			_, err := y.log.Append(y.t.Context(), tx, eventlog.Append{Stream: id, Events: []eventlog.Event{ev}})
			return err
		})
		if err != nil {
			y.t.Fatal(err)
		}
		committed := time.Now()
		notifier.Announce()
		y.until("a reader sees an event of an undamaged key", func() bool { row, _ := y.askCrate(api, id); return row != nil })
		took = append(took, time.Since(committed))
		y.story = append(y.story, told{id, crateSent{ID: id, Hall: hallID(0)}, ""})
	}
	slices.Sort(took)
	y.t.Logf("live: an event of an undamaged key is seen after %s", took)
	if *hasBound && took.percentile(100) >= freshWithin {
		y.t.Errorf("an event of an undamaged key was seen after %s only", took.percentile(100))
	}
}

// mend retries with mended code, and with the data that was damaged in the log brought
// back. Only the events of a version that it does not know wait on.
func (y *yard) mend() {
	y.t.Helper()
	y.restore()
	set := mendedCode.set(y.t)
	cfg := engine.Config{Application: dbtest.Application, Log: y.log, Postgres: y.config, Set: set, Logger: y.logger()}
	for _, view := range []string{"crate", "hall"} {
		got, err := parked.Retry(y.t.Context(), cfg, parked.Waiting{View: view})
		if err != nil {
			y.t.Fatal(err)
		}
		y.t.Logf("mended: view %s: %+v", view, got)
	}
	versions := y.int(`select count(distinct place) from readside.parked where state = 'parked' and error like '%version 2%'`)
	if all := y.int(`select count(distinct place) from readside.parked where state = 'parked'`); all != versions || versions != y.count(wayVersion) {
		y.t.Errorf("after the retry %d events are parked, %d of an unknown version; %d are", all, versions, y.count(wayVersion))
	}
	y.mustHold(mendedCode, expectCrates(y.story))
	y.mustVerify(set)
}

func (y *yard) count(way string) (n int64) {
	for _, w := range y.victims {
		if w == way {
			n++
		}
	}
	return n
}

// renew starts code that knows the version: new definitions, whose projector folds all
// events. It has nothing parked, and every view is what the oracle says.
func (y *yard) renew() {
	y.t.Helper()
	set := nextCode.set(y.t)
	stop := y.startWorker(set, 0, func(eventlog.Position) {})
	y.reached(nextCode)
	stop()
	if waiting := y.mustHold(nextCode, expectCrates(y.story)); waiting > 0 {
		y.t.Errorf("%d rows wait for code that knows every event", waiting)
	}
	y.mustVerify(set)
	y.t.Logf("mended: with the version that was unknown every view is what the oracle says: %d events", len(y.story))
}
