package modelling

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

type made struct{ ID string }

func (made) EventType() (string, int) { return "repair.Made", 1 }

type (
	emptyValues string
	twoValues   string
)

func (emptyValues) Values() []string { return nil }
func (twoValues) Values() []string   { return []string{"a", "a"} }

// viewOf and factOf are definitions with rows of R.
func viewOf[R any](joins ...projections.Join[R]) *projections.View[R] {
	return &projections.View[R]{Name: "v", Version: 1, Joins: joins, Handlers: []projections.Handler[R]{
		projections.Create(func(e made) string { return e.ID }, func(*R, made, projections.Meta) error { return nil })}}
}

func factOf[R any]() *projections.Fact[R] {
	return &projections.Fact[R]{Name: "f", Version: 1, Handlers: []projections.FactHandler[R]{
		projections.Append(func(made, projections.Meta) ([]R, error) { return nil, nil })}}
}

// row has one column beside its key.
type row[T any] struct {
	ID string `view:"id,key"`
	C  T      `view:"c"`
}

// Rows that cannot be, and the two sides of a copy.
type (
	ordered struct {
		ID string   `view:"id,key"`
		C  []string `view:"c,order"`
	}
	scaledText struct {
		ID string `view:"id,key"`
		C  string `view:"c,scale=2"`
	}
	deep struct {
		ID string          `view:"id,key"`
		C  decimal.Decimal `view:"c,scale=40"`
	}
	numbered struct {
		ID int `view:"id,key"`
	}
	option struct {
		ID string `view:"id,key,unique"`
	}
	system struct {
		ID string `view:"id,key"`
		C  int    `view:"xmin"`
	}
	target struct {
		ID string          `view:"id,key"`
		On string          `view:"on"`
		C  decimal.Decimal `view:"c,join,scale=2"`
	}
	source struct {
		ID string          `view:"id,key"`
		C  decimal.Decimal `view:"c,scale=4"`
	}
	optionalTime struct {
		At *time.Time `fact:"at,time"`
	}
	sortedNull struct {
		At time.Time `fact:"at,time"`
		C  *int      `fact:"c,order"`
	}
	listOfLists struct {
		At time.Time `fact:"at,time"`
		C  [][]int   `fact:"c"`
	}
)

// TestRefusedDefinitions says what cannot be modelled, and what the author is told.
func TestRefusedDefinitions(t *testing.T) {
	t.Parallel()
	sources := viewOf[source]()
	sources.Name = "s"
	for name, c := range map[string]struct {
		definitions []projections.Definition
		says        string
	}{
		"a decimal without a scale":     {define(viewOf[row[decimal.Decimal]]()), "field C: a decimal states how many digits it has behind the point: add the option scale, as in `view:\"c,scale=4\"`"},
		"a scale beyond the digits":     {define(viewOf[deep]()), "field C: scale=40: a scale is a number of digits from 0 to 38, such as scale=4"},
		"a scale of a text":             {define(viewOf[scaledText]()), "field C: string has no scale: only a decimal.Decimal has"},
		"values that are none":          {define(viewOf[row[emptyValues]]()), "emptyValues.Values returns no value: return every value that there is, or remove the method"},
		"a value twice":                 {define(viewOf[row[twoValues]]()), "twoValues.Values returns a value twice: return each once"},
		"bytes":                         {define(viewOf[row[[4]byte]]()), "[4]uint8 cannot be a column: use string, bool, int, int32, int64, float64, time.Time, uuid.UUID or decimal.Decimal, or a struct, slice or map of those"},
		"a pointer to a list":           {define(viewOf[row[*[]int]]()), "a pointer to []int cannot be a column: point to a string"},
		"an order of json":              {define(viewOf[ordered]()), "a json column can be neither index nor order"},
		"a key that is no text":         {define(viewOf[numbered]()), "the key is a plain string"},
		"an option that there is not":   {define(viewOf[option]()), `unknown option "unique": there are key, index, order, join, hidden, scale=N`},
		"a column of Postgres":          {define(viewOf[system]()), `every table of Postgres has a column "xmin" of its own`},
		"a copy between scales":         {define(sources, viewOf[target](projections.Copy[target](sources, "on", "c"))), `"c" and s's "c" are of different types`},
		"a fact without its time":       {define(factOf[optionalTime]()), "*time.Time cannot be the time: use time.Time, since every row belongs to one month"},
		"a nullable in the sorting key": {define(factOf[sortedNull]()), "*int cannot be in the sorting key, which holds no NULL: remove `order`"},
		"a list of lists in a fact":     {define(factOf[listOfLists]()), "[][]int cannot be a fact's column: use []T; an empty list is the same as none, and lists of lists are not stored"},
		"two registries of upcasters":   {define(viewOf[row[string]](), projections.Upcasters(&eventlog.Upcasters{}), projections.Upcasters(&eventlog.Upcasters{})), "a set has one registry of upcasters, here are two"},
	} {
		_, err := projections.NewSet(c.definitions...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v,\nand not %s", name, err, c.says)
		}
	}
}

func define(d ...projections.Definition) []projections.Definition { return d }
