package cold

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// sampled makes Rows rows that only depend on Seed, and of which one has a fault.
type sampled struct {
	Seed  uint64 `json:"seed"`
	Rows  int    `json:"rows"`
	Fault string `json:"fault"`
}

func (sampled) EventType() (string, int) { return "test.Sampled", 1 }

type grade string

func (grade) Values() []string { return []string{"good", "bad", "", "it's `odd`"} }

// sample has a column of every kind that a fact may have beside the plain ones.
type sample struct {
	At      time.Time         `fact:"at,time"`
	Key     uuid.UUID         `fact:"key,order"`
	Price   decimal.Decimal   `fact:"price,scale=2,order"`
	Text    *string           `fact:"text"`
	Label   *string           `fact:"label,low"`
	Flag    *bool             `fact:"flag"`
	Small   *int32            `fact:"small"`
	Big     *int64            `fact:"big"`
	Count   *int              `fact:"count"`
	Ratio   *float64          `fact:"ratio"`
	Since   *time.Time        `fact:"since"`
	ID      uuid.UUID         `fact:"id"`
	Other   *uuid.UUID        `fact:"other"`
	Amount  decimal.Decimal   `fact:"amount,scale=4"`
	Tax     *decimal.Decimal  `fact:"tax,scale=38"`
	Whole   decimal.Decimal   `fact:"whole,scale=0"`
	Grade   grade             `fact:"grade"`
	Former  *grade            `fact:"former"`
	Texts   []string          `fact:"texts"`
	Labels  []string          `fact:"labels,low"`
	Flags   []bool            `fact:"flags"`
	Smalls  []int32           `fact:"smalls"`
	Bigs    []int64           `fact:"bigs"`
	Ratios  []float64         `fact:"ratios"`
	Moments []time.Time       `fact:"moments"`
	IDs     []uuid.UUID       `fact:"ids"`
	Amounts []decimal.Decimal `fact:"amounts,scale=4"`
	Grades  []grade           `fact:"grades"`
}

// chooser draws values, extremes as often as others.
type chooser struct{ *rand.Rand }

func pick[T any](c chooser, of ...T) T { return of[c.IntN(len(of))] }

func maybe[T any](c chooser, draw func() T) *T {
	if c.IntN(3) == 0 {
		return nil
	}
	v := draw()
	return &v
}

func some[T any](c chooser, draw func() T) []T {
	switch n := c.IntN(5); n {
	case 0:
		return nil
	case 1:
		return []T{}
	default:
		items := make([]T, n*n)
		for i := range items {
			items[i] = draw()
		}
		return items
	}
}

func (c chooser) text() string {
	return pick(c, "", "a", "n", "v", "1:a", ",", "it's \\ `odd`\x00", "\xff\xfe", "ü€𝄞", strings.Repeat("long ", c.IntN(100)))
}
func (c chooser) flag() bool { return c.IntN(2) == 0 }
func (c chooser) small() int32 {
	return pick(c, 0, 1, -1, math.MaxInt32, math.MinInt32, int32(c.Uint32()))
}
func (c chooser) big() int64 {
	return pick(c, 0, 1, -1, math.MaxInt64, math.MinInt64, int64(c.Uint64()))
}
func (c chooser) count() int { return int(c.big()) }
func (c chooser) ratio() float64 {
	return pick(c, 0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, c.Float64())
}
func (c chooser) moment() time.Time {
	return pick(c, timeFirst, timeEnd.Add(-time.Microsecond), time.Unix(0, 0).UTC(), time.UnixMicro(c.Int64N(1<<50)-1<<49).UTC())
}
func (c chooser) id() uuid.UUID {
	var random uuid.UUID
	for i := range random {
		random[i] = byte(c.Uint32())
	}
	return pick(c, uuid.Nil, uuid.Max, random, random)
}

