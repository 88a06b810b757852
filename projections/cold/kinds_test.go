package cold

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Whatever a row holds comes back as it was, and the table's hash is the row's.
func TestEveryKindComesBackExactly(t *testing.T) {
	t.Parallel()
	b := newSampleBench(t)
	var events []sampled
	for seed := range uint64(30) {
		events = append(events, sampled{Seed: seed, Rows: 40})
	}
	p := b.runTo(b.append(typed(events)...))
	b.parked(0)
	b.exact(p)
	b.same(b.storedSamples("samples_v1_g1"), events...)
	if shown := b.count(qualified(p.Mart(), "samples")); shown != 1_200 {
		t.Errorf("the mart shows %d rows, want 1200", shown)
	}
	for column, want := range map[string]string{
		"text": "Nullable(String)", "label": "LowCardinality(Nullable(String))", "since": "Nullable(DateTime64(6, 'UTC'))", "other": "Nullable(UUID)",
		"amount": "Decimal(38, 4)", "tax": "Nullable(Decimal(38, 38))", "grade": "LowCardinality(String)", "former": "LowCardinality(Nullable(String))",
		"labels": "Array(LowCardinality(String))", "ids": "Array(UUID)", "amounts": "Array(Decimal(38, 4))", "flags": "Array(Bool)",
	} {
		for _, in := range []string{p.database, p.Mart()} {
			if got := b.text("SELECT DISTINCT type FROM system.columns WHERE database = " + quote(in) + " AND name = " + quote(column)); got != want {
				t.Errorf("column %s of %s has the type %s, want %s", column, in, got, want)
			}
		}
	}
	b.rebuild(p)
	b.same(b.storedSamples("samples_v1_g2"), events...)
}

// A worker that dies at any step leaves blocks that the next one makes anew the same.
func TestKindsSurviveAKilledWorker(t *testing.T) {
	t.Parallel()
	for _, at := range []step{stepPlanned, stepSent, stepInserted, stepDone} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b := newSampleBench(t)
			events := []sampled{{Seed: 1, Rows: 24}, {Seed: 2, Rows: 24}}
			to := b.append(typed(events)...)
			b.dieAt(at, 1)
			var r recoveries
			p := b.runTo(to, r.note)
			if r.count(Found)+r.count(Resent) != len(r.how) {
				t.Errorf("recovered %v: blocks were not the same when they were made again", r.how)
			}
			b.exact(p)
			b.same(b.storedSamples("samples_v1_g1"), events...)
		})
	}
}

// damages change one value each, some only by what a careless hash would not see.
var damages = []struct{ column, from, to string }{
	{"text", "NULL", "''"},
	{"label", "''", "NULL"},
	{"flag", "NULL", "false"},
	{"small", "NULL", "0"},
	{"big", "0", "NULL"},
	{"count", "9223372036854775807", "9223372036854775806"},
	{"ratio", "0.", "-0."},
	{"since", "toDateTime64('2000-01-01 00:00:00.000001', 6, 'UTC')", "toDateTime64('2000-01-01 00:00:00.000002', 6, 'UTC')"},
	{"id", "toUUID('00000000-0000-0000-0000-000000000001')", "toUUID('00000000-0000-0001-0000-000000000000')"},
	{"other", "NULL", "toUUID('00000000-0000-0000-0000-000000000000')"},
	{"amount", "toDecimal128('1.0000', 4)", "toDecimal128('1.0001', 4)"},
	{"tax", "NULL", "toDecimal128('0', 38)"},
	{"whole", "toDecimal128('99999999999999999999999999999999999999', 0)", "toDecimal128('99999999999999999999999999999999999998', 0)"},
	{"grade", "'good'", "'bad'"},
	{"former", "''", "NULL"},
	{"texts", "['a', 'b']", "['a,b']"},
	{"labels", "[]", "['']"},
	{"flags", "[true, false]", "[false, true]"},
	{"smalls", "[1, 2]", "[12]"},
	{"bigs", "[0]", "[]"},
	{"ratios", "[nan]", "[0.]"},
	{"moments", "[toDateTime64(0, 6, 'UTC')]", "[]"},
	{"ids", "[toUUID('00000000-0000-0000-0000-000000000000')]", "[]"},
	{"amounts", "[toDecimal128('1', 4), toDecimal128('2', 4)]", "[toDecimal128('2', 4), toDecimal128('1', 4)]"},
	{"grades", "['good', '']", "['good']"},
}

