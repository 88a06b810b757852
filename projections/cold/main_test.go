package cold

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// testBound is how long any single test may wait for what it expects.
const testBound = 3 * time.Minute

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testBound)
	t.Cleanup(cancel)
	return ctx
}

// measured is the event of these tests: a reading of a gauge.
type measured struct {
	Gauge  string    `json:"gauge"`
	Values []int64   `json:"values"`
	Ratio  float64   `json:"ratio"`
	Good   bool      `json:"good"`
	Level  int32     `json:"level"`
	Since  time.Time `json:"since"`
	At     time.Time `json:"at"`
	Fault  string    `json:"fault"`
}

func (measured) EventType() (string, int) { return "test.Measured", 1 }

// ignored is an event that no fact handles.
type ignored struct{}

func (ignored) EventType() (string, int) { return "test.Ignored", 1 }

// reading has a column of every type.
type reading struct {
	Gauge string    `fact:"gauge,order,low" doc:"the gauge's name"`
	Text  string    `fact:"text" doc:"it's a \\text\\"`
	Value int64     `fact:"value"`
	Count int       `fact:"count"`
	Ratio float64   `fact:"ratio"`
	Good  bool      `fact:"good"`
	Level int32     `fact:"level"`
	Since time.Time `fact:"since"`
	At    time.Time `fact:"at,time"`
}

// total is the second table of these tests.
type total struct {
	Gauge string    `fact:"gauge,order"`
	Sum   int64     `fact:"sum"`
	At    time.Time `fact:"at,time"`
}

var errBadReading = errors.New("the reading is bad")

// readings is a fact whose rows depend on scale, so that tests can change its code.
func readings(scale int64) *projections.Fact[reading] {
	return &projections.Fact[reading]{
		Name: "readings", Version: 1, Doc: "What the gauges' showed.",
		Handlers: []projections.FactHandler[reading]{
			projections.Append(func(e measured, _ projections.Meta) ([]reading, error) {
				switch e.Fault {
				case "error":
					return nil, errBadReading
				case "panic":
					panic("the handler's mistake")
				case "unstorable":
					e.Since = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)
				}
				return rowsOf(e, scale), nil
			}),
		},
	}
}

func rowsOf(e measured, scale int64) []reading {
	rows := make([]reading, len(e.Values))
	for i, v := range e.Values {
		rows[i] = reading{
			Gauge: e.Gauge, Text: e.Gauge + "'\\\x00ü,:", Value: v * scale, Count: i, Ratio: e.Ratio,
			Good: e.Good, Level: e.Level, Since: e.Since, At: e.At,
		}
	}
	return rows
}

var totals = projections.Fact[total]{
	Name: "totals", Version: 1,
	Handlers: []projections.FactHandler[total]{
		projections.Append(func(e measured, _ projections.Meta) ([]total, error) {
			var sum int64
			for _, v := range e.Values {
				sum += v
			}
			return []total{{e.Gauge, sum, e.At}}, nil
		}),
	},
}

// mended has the code that a release brings which mends the handlers: no event is at fault.
func mended(t testing.TB) func(*Config) {
	f := readings(1)
	f.Handlers = []projections.FactHandler[reading]{
		projections.Append(func(e measured, m projections.Meta) ([]reading, error) {
			e.Fault = ""
			return rowsOf(e, 1), nil
		}),
	}
	set := newSet(t, f)
	return func(c *Config) { c.Set = set }
}

func testSet(t testing.TB, scale int64) *projections.Set {
	t.Helper()
	return newSet(t, readings(scale))
}

func newSet(t testing.TB, f *projections.Fact[reading]) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(f, &totals)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// testWriter shows a projector's log with a test that fails.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", line)
	return len(line), nil
}

// bench is a log, a ledger and a ClickHouse database of a test's own.
type bench struct {
	t    testing.TB
	db   *dbtest.DB
	log  *eventlog.Log
	pool *pgxpool.Pool
	cfg  Config
	next int64
	// silence, if set, is how long an owner may be silent before others relieve it.
	silence time.Duration
}

func newBench(t testing.TB) *bench {
	t.Helper()
	ch := dbtest.ClickHouse(t)
	b := newLogBench(t)
	b.cfg.ClickHouse = ch.Conn
	b.dropMartAtEnd(ch.Database)
	return b
}

// newLogBench is a bench whose ClickHouse the test brings along.
func newLogBench(t testing.TB) *bench {
	t.Helper()
	return newLogBenchOn(t, dbtest.Postgres(t))
}

