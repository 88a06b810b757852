package projectiontest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// failures is a test that the kit is to fail.
type failures struct {
	testing.TB
	said []string
}

func (f *failures) Helper() {}

func (f *failures) Error(args ...any) { f.said = append(f.said, fmt.Sprint(args...)) }

func (f *failures) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *failures) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// failing runs a test of the kit's, and returns what it said.
func failing(run func(testing.TB)) []string {
	f := &failures{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	return f.said
}

func says(t *testing.T, said []string, parts ...string) {
	t.Helper()
	if len(said) != len(parts) {
		t.Fatalf("it said %q, want %d times something", said, len(parts))
	}
	for i, part := range parts {
		if !strings.Contains(said[i], part) {
			t.Errorf("it said %q, want %q", said[i], part)
		}
	}
}

// setOf is a view of loans with a handler of one's own for its first event, at a
// version; with wide it has a column more.
func setOf(t testing.TB, number int, fold func(*Loan, BookLent, projections.Meta) error, wide bool) *projections.Set {
	t.Helper()
	handlers := []projections.Handler[Loan]{
		projections.Create(func(e BookLent) string { return e.LoanID }, fold),
		projections.Update(func(e MemberRenamed) string { return "l-1" },
			func(l *Loan, e MemberRenamed, _ projections.Meta) error { l.Title = e.Name; return nil }),
	}
	if wide {
		handlers = append(handlers, projections.Delete[Loan](func(e BookReturned) string { return e.LoanID }))
	}
	members := projections.View[Member]{Name: "member", Version: 1, Handlers: []projections.Handler[Member]{
		projections.Create(func(e MemberJoined) string { return e.MemberID }, func(*Member, MemberJoined, projections.Meta) error { return nil })}}
	loans := projections.View[Loan]{Name: "loan", Version: number, Handlers: handlers,
		Joins: []projections.Join[Loan]{projections.Copy[Loan](&members, "member_id", "member_name=name")}}
	set, err := projections.NewSet(&members, &loans)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A fault says where it is, and nothing that a test does not have: no stream where the
// story names none, and no operator.
func TestAFaultIsToldAsATestNeedsIt(t *testing.T) {
	refuses := func(*Loan, BookLent, projections.Meta) error { return errors.New("no such book") }
	set := setOf(t, 1, refuses, false)
	lent := BookLent{LoanID: "l-1"}
	const fault, hint = `projectiontest: view loan, key "l-1", event loans.Lent`, `: no such book (mend the handler, raise the view's Version if its meaning changes)`
	says(t, failing(func(t testing.TB) { projectiontest.Fold(t, set, MemberRenamed{Name: "n"}, lent) }), fault+" at place 2"+hint)
	says(t, failing(func(t testing.TB) { projectiontest.Fold(t, set, projectiontest.At{Stream: "loan-1", Event: lent}) }), fault+" of stream loan-1 at place 1"+hint)
}

func titled(l *Loan, e BookLent, _ projections.Meta) error { l.Title = e.Title; return nil }

func TestTwiceFindsAHandlerThatRemembers(t *testing.T) {
	calls := 0
	set := setOf(t, 1, func(l *Loan, e BookLent, _ projections.Meta) error {
		calls++
		l.Title = fmt.Sprint(calls)
		return nil
	}, false)
	says(t, failing(func(t testing.TB) { projectiontest.Twice(t, set, story[:2]...) }), "view loan: folded a second time, one event at a time, line")
}

func TestInterleavingsFindsAHandlerThatWantsAnOrder(t *testing.T) {
	// The member's name and the book's title are written to one column: the last wins.
	set := setOf(t, 1, titled, false)
	says(t, failing(func(t testing.TB) { projectiontest.Interleavings(t, set, story...) }), "view loan: in the order [")

	// Where there are too many orders to try all, some are drawn.
	var long []eventlog.Typed
	for i := range 60 {
		long = append(long, projectiontest.At{Stream: fmt.Sprint("s", i%6), Event: BookLent{LoanID: fmt.Sprint(i), Title: "t"}})
	}
	if said := failing(func(t testing.TB) { projectiontest.Interleavings(t, librarySet(t), long...) }); len(said) > 0 {
		t.Errorf("views that want no order: %q", said)
	}
	long = append(long, story...)
	says(t, failing(func(t testing.TB) { projectiontest.Interleavings(t, set, long...) }), "view loan: in the order [")
}

// ordersTried folds events that each lend a loan, and returns in which orders that was
// done, and how often.
func ordersTried(t *testing.T, events ...eventlog.Typed) (orders map[string]bool, tried int) {
	t.Helper()
	orders = map[string]bool{}
	current := ""
	set := setOf(t, 1, func(_ *Loan, e BookLent, m projections.Meta) error {
		if m.Position.Place() == 1 {
			current = ""
		}
		if current += e.LoanID; m.Position.Place() == int64(len(events)) {
			orders[current] = true
			tried++
		}
		return nil
	}, false)
	projectiontest.Interleavings(t, set, events...)
	return orders, tried
}

func lent(stream, id string) eventlog.Typed {
	return projectiontest.At{Stream: stream, Event: BookLent{LoanID: id}}
}

// Of two streams with two events each there are six orders; each is tried once, after
// the one that the events are given in.
func TestInterleavingsTriesEveryOrderOfAFew(t *testing.T) {
	orders, tried := ordersTried(t, lent("x", "a"), lent("x", "b"), lent("y", "c"), lent("y", "d"))
	for _, order := range []string{"abcd", "acbd", "acdb", "cabd", "cadb", "cdab"} {
		if !orders[order] {
			t.Errorf("the order %s was not tried: %v", order, orders)
		}
	}
	if tried != 1+6 {
		t.Errorf("%d orders were tried, want 7", tried)
	}
}

func TestInterleavingsDrawsDifferentOrdersOfMany(t *testing.T) {
	var events []eventlog.Typed
	for i := range 24 {
		events = append(events, lent(fmt.Sprint("s", i%4), string(rune('a'+i))))
	}
	if orders, tried := ordersTried(t, events...); len(orders) < 990 || tried != 1+1000 {
		t.Errorf("%d different orders of %d that were tried", len(orders), tried)
	}
}

func TestTheLockRefusesOtherRowsAtAnUnchangedVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "testdata", "views.lock") // the first lock makes its folder
	lock := func(set *projections.Set, output string, accept projectiontest.Accept) []string {
		return failing(func(t testing.TB) {
			projectiontest.Lock(t, set, path, map[string]string{"loan": output, "member": "m"}, accept)
		})
	}
	one, two, wide := setOf(t, 1, titled, false), setOf(t, 2, titled, false), setOf(t, 1, titled, true)
	for _, c := range []struct {
		name   string
		set    *projections.Set
		output string
		accept projectiontest.Accept
		says   []string
	}{
		{"a first look", one, "a", projectiontest.AcceptNothing, []string{"view member version 1 is not in", "view loan version 1 is not in"}},
		{"written", one, "a", projectiontest.AcceptNewVersions, nil},
		{"unchanged", one, "a", projectiontest.AcceptNothing, nil},
		{"other rows", one, "b", projectiontest.AcceptNothing, []string{"view loan version 1 gives other rows"}},
		{"other rows, refused", one, "b", projectiontest.AcceptNewVersions, []string{"Raise the view's Version"}},
		{"still the old ones", one, "a", projectiontest.AcceptNothing, nil},
		{"another version", two, "b", projectiontest.AcceptNothing, []string{"view loan version 2 is not in"}},
		{"another version, written", two, "b", projectiontest.AcceptNewVersions, nil},
		{"back to the first", one, "a", projectiontest.AcceptNothing, nil},
		{"other rows, insisted on", one, "c", projectiontest.AcceptSameVersions, nil},
		{"and kept", one, "c", projectiontest.AcceptNothing, nil},
		{"another definition", wide, "d", projectiontest.AcceptNothing, []string{"view loan version 1 has other columns, event types"}},
		{"another definition, written", wide, "d", projectiontest.AcceptNewVersions, nil},
		{"kept too", wide, "d", projectiontest.AcceptNothing, nil},
		{"the second version is still there", two, "b", projectiontest.AcceptNothing, nil},
	} {
		t.Run(c.name, func(t *testing.T) { says(t, lock(c.set, c.output, c.accept), c.says...) })
	}
}

func TestTheLockSaysWhatIsWrongWithItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.lock")
	set := setOf(t, 1, titled, false)
	lock := func(outputs map[string]string) []string {
		return failing(func(t testing.TB) { projectiontest.Lock(t, set, path, outputs, projectiontest.AcceptNewVersions) })
	}
	says(t, lock(map[string]string{"member": "m"}), "view loan has no output to lock")
	if _, err := os.Stat(path); err == nil {
		t.Error("a lock was written though a view has no output")
	}
	for content, part := range map[string]string{
		"loan 1 a b\nloan 1 a c\n": "views.lock:2: view loan version 1 stands there twice",
		"<<<<<<< HEAD\n":           "views.lock:1: a line is: view version fingerprint output",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, lock(map[string]string{"member": "m", "loan": "l"}), part)
	}
}

// Every event of a story has an id of its own, however long it is.
func TestIdsOfALongStoryAreDistinct(t *testing.T) {
	const events = 1<<16 + 10
	seen := make(map[string]bool, events)
	for _, e := range projectiontest.Story(slices.Repeat([]eventlog.Typed{BookReturned{"l-1"}}, events)...) {
		if seen[e.Meta.EventID] {
			t.Fatalf("the id of the event at place %d was there before", e.Meta.Position.Place())
		}
		seen[e.Meta.EventID] = true
	}
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// The page's code is that of the examples, which are tests: each block stands there.
func TestThePageShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/testing-views.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples []byte
	for _, name := range []string{"example_test.go", "../../examples/conference/conference_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, text...)
	}
	blocks := goBlock.FindAllStringSubmatch(string(page), -1)
	const least = 6 // fewer were found: the pattern no longer fits
	if len(blocks) < least {
		t.Errorf("only %d blocks of Go on the page", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(string(examples), b[1]) {
			t.Errorf("no example has such lines:\n%s", b[1])
		}
	}
}

type (
	priceSetV1 struct {
		ID    string
		Cents int64
	}
	priceSet struct {
		ID       string
		Cents    int64
		Currency string
	}
	priceSetV0 struct{ ID string }
)

func (priceSetV1) EventType() (string, int) { return "kit.PriceSet", 2 }
func (priceSet) EventType() (string, int)   { return "kit.PriceSet", 3 }
func (priceSetV0) EventType() (string, int) { return "kit.PriceSet", 1 }

type price struct {
	ID       string `view:"id,key"`
	Cents    int64  `view:"cents"`
	Currency string `view:"currency"`
}

// A story may tell events as older programs wrote them: they are lifted as the log's are.
func TestStoriesWithOldVersionsOfEvents(t *testing.T) {
	t.Parallel()
	upcasters, err := eventlog.NewUpcasters(eventlog.Upcast(func(e priceSetV1) priceSet { return priceSet{e.ID, e.Cents, "EUR"} }))
	if err != nil {
		t.Fatal(err)
	}
	set, err := projections.NewSet(projections.Upcasters(upcasters), &projections.View[price]{Name: "price", Version: 1, Handlers: []projections.Handler[price]{
		projections.Create(func(e priceSet) string { return e.ID }, func(p *price, e priceSet, _ projections.Meta) error {
			p.Currency = e.Currency
			return projections.AddTo(&p.Cents, e.Cents)
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	told := []eventlog.Typed{priceSetV1{"p1", 5}, projectiontest.At{Event: priceSetV1{"p2", 6}, Stream: "p2"}, priceSet{"p1", 7, "CHF"}}
	rows := projectiontest.Fold(t, set, told...)
	if p := projectiontest.Row[price](t, rows, "price", "p1"); p.Cents != 12 || p.Currency != "CHF" {
		t.Errorf("p1 is %+v", p)
	}
	if p := projectiontest.Row[price](t, rows, "price", "p2"); p.Cents != 6 || p.Currency != "EUR" {
		t.Errorf("p2 is %+v", p)
	}
	projectiontest.Twice(t, set, told...)
	projectiontest.Interleavings(t, set, told...)
	if _, err := projectiontest.FoldEvents(set, projectiontest.Story(priceSetV0{"p3"})); err == nil || !strings.Contains(err.Error(), "version 1") || !strings.Contains(err.Error(), "upcasters") {
		t.Errorf("a version that nobody lifts: %v", err)
	}
}