// amount is a decimal of a scale: with the most digits, or with zeros behind or before the
// point that a column does not keep.
func (c chooser) amount(scale int32) func() decimal.Decimal {
	most := decimal.RequireFromString(strings.Repeat("9", projections.DecimalDigits)).Shift(-scale)
	return func() decimal.Decimal {
		random := decimal.New(int64(c.Uint64()), -scale)
		return pick(c, decimal.Decimal{}, most, most.Neg(), random, decimal.New(1, -scale), decimal.New(-1, -scale),
			decimal.RequireFromString("0e-500"), decimal.RequireFromString("0e500"), random.Add(decimal.RequireFromString("0e-60")))
	}
}
func (c chooser) grade() grade { return grade(pick(c, grade("").Values()...)) }

func samplesOf(e sampled) []sample {
	c := chooser{rand.New(rand.NewPCG(e.Seed, 12))}
	rows := make([]sample, e.Rows)
	for i := range rows {
		rows[i] = sample{
			At: january.AddDate(0, -i%12, 0), Key: c.id(), Price: c.amount(2)(), Text: maybe(c, c.text), Label: maybe(c, c.text), Flag: maybe(c, c.flag),
			Small: maybe(c, c.small), Big: maybe(c, c.big), Count: maybe(c, c.count), Ratio: maybe(c, c.ratio), Since: maybe(c, c.moment), ID: c.id(),
			Other: maybe(c, c.id), Amount: c.amount(4)(), Tax: maybe(c, c.amount(38)), Whole: c.amount(0)(), Grade: c.grade(), Former: maybe(c, c.grade),
			Texts: some(c, c.text), Labels: some(c, c.text), Flags: some(c, c.flag), Smalls: some(c, c.small), Bigs: some(c, c.big), Ratios: some(c, c.ratio),
			Moments: some(c, c.moment), IDs: some(c, c.id), Amounts: some(c, c.amount(4)), Grades: some(c, c.grade),
		}
	}
	return rows
}

// unstorable are values that a column does not hold, each with what is said of it.
var unstorable = map[string]struct {
	spoil func(*sample)
	want  string
}{
	"fine":         {func(r *sample) { r.Amount = decimal.RequireFromString("0.00001") }, "column amount: 1e-5 has more than 4 digits behind the point, and nothing is rounded"},
	"large":        {func(r *sample) { r.Amount = decimal.New(1, 34) }, "column amount: 1e34 has too many digits: the column holds 34 before the point and 4 behind it"},
	"vast":         {func(r *sample) { r.Whole = decimal.New(7, math.MaxInt32) }, "column whole: 7e2147483647 has too many digits"},
	"minute":       {func(r *sample) { d := decimal.New(-7, math.MinInt32); r.Tax = &d }, "column tax: -7e-2147483648 has more than 38 digits behind the point"},
	"digits":       {func(r *sample) { r.Whole = decimal.RequireFromString(strings.Repeat("9", 2_000)) }, "column whole: a number with a coefficient of 6644 bits has too many digits"},
	"item":         {func(r *sample) { r.Amounts = []decimal.Decimal{{}, decimal.New(1, -5)} }, "column amounts: item 1: 1e-5 has more than 4 digits"},
	"undeclared":   {func(r *sample) { r.Grade = "worse" }, `column grade: "worse" is not a declared value: declare it in the Values method of the column's type, which has`},
	"undeclared *": {func(r *sample) { g := grade("worse"); r.Former = &g }, `column former: "worse" is not a declared value`},
	"undeclared[]": {func(r *sample) { r.Grades = []grade{"good", "worse"} }, `column grades: item 1: "worse" is not a declared value`},
	"early":        {func(r *sample) { t := timeFirst.Add(-1); r.Since = &t }, "column since: 1899-12-31 23:59:59.999999999 +0000 UTC is outside of 1900 to 2261"},
	"nanoseconds":  {func(r *sample) { r.Moments = []time.Time{january.Add(1)} }, "column moments: item 0: 2026-01-31 23:59:59.999999001 +0000 UTC is not in whole microseconds"},
	"long":         {func(r *sample) { r.Flags = make([]bool, listItemsMax+1) }, "column flags: it has 10001 items; the most are 10000"},
	"heavy":        {func(r *sample) { r.Texts = []string{strings.Repeat("x", rowListBytesMax)} }, "the lists of one row hold 10"},
	"two":          {func(r *sample) { r.Grade, r.Amount = "worse", decimal.New(1, -5) }, `column amount: 1e-5`},
}