func newLogBenchOn(t testing.TB, db *dbtest.DB) *bench {
	t.Helper()
	log, err := eventlog.Open(bounded(t), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	pool := db.Role(t, "readside_projector")
	b := &bench{t: t, db: db, log: log, pool: pool}
	b.cfg = Config{
		Application: dbtest.Application, KeepFormer: -1,
		Log: log, Pool: pool, Set: testSet(t, 1), FlushEvery: 5 * time.Millisecond,
		Logger: slog.New(slog.NewJSONHandler(testWriter{t}, nil)),
	}
	return b
}

func (b *bench) dropMartAtEnd(database string) {
	b.t.Cleanup(func() {
		if err := b.cfg.ClickHouse.Exec(context.Background(), "DROP DATABASE IF EXISTS "+ident(MartDatabase(database))); err != nil {
			b.t.Error(err)
		}
	})
}

// append appends events to one stream and returns the place of the last.
func (b *bench) append(events ...eventlog.Typed) eventlog.Position {
	b.t.Helper()
	made := make([]eventlog.Event, len(events))
	for i, e := range events {
		var err error
		if made[i], err = eventlog.NewEvent(e, eventlog.Meta{}); err != nil {
			b.t.Fatal(err)
		}
	}
	var last eventlog.Position
	err := pgx.BeginFunc(bounded(b.t), b.db.Pool, func(tx pgx.Tx) (err error) {
		last, err = b.log.Append(bounded(b.t), tx, eventlog.Append{Stream: "gauges", Expected: b.next, Events: made})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.next += int64(len(made))
	return last
}

var (
	january  = time.Date(2026, 1, 31, 23, 59, 59, 999_999_000, time.UTC)
	february = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
)

// measurements are n events in two months.
func measurements(n int) []eventlog.Typed {
	events := make([]eventlog.Typed, n)
	for i := range events {
		at := january
		if i%2 == 1 {
			at = february
		}
		events[i] = measured{
			Gauge: string(rune('a' + i%7)), Values: []int64{int64(i), int64(-i)}, Ratio: 1 / float64(i+1), Good: i%3 == 0,
			Level: int32(-i), Since: time.Date(1969, 7, 20, 20, 17, 40, i*1000, time.UTC), At: at,
		}
	}
	return events
}

func (b *bench) open(change ...func(*Config)) *Projector {
	b.t.Helper()
	cfg := b.cfg
	for _, c := range change {
		c(&cfg)
	}
	p, err := Open(bounded(b.t), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	p.silenceMax = cmp.Or(b.silence, p.silenceMax)
	p.senders = 1 // the steps come one after the other
	return p
}

// runTo runs a projector until its checkpoint has reached a place, and every rebuild that
// was ordered is shown.
func (b *bench) runTo(to eventlog.Position, change ...func(*Config)) *Projector {
	b.t.Helper()
	ctx, cancel := context.WithCancel(bounded(b.t))
	defer cancel()
	endAt := func() {
		if b.reached(to) {
			cancel()
		}
	}
	p := b.open(append(change, func(c *Config) { c.Observer.Written = func(Written) { endAt() } })...)
	p.at = func(s step) error {
		if s == stepReady || s == stepRested {
			endAt() // nothing will be written that could tell
		}
		return nil
	}
	if err := p.Run(ctx); err != nil {
		b.t.Fatalf("run: %v", err)
	}
	p.at = func(step) error { return nil }
	if !b.reached(to) {
		b.t.Fatalf("the projector did not reach place %d in %s", to.Place(), testBound)
	}
	return p
}

// reached reports whether all checkpoints are at a place, nothing is built beside, and no
// parked event is to be tried again.
func (b *bench) reached(to eventlog.Position) (yes bool) {
	err := b.db.Pool.QueryRow(bounded(b.t), `select coalesce(bool_and(place >= $1 and rebuilds is null and shown_generation = generation), false)
 and not exists (select from readside.cold_parked where state = 'retrying') from readside.cold_checkpoint`, to.Place()).Scan(&yes)
	return err == nil && yes
}

// exact fails unless the tables equal the log, by Verify and by counting.
func (b *bench) exact(p *Projector) {
	b.t.Helper()
	ctx := bounded(b.t)
	report, err := p.Verify(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if !report.Equal() {
		b.t.Fatalf("the tables differ from the log: %+v", report.Differences)
	}
	if len(report.Tables) != len(b.cfg.Set.Facts()) {
		b.t.Fatalf("verified %d tables", len(report.Tables))
	}
}
