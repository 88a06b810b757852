package projections_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// coinGrade declares its values.
type coinGrade string

func (coinGrade) Values() []string { return []string{"good", "fair"} }

// The tests' own domain: coins that are struck, valued by one stream, and shown in frames.
type (
	coinStruck struct{ ID string }
	coinValued struct {
		ID     string
		Amount decimal.Decimal
		Bid    *decimal.Decimal
		Grade  coinGrade
		Second *coinGrade
	}
	frameHung struct{ ID, Coin string }
)

func (coinStruck) EventType() (string, int) { return "test.CoinStruck", 1 }
func (coinValued) EventType() (string, int) { return "test.CoinValued", 1 }
func (frameHung) EventType() (string, int)  { return "test.FrameHung", 1 }

type coin struct {
	ID     string           `view:"id,key"`
	Serial uuid.UUID        `view:"serial,index"`
	Amount decimal.Decimal  `view:"amount,order,scale=4"`
	Bid    *decimal.Decimal `view:"bid,order,scale=2"`
	Grade  coinGrade        `view:"grade,index"`
	Second *coinGrade       `view:"second"`
}

type frame struct {
	ID     string          `view:"id,key"`
	Coin   string          `view:"coin"`
	Amount decimal.Decimal `view:"amount,join,scale=4"`
	Grade  coinGrade       `view:"grade,join"`
	Twice  decimal.Decimal `view:"twice,join,scale=2"`
	Worst  coinGrade       `view:"worst,join"`
}