// samples is a fact of them; tolerant has the code that a release brings which mends it.
func samples(tolerant bool) *projections.Fact[sample] {
	return &projections.Fact[sample]{Name: "samples", Version: 1, Doc: "Every kind.", Handlers: []projections.FactHandler[sample]{
		projections.Append(func(e sampled, _ projections.Meta) ([]sample, error) {
			rows := samplesOf(e)
			if e.Fault == "event" && !tolerant {
				for i := range rows {
					rows[i].Texts = []string{strings.Repeat("x", rowListBytesMax-1_000_000/2)}
				}
			} else if fault, there := unstorable[e.Fault]; there && !tolerant {
				fault.spoil(&rows[len(rows)-1])
			}
			return rows, nil
		}),
	}}
}

func sampleSet(t testing.TB, tolerant bool) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(samples(tolerant))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newSampleBench(t testing.TB) *bench {
	b := newBench(t)
	b.cfg.Set = sampleSet(t, false)
	return b
}

// written makes values equal that a column does not tell apart.
func written(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case decimal.Decimal:
		return x.String()
	case float64:
		return fmt.Sprintf("%016x", math.Float64bits(x))
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "NULL"
		}
		return "*" + written(v.Elem())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = written(v.Index(i))
		}
		return fmt.Sprintf("%q", items)
	}
	return fmt.Sprintf("%q", fmt.Sprint(v.Interface()))
}

// storedSamples reads all rows in the order of the log.
func (b *bench) storedSamples(table string) (rows []sample) {
	b.t.Helper()
	var names []string
	for _, c := range b.cfg.Set.Facts()[0].Columns {
		names = append(names, ident(c.Name))
	}
	found, err := b.cfg.ClickHouse.Query(bounded(b.t), "SELECT "+strings.Join(names, ", ")+" FROM "+table+" ORDER BY "+positionColumn+", "+rowColumn)
	if err != nil {
		b.t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var row sample
		var big *int64
		var declared string
		var former *string
		var grades []string
		var targets []any
		for i := range reflect.TypeFor[sample]().NumField() {
			field := reflect.ValueOf(&row).Elem().Field(i).Addr().Interface()
			switch field.(type) { // the driver knows no int and no named strings
			case **int:
				field = &big
			case *grade:
				field = &declared
			case **grade:
				field = &former
			case *[]grade:
				field = &grades
			}
			targets = append(targets, field)
		}
		if err := found.Scan(targets...); err != nil {
			b.t.Fatal(err)
		}
		if big != nil {
			n := int(*big)
			row.Count = &n
		}
		row.Grade = grade(declared)
		if former != nil {
			g := grade(*former)
			row.Former = &g
		}
		for _, g := range grades {
			row.Grades = append(row.Grades, grade(g))
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		b.t.Fatal(err)
	}
	return rows
}

// same fails unless the stored rows are those that the events make.
func (b *bench) same(stored []sample, events ...sampled) {
	b.t.Helper()
	var want []sample
	for _, e := range events {
		want = append(want, samplesOf(e)...)
	}
	if len(stored) != len(want) {
		b.t.Fatalf("%d rows are stored, want %d", len(stored), len(want))
	}
	faults := 0
	for i := range want {
		for f := range reflect.TypeFor[sample]().NumField() {
			got, wanted := written(reflect.ValueOf(stored[i]).Field(f)), written(reflect.ValueOf(want[i]).Field(f))
			if got != wanted && faults < 10 {
				b.t.Errorf("row %d, %s: %s is stored, want %s", i, reflect.TypeFor[sample]().Field(f).Name, got, wanted)
				faults++
			}
		}
	}
}

func typed[E eventlog.Typed](events []E) []eventlog.Typed {
	all := make([]eventlog.Typed, len(events))
	for i, e := range events {
		all[i] = e
	}
	return all
}
