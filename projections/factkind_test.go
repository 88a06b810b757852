package projections_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

type (
	grade  string
	rank   string
	twice  string
	nobody string
	crowd  string
)

func (grade) Values() []string  { return []string{"good", "bad"} }
func (*rank) Values() []string  { return []string{"first"} }
func (twice) Values() []string  { return []string{"a", "b", "a"} }
func (nobody) Values() []string { return nil }
func (crowd) Values() []string  { return strings.Split(strings.Repeat("x,", 1_000)+"y", ",") }

// factOf is a fact of rows R that nothing is wrong with but its columns.
func factOf[R any]() *projections.Fact[R] {
	return &projections.Fact[R]{Name: "sampled", Version: 1, Handlers: []projections.FactHandler[R]{
		projections.Append(func(made, projections.Meta) ([]R, error) { return nil, nil }),
	}}
}

func columnsOf[R any](t *testing.T) []projections.FactColumn {
	t.Helper()
	set, err := projections.NewSet(factOf[R]())
	if err != nil {
		t.Fatal(err)
	}
	return set.Facts()[0].Columns
}

func TestKindsOfAFactsColumns(t *testing.T) {
	t.Parallel()
	type row struct {
		At     time.Time         `fact:"at,time"`
		Plain  string            `fact:"plain"`
		Maybe  *string           `fact:"maybe,low"`
		ID     uuid.UUID         `fact:"id,order"`
		IDs    []uuid.UUID       `fact:"ids"`
		Amount decimal.Decimal   `fact:"amount,scale=4,order"`
		None   *decimal.Decimal  `fact:"none,scale=0"`
		Parts  []decimal.Decimal `fact:"parts,scale=38"`
		Grade  grade             `fact:"grade,order"`
		Rank   *rank             `fact:"rank"`
		Grades []grade           `fact:"grades"`
		Since  *time.Time        `fact:"since"`
	}
	want := []projections.FactColumn{
		{Name: "at", Kind: projections.Time},
		{Name: "plain", Kind: projections.Text},
		{Name: "maybe", Kind: projections.Text, Nullable: true, Low: true},
		{Name: "id", Kind: projections.UUID, Order: true},
		{Name: "ids", Kind: projections.UUID, List: true},
		{Name: "amount", Kind: projections.Decimal, Scale: 4, Order: true},
		{Name: "none", Kind: projections.Decimal, Nullable: true},
		{Name: "parts", Kind: projections.Decimal, Scale: 38, List: true},
		{Name: "grade", Kind: projections.Text, Low: true, Order: true, Values: []string{"bad", "good"}},
		{Name: "rank", Kind: projections.Text, Low: true, Nullable: true, Values: []string{"first"}},
		{Name: "grades", Kind: projections.Text, Low: true, List: true, Values: []string{"bad", "good"}},
		{Name: "since", Kind: projections.Time, Nullable: true},
	}
	got := columnsOf[row](t)
	if len(got) != len(want) {
		t.Fatalf("%d columns, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Kind != w.Kind || g.Nullable != w.Nullable || g.List != w.List || g.Low != w.Low ||
			g.Order != w.Order || g.Scale != w.Scale || strings.Join(g.Values, ",") != strings.Join(w.Values, ",") {
			t.Errorf("column %s is %+v, want %+v", w.Name, g, w)
		}
	}
}

// Each refusal names the field and what to do, and all come at once.
func TestColumnsThatAFactCannotHaveAreRefused(t *testing.T) {
	t.Parallel()
	type row struct {
		At       *time.Time      `fact:"at,time"`
		Key      *string         `fact:"key,order"`
		Many     []string        `fact:"many,order"`
		Bare     decimal.Decimal `fact:"bare"`
		Vast     decimal.Decimal `fact:"vast,scale=39"`
		Worded   decimal.Decimal `fact:"worded,scale=two"`
		Scaled   int64           `fact:"scaled,scale=2"`
		Low      []int64         `fact:"low,low"`
		Deep     [][]string      `fact:"deep"`
		Holes    []*string       `fact:"holes"`
		MaybeAll *[]string       `fact:"maybe_all"`
		Bytes    []byte          `fact:"bytes"`
		Map      map[string]int  `fact:"map"`
		Twice    twice           `fact:"twice"`
		Nobody   nobody          `fact:"nobody"`
		Crowd    crowd           `fact:"crowd"`
		Option   string          `fact:"option,index"`
		Both     *int64          `fact:"both,order,low"`
	}
	_, err := projections.NewSet(factOf[row]())
	if err == nil {
		t.Fatal("nothing is refused")
	}
	for _, want := range []string{
		"field At: *time.Time cannot be the time: use time.Time",
		"field Key: *string cannot be in the sorting key, which holds no NULL: remove `order`, or use a plain type",
		"field Many: []string cannot be in the sorting key: remove `order`, or make a row per item",
		"field Bare: a decimal states how many digits it has behind the point: add the option scale, as in `fact:\"bare,scale=4\"`",
		"field Vast: scale=39: a scale is a number of digits from 0 to 38",
		"field Worded: scale=two: a scale is a number of digits from 0 to 38",
		"field Scaled: int64 has no scale: only a decimal.Decimal has",
		"field Low: only a string can be low",
		"field Deep: [][]string cannot be a fact's column: use []T",
		"field Holes: []*string cannot be a fact's column: the items of a list are never null",
		"field MaybeAll: *[]string cannot be a fact's column: use []T; an empty list is the same as none",
		"field Bytes: []uint8 cannot be a fact's column: use string, bool",
		"field Map: map[string]int cannot be a fact's column: use string, bool",
		"twice.Values returns a value twice",
		"nobody.Values returns no value",
		"crowd.Values returns 1001 values; the most are 1000",
		"field Option: unknown option \"index\": there are order, low, time, scale=N",
		"field Both: *int64 cannot be in the sorting key, which holds no NULL: remove `order`, or use a plain type and a value of your own for what is absent\nonly a string can be low",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no refusal %q in\n%v", want, err)
		}
	}
}

