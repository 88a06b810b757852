package queryapi_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// The domain of these tests: books, with a column of every kind, and their authors.

type printed struct{ Book string }

func (printed) EventType() (string, int) { return "press.Printed", 1 }

type price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type edition struct {
	Number  int               `json:"number"`
	Price   price             `json:"price"`
	Notes   []string          `json:"notes"`
	Labels  map[string]string `json:"labels"`
	Printed time.Time         `json:"printed"`
	Big     uint64            `json:"big"`
	Reprint *int              `json:"reprint"`
}

// binding is how a book is bound; readers see an enum.
type binding string

func (binding) Values() []string { return []string{"hard", "paper", "spiral"} }

type book struct {
	ID       string           `view:"id,key"`
	AuthorID string           `view:"author_id,index"`
	Title    string           `view:"title,order"`
	Pages    int32            `view:"pages,index,order"`
	Sold     int64            `view:"sold,order"`
	Rating   float64          `view:"rating"`
	InPrint  bool             `view:"in_print,index"`
	Subtitle *string          `view:"subtitle,index"`
	Seen     *time.Time       `view:"seen"`
	Out      time.Time        `view:"out,order"`
	Editions []edition        `view:"editions"`
	First    edition          `view:"first"`
	Secret   string           `view:"secret,hidden"`
	Code     uuid.UUID        `view:"code,order"`
	Cost     decimal.Decimal  `view:"cost,order,scale=2"`
	Bound    binding          `view:"bound,index"`
	Rebound  *binding         `view:"rebound"`
	Sequel   *int64           `view:"sequel,order"`
	Award    *decimal.Decimal `view:"award,order,scale=3"`
}

type author struct {
	AuthorID string `view:"author_id,key"`
	Name     string `view:"name"`
}

func views(t testing.TB) *projections.Set {
	t.Helper()
	books := projections.View[book]{Name: "book", Version: 2, Doc: "Books in print and out of it.",
		Handlers: []projections.Handler[book]{projections.Create(
			func(e printed) string { return e.Book },
			func(*book, printed, projections.Meta) error { return nil })}}
	authors := projections.View[author]{Name: "author", Version: 1,
		Handlers: []projections.Handler[author]{projections.Create(
			func(e printed) string { return e.Book },
			func(*author, printed, projections.Meta) error { return nil })}}
	set, err := projections.NewSet(&books, &authors)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// shelf is a screen over both views.
var shelf = queryapi.Screen{
	Name: "shelf", Doc: "An author with books.",
	Args: []queryapi.Arg{{Name: "authorId", Kind: projections.Text}},
	Parts: []queryapi.Part{
		{Name: "author", View: "author", Key: "authorId"},
		{Name: "latest", View: "book", List: &queryapi.List{
			Where: []queryapi.Where{{Column: "author_id", Arg: "authorId"}}, OrderBy: "OUT_DESC", First: 3}},
		{Name: "best", View: "book", List: &queryapi.List{
			Where: []queryapi.Where{{Column: "author_id", Arg: "authorId"}}, OrderBy: "SOLD_DESC", First: 2}},
	},
}

func schema(t testing.TB, reports ...queryapi.Report) *queryapi.Schema {
	t.Helper()
	s, err := queryapi.NewSchema(queryapi.Definition{Set: views(t), Screens: []queryapi.Screen{shelf}, Reports: reports})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
