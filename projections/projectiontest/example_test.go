package projectiontest_test

import (
	"flag"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// The examples of docs/testing-views.md: a library lends books to its members.

type (
	MemberJoined  struct{ MemberID, Name string }
	MemberRenamed struct{ MemberID, Name string }
	BookLent      struct{ LoanID, MemberID, Title string }
	BookReturned  struct{ LoanID string }
)

func (MemberJoined) EventType() (string, int)  { return "members.Joined", 1 }
func (MemberRenamed) EventType() (string, int) { return "members.Renamed", 1 }
func (BookLent) EventType() (string, int)      { return "loans.Lent", 1 }
func (BookReturned) EventType() (string, int)  { return "loans.Returned", 1 }

type Member struct {
	ID   string `view:"id,key"`
	Name string `view:"name"`
}

type Loan struct {
	ID         string     `view:"id,key"`
	MemberID   string     `view:"member_id,index"`
	MemberName string     `view:"member_name,join"`
	Title      string     `view:"title"`
	LentAt     time.Time  `view:"lent_at,order"`
	ReturnedAt *time.Time `view:"returned_at"`
}

func librarySet(t testing.TB) *projections.Set {
	t.Helper()
	members := projections.View[Member]{Name: "member", Version: 1, Handlers: []projections.Handler[Member]{
		projections.Create(func(e MemberJoined) string { return e.MemberID },
			func(m *Member, e MemberJoined, _ projections.Meta) error { m.Name = e.Name; return nil }),
		projections.Update(func(e MemberRenamed) string { return e.MemberID },
			func(m *Member, e MemberRenamed, _ projections.Meta) error { m.Name = e.Name; return nil }),
	}}
	loans := projections.View[Loan]{Name: "loan", Version: 1, Handlers: []projections.Handler[Loan]{
		projections.Create(func(e BookLent) string { return e.LoanID },
			func(l *Loan, e BookLent, meta projections.Meta) error {
				l.MemberID, l.Title, l.LentAt = e.MemberID, e.Title, meta.Time
				return nil
			}),
		projections.Update(func(e BookReturned) string { return e.LoanID },
			func(l *Loan, _ BookReturned, meta projections.Meta) error { l.ReturnedAt = &meta.Time; return nil }),
	}, Joins: []projections.Join[Loan]{projections.Copy[Loan](&members, "member_id", "member_name=name")}}
	set, err := projections.NewSet(&members, &loans)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestALoanShowsItsMember(t *testing.T) {
	rows := projectiontest.Fold(t, librarySet(t),
		MemberJoined{"ada", "Ada Byron"},
		BookLent{"l-1", "ada", "Notes on the engine"},
		MemberRenamed{"ada", "Ada Lovelace"},
	)
	loan := projectiontest.Row[Loan](t, rows, "loan", "l-1")
	if loan.Title != "Notes on the engine" || loan.MemberName != "Ada Lovelace" {
		t.Errorf("the loan is %+v", loan)
	}
}

// Lending is a row of the fact lendings.
type Lending struct {
	At       time.Time `fact:"at,time"`
	MemberID string    `fact:"member_id,order"`
	Title    string    `fact:"title"`
}

var lendings = projections.Fact[Lending]{Name: "lendings", Version: 1, Handlers: []projections.FactHandler[Lending]{
	projections.Append(func(e BookLent, m projections.Meta) ([]Lending, error) {
		return []Lending{{m.Time, e.MemberID, e.Title}}, nil
	}),
}}

func TestALendingIsAFact(t *testing.T) {
	set, err := projections.NewSet(&lendings)
	if err != nil {
		t.Fatal(err)
	}
	rows := projectiontest.Facts[Lending](t, set, "lendings", BookLent{"l-1", "ada", "Notes on the engine"})
	if len(rows) != 1 || rows[0].MemberID != "ada" || rows[0].Title != "Notes on the engine" {
		t.Errorf("the facts are %+v", rows)
	}
}

func TestALoanIsReturned(t *testing.T) {
	sunday := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	rows := projectiontest.Fold(t, librarySet(t),
		projectiontest.At{Event: BookLent{"l-1", "ada", "Notes on the engine"}, Stream: "loan-l-1", Time: sunday},
		projectiontest.At{Event: BookReturned{"l-1"}, Stream: "loan-l-1", Time: sunday.AddDate(0, 0, 7)},
	)
	loan := projectiontest.Row[Loan](t, rows, "loan", "l-1")
	if loan.ReturnedAt == nil || loan.ReturnedAt.Sub(loan.LentAt) != 7*24*time.Hour {
		t.Errorf("the loan is %+v", loan)
	}
}

func TestARowNobodySeesYet(t *testing.T) {
	rows := projectiontest.Fold(t, librarySet(t), BookReturned{"l-1"})
	if got := rows["loan"][0].State; got != projections.Unborn {
		t.Errorf("a loan that is returned before it is lent is %v", got)
	}
}

// story is a loan's life, in the streams of the two services that tell it.
var story = []eventlog.Typed{
	projectiontest.At{Stream: "member-ada", Event: MemberJoined{"ada", "Ada Byron"}},
	projectiontest.At{Stream: "loan-l-1", Event: BookLent{"l-1", "ada", "Notes on the engine"}},
	projectiontest.At{Stream: "member-ada", Event: MemberRenamed{"ada", "Ada Lovelace"}},
	projectiontest.At{Stream: "loan-l-1", Event: BookReturned{"l-1"}},
}

func TestFoldedTwiceIsTheSame(t *testing.T) {
	projectiontest.Twice(t, librarySet(t), story...)
}

func TestNoOrderOfTheStreamsMatters(t *testing.T) {
	projectiontest.Interleavings(t, librarySet(t), story...)
}

var (
	rewrite     = flag.Bool("rewrite", false, "write views.lock")
	sameVersion = flag.Bool("same-version", false, "with -rewrite: also other rows at an unchanged version")
)

func TestViewsAreThoseOfTheLock(t *testing.T) {
	set := librarySet(t)
	rows := projectiontest.Fold(t, set, story...)
	outputs := map[string]string{}
	for view := range rows {
		outputs[view] = projectiontest.Text(rows[view])
	}
	accept := projectiontest.AcceptNothing
	switch {
	case *rewrite && *sameVersion:
		accept = projectiontest.AcceptSameVersions
	case *rewrite:
		accept = projectiontest.AcceptNewVersions
	}
	projectiontest.Lock(t, set, "testdata/views.lock", outputs, accept)
}