// Verify and continuous verification find one changed value of each kind.
func TestVerifyNoticesAChangedValueOfEachKind(t *testing.T) {
	t.Parallel()
	b := newSampleBench(t)
	e := sampled{Seed: 5, Rows: len(damages)}
	p := b.runTo(b.append(e))
	b.exact(p)
	hash := rowHashSQL(b.cfg.Set.Facts()[0])
	for i, d := range damages { // two values of one column never have one hash
		columns := []string{}
		for _, c := range b.cfg.Set.Facts()[0].Columns {
			if c.Name != d.column {
				columns = append(columns, ident(c.Name))
			}
		}
		all := strings.Join(columns, ", ") + ", " + positionColumn + ", " + rowColumn
		kind := columnType(column(b.cfg.Set.Facts()[0], d.column))
		of := func(value string) string {
			return fmt.Sprintf("SELECT toString(%s) FROM (SELECT %s, CAST(%s, %s) AS %s FROM samples_v1_g1 WHERE _row = %d)", hash, all, value, quote(kind), ident(d.column), i)
		}
		if b.text(of(d.from)) == b.text(of(d.to)) {
			t.Errorf("column %s: %s and %s have one hash", d.column, d.from, d.to)
		}
	}
	var updates []string
	for i, d := range damages {
		value := "if(toString(" + ident(d.column) + ") = toString(" + d.to + "), " + d.from + ", " + d.to + ")"
		if d.from == "NULL" || d.to == "NULL" {
			value = "if(isNull(" + ident(d.column) + "), " + strings.NewReplacer("NULL", "").Replace(d.from+d.to) + ", NULL)"
		}
		kind := columnType(column(b.cfg.Set.Facts()[0], d.column))
		updates = append(updates, fmt.Sprintf("UPDATE %s = CAST(%s, %s) WHERE _row = %d", ident(d.column), value, quote(kind), i))
	}
	b.exec("ALTER TABLE samples_v1_g1 " + strings.Join(updates, ", ") + " SETTINGS mutations_sync = 2")
	report, err := p.Verify(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, d := range report.Differences {
		found[d.Row] = d.What
	}
	for i, d := range damages {
		if found[i] != "other values" {
			t.Errorf("row %d, whose column %s was changed, is %q, want other values", i, d.column, found[i])
		}
	}
	w := b.watched()
	defer w.stop()
	for ctx := bounded(t); ; {
		w.mu.Lock()
		turns := len(w.compared)
		w.mu.Unlock()
		if turns > 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("nothing was compared")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.compared[0].Found); n != len(damages) {
		t.Errorf("continuous verification found %d rows, want %d", n, len(damages))
	}
}

func column(m *projections.FactModel, name string) *projections.FactColumn {
	for i := range m.Columns {
		if m.Columns[i].Name == name {
			return &m.Columns[i]
		}
	}
	return nil
}

// A value that a column does not hold parks its event with the reason, whole; the release
// that mends the handler brings its rows, once.
func TestAValueThatAColumnDoesNotHoldIsParked(t *testing.T) {
	t.Parallel()
	b := newSampleBench(t)
	events := []sampled{{Seed: 1, Rows: 3}}
	b.append(events[0])
	want := map[int64]string{}
	for name, fault := range unstorable {
		e := sampled{Seed: 2, Rows: 3, Fault: name}
		want[b.append(e).Place()] = fault.want
		events = append(events, e)
	}
	e := sampled{Seed: 3, Rows: 40, Fault: "event"}
	want[b.append(e).Place()] = "the lists of its 40 rows hold"
	events = append(events, e, sampled{Seed: 4, Rows: 3})
	p := b.runTo(b.append(events[len(events)-1]))
	for _, parked := range b.parked(len(want)) {
		if text := want[parked.Position.Place()]; parked.Reason != projections.ReasonUnstorable || !strings.Contains(parked.Error, text) || !strings.Contains(parked.Hint, "decimals within the digits") {
			t.Errorf("parked %+v, want %q", parked, text)
		}
	}
	b.exact(p)
	b.same(b.storedSamples("samples_v1_g1"), events[0], events[len(events)-1])
	b.sql("update readside.cold_parked set state = 'retrying'")
	head, err := b.log.Head(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	p = b.runTo(head, func(c *Config) { c.Set = sampleSet(t, true) })
	b.parked(0)
	b.exact(p)
	b.same(b.storedSamples("samples_v1_g1"), events...)
}

// A batch ends where its lists take the memory that a batch may have, however short they
// are when they are written.
func TestABatchIsBoundedByItsLists(t *testing.T) {
	t.Parallel()
	type row struct {
		At    time.Time `fact:"at,time"`
		Zeros []int64   `fact:"zeros"`
	}
	set, err := projections.NewSet(&projections.Fact[row]{Name: "zeros", Version: 1, Handlers: []projections.FactHandler[row]{
		projections.Append(func(sampled, projections.Meta) ([]row, error) {
			rows := make([]row, 100)
			for i := range rows {
				rows[i] = row{january, make([]int64, listItemsMax)}
			}
			return rows, nil
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	made := newBatch(set, eventlog.Position{}, leftOut{room: 1})
	event := eventlog.Event{Type: "test.Sampled", SchemaVersion: 1, Data: []byte(`{}`)}
	const most = batchBytesMax/(100*listItemsMax*8) + 2
	for range most {
		if err = made.add(&event, blockRowsMax); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Errorf("%d events with %d bytes of lists are in one batch (%v)", made.events, made.rows*listItemsMax*8, err)
	}
}

// A change of how a column is stored builds the table anew.
func TestAnotherScaleIsBuiltAnew(t *testing.T) {
	t.Parallel()
	type cents struct {
		At     time.Time       `fact:"at,time"`
		Amount decimal.Decimal `fact:"amount,scale=2"`
	}
	type mills struct {
		At     time.Time        `fact:"at,time"`
		Amount *decimal.Decimal `fact:"amount,scale=3"`
	}
	amount := decimal.RequireFromString("12.34")
	b := newBench(t)
	b.cfg.Set = setOf(t, func(sampled, projections.Meta) ([]cents, error) { return []cents{{january, amount}}, nil })
	to := b.append(sampled{})
	b.runTo(to)
	b.cfg.Set = setOf(t, func(sampled, projections.Meta) ([]mills, error) {
		return []mills{{january, &amount}, {january, nil}}, nil
	})
	p := b.runTo(to)
	b.exact(p)
	if got := b.text("SELECT concat(toTypeName(max(amount)), ' ', toString(max(amount)), ' ', toString(countIf(amount IS NULL))) FROM " + qualified(p.Mart(), "sums")); got != "Nullable(Decimal(38, 3)) 12.34 1" {
		t.Errorf("the mart shows %s", got)
	}
}

func setOf[R any](t testing.TB, rows func(sampled, projections.Meta) ([]R, error)) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(&projections.Fact[R]{Name: "sums", Version: 1, Handlers: []projections.FactHandler[R]{projections.Append(rows)}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// What analysts have to know of sums and orders, by the store that they ask.
func TestSumsOfDecimalsAndTheOrderOfUUIDs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	type row struct {
		At     time.Time       `fact:"at,time"`
		ID     uuid.UUID       `fact:"id,order"`
		Amount decimal.Decimal `fact:"amount,scale=4"`
	}
	most := decimal.RequireFromString(strings.Repeat("9", projections.DecimalDigits)).Shift(-4)
	early, late := uuid.MustParse("00000000-0000-0000-ffff-000000000000"), uuid.MustParse("ffffffff-ffff-ffff-0000-000000000000")
	b.cfg.Set = setOf(t, func(sampled, projections.Meta) ([]row, error) {
		return []row{{january, early, most}, {january, late, most}, {january, late, most}, {january, late, most}}, nil
	})
	p := b.runTo(b.append(sampled{}))
	mart := qualified(p.Mart(), "sums")
	t.Logf("plain sum: %s", b.text("SELECT concat(toTypeName(sum(amount)), ' ', toString(sum(amount))) FROM "+mart))
	if got, want := b.text("SELECT toString(sum(toDecimal256(amount, 4))) FROM "+mart), most.Mul(decimal.NewFromInt(4)).String(); got != want {
		t.Errorf("the wide sum is %s, want %s", got, want)
	}
	if got := b.text("SELECT toString(sum(amount)) FROM " + mart); got == most.Mul(decimal.NewFromInt(4)).String() {
		t.Error("a plain sum no longer wraps: say so in docs/facts.md")
	}
	if got := b.text("SELECT toString(min(id)) FROM " + mart); got != late.String() {
		t.Errorf("ClickHouse takes %s for the first UUID, want %s: say so in docs/facts.md", got, late)
	}
}