func fingerprintOf[R any](t *testing.T) string {
	t.Helper()
	set, err := projections.NewSet(factOf[R]())
	if err != nil {
		t.Fatal(err)
	}
	return set.Facts()[0].Fingerprint()
}

// Tables of facts without the newer kinds go on as they are.
func TestAPlainFactKeepsItsFingerprint(t *testing.T) {
	t.Parallel()
	type row struct {
		At   time.Time `fact:"at,time"`
		Name string    `fact:"name,order,low"`
	}
	sum := sha256.Sum256([]byte("fact sampled 1 time=0\ncolumn at time order=false low=false\ncolumn name text order=true low=true\nhandle test.Made 1 \n"))
	if got, want := fingerprintOf[row](t), hex.EncodeToString(sum[:8]); got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

type (
	closed  string
	closed2 string
)

func (closed) Values() []string  { return []string{"a", "b"} }
func (closed2) Values() []string { return []string{"b", "c", "a"} }

// What decides about the stored values is part of the fingerprint.
func TestTheFingerprintSeesHowAColumnIsStored(t *testing.T) {
	t.Parallel()
	type plainRow struct {
		At time.Time `fact:"at,time"`
		V  string    `fact:"v,low"`
	}
	type nullableRow struct {
		At time.Time `fact:"at,time"`
		V  *string   `fact:"v,low"`
	}
	type listRow struct {
		At time.Time `fact:"at,time"`
		V  []string  `fact:"v,low"`
	}
	type closedRow struct {
		At time.Time `fact:"at,time"`
		V  closed    `fact:"v"`
	}
	type closed2Row struct {
		At time.Time `fact:"at,time"`
		V  closed2   `fact:"v"`
	}
	type cents struct {
		At time.Time       `fact:"at,time"`
		V  decimal.Decimal `fact:"v,scale=2"`
	}
	type mills struct {
		At time.Time       `fact:"at,time"`
		V  decimal.Decimal `fact:"v,scale=3"`
	}
	seen := map[string]string{}
	for name, print := range map[string]string{
		"plain": fingerprintOf[plainRow](t), "nullable": fingerprintOf[nullableRow](t), "list": fingerprintOf[listRow](t), "closed": fingerprintOf[closedRow](t),
		"another value": fingerprintOf[closed2Row](t), "cents": fingerprintOf[cents](t), "mills": fingerprintOf[mills](t),
	} {
		if other := seen[print]; other != "" {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[print] = name
	}
}
