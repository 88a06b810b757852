package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/projections/watch"
)

// What continuous verification recorded of the generation that is shown is part of the
// report, and of no other.
func TestStatusTellsWhatWasVerified(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.projector("main", "live", 10)
	d.exec(`insert into readside.verified (projector, kind, name, version, generation, next_hash, began_at, compared, equal_at, equal_place)
		values ('main', 'view', 'order', 3, 1, 4611686018427387904, now(), 17, '2026-11-26T10:00:00+02', 7)`)
	_, v := d.read().hot(t, "main")
	got := v.Verified
	if got == nil || !got.EqualAt.Equal(time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)) || got.EqualPosition.Place() != 7 || got.TurnPercent != 25 || got.Compared != 17 || got.Difference != nil {
		t.Fatalf("verified is %+v", got)
	}
	d.exec(`update readside.verified set difference = '{"view": "order", "key": "o-17", "kind": "differs", "columns": ["status"], "stored": "paid", "expected": "shipped"}', found_at = now()`)
	_, v = d.read().hot(t, "main")
	if got := v.Verified; got.Difference == nil || got.Difference.Key != "o-17" || got.FoundAt.IsZero() {
		t.Errorf("verified is %+v", got)
	}
	text, err := json.Marshal(v)
	if err != nil || !strings.Contains(string(text), `"verified":{"equal_at":"2026-11-26T08:00:00Z"`) {
		t.Errorf("%s, %v", text, err)
	}
	d.exec(`update readside.verified set generation = 2`)
	if _, v = d.read().hot(t, "main"); v.Verified != nil {
		t.Errorf("of another generation, verified is %+v", v.Verified)
	}
}

func TestPrintNamesTheRowThatDiffers(t *testing.T) {
	differs := func(d watch.Difference) *Verified {
		return &Verified{EqualAt: now.Add(-90 * time.Second), Difference: &d, FoundAt: now}
	}
	r := &Report{At: now, Log: Log{Position: at(100)},
		Views: []View{
			{View: "order", Projector: "main", Verified: differs(watch.Difference{View: "order", Kind: "differs", Key: "o-17", Columns: []string{"status"}, Stored: "paid", Expected: "shipped"})},
			{View: "product", Projector: "main", Verified: &Verified{EqualAt: now.Add(-time.Hour), TurnBegan: now, TurnPercent: 40, Compared: 12}},
			{View: "line", Projector: "main", Verified: differs(watch.Difference{View: "line", Kind: "differs", Key: "l 1", Columns: []string{"name"}, Stored: "a", Expected: "b", Joins: []string{"product"}})},
			{View: "stock", Projector: "main", Verified: differs(watch.Difference{View: "stock", Kind: "missing", Key: "it's"})},
			{View: "new", Projector: "main", Verified: &Verified{Problem: "no upcaster"}},
			{View: "off", Projector: "main"},
		},
		Cold: []ColdTable{{Fact: "lines", Projector: "cold", Verified: differs(watch.Difference{Fact: "lines", Kind: "twice", Partition: 202611, Place: 9, Row: 2})}},
	}
	var b strings.Builder
	if err := Print(&b, "readside", r); err != nil {
		t.Fatal(err)
	}
	contains(t, b.String(), "LAST EQUAL", "1m30s ago", "DIFFERS", "40 %", "CANNOT BE COMPARED with the log: no upcaster",
		"DIFFERS: order o-17 column status is paid, the log says shipped (found at 2026-11-21T12:00:00Z); run `readside rebuild order --key o-17`",
		"line l 1 column name is a, computed from product it is b", "run `readside verify line`",
		"stock it's is missing", `run `+"`"+`readside rebuild stock --key 'it'\''s'`+"`",
		"lines partition 202611, place 9, row 2: twice", "run `readside rebuild facts`")
}
