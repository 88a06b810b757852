package service

import (
	"strings"
	"testing"

	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/operate/verify"
)

// Of a row that differs in several columns it is told whose values are shown, and one
// thing is one thing.
func TestWhatDiffersIsToldForPeople(t *testing.T) {
	view := verify.Result{View: "order", Version: 2, Generation: 1, Rows: 1, Events: 1, Differences: verify.Differences{Count: 1, First: []verify.Difference{
		{View: "order", Key: "o-1", Kind: "differs", Columns: []string{"name", "status"}, Stored: "a", Folded: "b"},
	}}}
	two := verify.Result{View: "room", Version: 1, Generation: 1, Rows: 2, Events: 3, Differences: verify.Differences{Count: 3, First: []verify.Difference{
		{View: "room", Key: "r-1", Kind: "differs", Columns: []string{"name"}, Stored: "a", Folded: "b"},
		{View: "room", Key: "r-2", Kind: "missing"},
	}}}
	facts := &cold.Report{Tables: []cold.TableReport{{Fact: "sales", Table: "sales_v1", Rows: 1, Partitions: []cold.PartitionReport{{Equal: true}}}}}
	var b strings.Builder
	(&Verified{Views: []verify.Result{view, two}, Cold: facts}).Print(&b)
	const want = `view order version 2 generation 1: 1 row, DIFFERS in 1 row from the fold of 1 event up to place 0
  order "o-1" differs in name, status; name: stored "a", folded "b"
view room version 1 generation 1: 2 rows, DIFFERS in 3 rows from the fold of 3 events up to place 0
  room "r-1" differs in name: stored "a", folded "b"
  room "r-2" missing
  and 1 more
fact sales (sales_v1): 1 row in 1 partition, equals the log up to place 0
`
	if b.String() != want {
		t.Errorf("it printed\n%s\nwant\n%s", b.String(), want)
	}
}