func coins(t *testing.T, worst coinGrade) *projections.Set {
	t.Helper()
	all := projections.View[coin]{Name: "coin", Version: 1, Handlers: []projections.Handler[coin]{
		projections.Create(func(e coinStruck) string { return e.ID },
			func(c *coin, e coinStruck, _ projections.Meta) error {
				c.Serial = uuid.NewSHA1(uuid.NameSpaceURL, []byte(e.ID))
				if c.Grade == "" {
					c.Grade = "good"
				}
				return nil
			}),
		projections.Update(func(e coinValued) string { return e.ID },
			func(c *coin, e coinValued, _ projections.Meta) error {
				c.Amount, c.Bid, c.Grade, c.Second = c.Amount.Add(e.Amount), e.Bid, e.Grade, e.Second
				return nil
			}),
	}}
	frames := projections.View[frame]{Name: "frame", Version: 1, Handlers: []projections.Handler[frame]{
		projections.Create(func(e frameHung) string { return e.ID },
			func(f *frame, e frameHung, _ projections.Meta) error { f.Coin = e.Coin; return nil }),
	}, Joins: []projections.Join[frame]{
		projections.Copy[frame](&all, "coin", "amount", "grade"),
		projections.JoinOn(&all, func(f *frame) []string { return []string{f.Coin} }, func(f *frame, get func(string) *coin) {
			if c := get(f.Coin); c != nil {
				f.Twice, f.Worst = c.Amount.Add(c.Amount), worst
			}
		}, "amount"),
	}}
	set, err := projections.NewSet(&all, &frames)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func fold(t *testing.T, set *projections.Set, events ...eventlog.Typed) error {
	t.Helper()
	_, err := projectiontest.FoldEvents(set, projectiontest.Story(events...))
	return err
}

func number(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// However a decimal was computed, its column has one form: that which a store gives back.
func TestDecimalsHaveOneForm(t *testing.T) {
	t.Parallel()
	set := coins(t, "fair")
	bid := number("1e1")
	rows := projectiontest.Fold(t, set, coinStruck{"c"}, frameHung{"f", "c"},
		coinValued{ID: "c", Amount: number("1.50"), Bid: &bid, Grade: "fair"}, coinValued{ID: "c", Amount: number("0.500000"), Bid: &bid, Grade: "fair"})
	c, f := projectiontest.Row[coin](t, rows, "coin", "c"), projectiontest.Row[frame](t, rows, "frame", "f")
	for what, d := range map[string][2]decimal.Decimal{
		"amount": {c.Amount, decimal.New(20_000, -4)}, "bid": {*c.Bid, decimal.New(1_000, -2)}, "copied": {f.Amount, decimal.New(20_000, -4)}, "joined": {f.Twice, decimal.New(400, -2)},
	} {
		if got, want := d[0], d[1]; got.Exponent() != want.Exponent() || got.Coefficient().Cmp(want.Coefficient()) != 0 {
			t.Errorf("%s is %se%d, not %se%d", what, got.Coefficient(), got.Exponent(), want.Coefficient(), want.Exponent())
		}
	}
	if bid.Exponent() != 1 {
		t.Error("a decimal that the event has was changed")
	}
	if rows := projectiontest.Fold(t, set, coinStruck{"c"}, coinValued{ID: "c", Amount: number("0.000"), Grade: "good"}); !reflect.DeepEqual(projectiontest.Row[coin](t, rows, "coin", "c").Amount, decimal.Decimal{}) {
		t.Error("zero is not the zero value")
	}
}

// What a column does not hold is a fault of the event that brings it, which names column
// and value; nothing is rounded, cut or left empty.
func TestWhatAColumnDoesNotHoldIsAFault(t *testing.T) {
	t.Parallel()
	fine, huge, bad := number("0.001"), decimal.New(1, 1_000_000_000), coinGrade("bad")
	for name, c := range map[string]struct {
		valued coinValued
		want   string
	}{
		"fine":     {coinValued{Amount: number("0.00001"), Grade: "good"}, "column amount: 1e-5 has more than 4 digits behind the point, and nothing is rounded"},
		"large":    {coinValued{Amount: number("1e34"), Grade: "good"}, "e0 has too many digits: the column holds 34 before"},
		"huge":     {coinValued{Bid: &huge, Grade: "good"}, "column bid: 1e1000000000 has too many digits"},
		"pointer":  {coinValued{Bid: &fine, Grade: "good"}, "column bid: 1e-3 has more than 2 digits"},
		"value":    {coinValued{Grade: "bad"}, `column grade: "bad" is not a declared value: declare it in the Values method of the column's type, which has fair, good`},
		"empty":    {coinValued{}, `column grade: "" is not a declared value`},
		"optional": {coinValued{Grade: "good", Second: &bad}, `column second: "bad" is not a declared value`},
		"all":      {coinValued{Amount: number("0.00001"), Grade: "bad"}, "column amount: 1e-5 has more than 4 digits behind the point, and nothing is rounded: declare a larger scale, or round it in the handler\ncolumn grade"},
	} {
		c.valued.ID = "c"
		err := fold(t, coins(t, "fair"), coinStruck{"c"}, c.valued)
		var fault *projections.FoldError
		switch {
		case !errors.As(err, &fault):
			t.Errorf("%s: %v", name, err)
		case !strings.Contains(err.Error(), c.want) || fault.Type != "test.CoinValued" || fault.Key != "c" || fault.Reason != projections.ReasonUnstorable || !strings.Contains(fault.Hint, "declare"):
			t.Errorf("%s: %v (%s)", name, err, fault.Reason)
		}
	}
}

// A row that is not live yet may lack a value; when it is created, it has one.
func TestValuesBeforeTheCreate(t *testing.T) {
	t.Parallel()
	set := coins(t, "fair")
	if err := fold(t, set, coinValued{ID: "c"}, coinStruck{"c"}); err != nil {
		t.Error(err)
	}
	if err := fold(t, set, coinValued{ID: "c", Grade: "bad"}); err == nil {
		t.Error("a value that is not declared waits in a hidden row")
	}
	rows := projectiontest.Fold(t, set, coinStruck{"c"}, coinValued{ID: "c", Grade: "fair"}, frameHung{"f", "elsewhere"})
	if f := projectiontest.Row[frame](t, rows, "frame", "f"); f.Grade != "" || f.Worst != "" {
		t.Errorf("without a source the joined values are %q and %q", f.Grade, f.Worst)
	}
}

// What a join's function computes is checked, too.
func TestJoinedValuesAreChecked(t *testing.T) {
	t.Parallel()
	err := fold(t, coins(t, "bad"), coinStruck{"c"}, frameHung{"f", "c"})
	if err == nil || !strings.Contains(err.Error(), `column worst: "bad" is not a declared value`) {
		t.Errorf("the fault is %v", err)
	}
	err = fold(t, coins(t, "fair"), coinStruck{"c"}, frameHung{"f", "c"}, coinValued{ID: "c", Grade: "good", Amount: number("0.001")})
	if err == nil || !strings.Contains(err.Error(), `column twice: 20e-4 has more than 2 digits`) {
		t.Errorf("the fault is %v", err)
	}
}

type noValues string
type twiceValues string

func (noValues) Values() []string    { return nil }
func (twiceValues) Values() []string { return []string{"a", "b", "a"} }

// Definitions of kinds that cannot be are refused, all at once, with what to do.
func TestKindsThatCannotBe(t *testing.T) {
	t.Parallel()
	type wrong struct {
		ID      coinGrade       `view:"id,key"`
		Plain   decimal.Decimal `view:"plain"`
		Deep    decimal.Decimal `view:"deep,scale=39"`
		Text    string          `view:"text,scale=2"`
		Words   decimal.Decimal `view:"words,scale=two"`
		None    noValues        `view:"none"`
		Twice   twiceValues     `view:"twice"`
		Bytes   [16]byte        `view:"bytes"`
		Ordered []string        `view:"ordered,order"`
		Far     **string        `view:"far"`
	}
	type two struct {
		ID     string          `view:"id,key"`
		On     string          `view:"on"`
		Amount decimal.Decimal `view:"amount,join,scale=2"`
	}
	all := projections.View[coin]{Name: "coin", Version: 1, Handlers: creates[coin]()}
	_, err := projections.NewSet(&all, &projections.View[wrong]{Name: "wrong", Version: 1, Handlers: creates[wrong]()},
		&projections.View[two]{Name: "two", Version: 1, Handlers: creates[two](), Joins: []projections.Join[two]{projections.Copy[two](&all, "on", "amount")}})
	if err == nil {
		t.Fatal("a set full of faults was accepted")
	}
	for _, want := range []string{
		"field ID: the key is a plain string", "field Plain: a decimal states how many digits it has behind the point: add the option scale, as in `view:\"plain,scale=4\"`",
		"field Deep: scale=39: a scale is a number of digits from 0 to 38", "field Text: string has no scale", "field Words: scale=two",
		"noValues.Values returns no value", "twiceValues.Values returns a value twice", "field Bytes: [16]uint8 cannot be a column: use string",
		"field Ordered: a json column can be neither index nor order", "field Far: a pointer to *string cannot be a column",
		`copy from coin: "amount" and coin's "amount" are of different types`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// What a column holds is part of its view's fingerprint; plain views keep theirs.
func TestFingerprintsOfKinds(t *testing.T) {
	t.Parallel()
	type one struct {
		ID string          `view:"id,key"`
		D  decimal.Decimal `view:"d,scale=2"`
	}
	type other struct {
		ID string          `view:"id,key"`
		D  decimal.Decimal `view:"d,scale=3"`
	}
	type graded struct {
		ID string    `view:"id,key"`
		D  coinGrade `view:"d"`
	}
	seen := map[string]string{}
	for name, d := range map[string]projections.Definition{
		"scale 2": &projections.View[one]{Name: "v", Version: 1, Handlers: creates[one]()}, "scale 3": &projections.View[other]{Name: "v", Version: 1, Handlers: creates[other]()},
		"values": &projections.View[graded]{Name: "v", Version: 1, Handlers: creates[graded]()},
	} {
		set, err := projections.NewSet(d)
		if err != nil {
			t.Fatal(err)
		}
		f := set.Views()[0].Fingerprint()
		if other := seen[f]; other != "" {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[f] = name
	}
	set, err := projections.NewSet(&projections.View[plain]{Name: "plain", Version: 1, Handlers: creates[plain]()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := set.Views()[0].Fingerprint(), "2df9d4e0fc002fa5"; got != want {
		t.Errorf("a plain view's fingerprint is %s and was %s", got, want)
	}
}
