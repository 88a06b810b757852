package status

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(place int64) eventlog.Position { return eventlog.NewPosition(uuid.UUID{1}, 1, place) }

func ago(d time.Duration) *time.Duration { return &d }

func TestProgress(t *testing.T) {
	sixty := int64(60)
	for name, c := range map[string]struct {
		place   int64
		state   string
		moved   time.Duration
		waiting *time.Duration
		idle    bool // nobody works for it
		read    int64
		want    Progress
	}{
		"caught up":              {100, "live", time.Hour, nil, false, 0, Progress{State: "live", done: 100}},
		"behind and moving":      {90, "live", time.Second, ago(2 * time.Second), false, 0, Progress{LagEvents: 10, LagSeconds: 2, State: "live", done: 90}},
		"an old backlog, moving": {90, "catching_up", time.Second, ago(time.Hour), false, 0, Progress{LagEvents: 10, LagSeconds: 3600, State: "catching_up", done: 90}},
		"idle until just now":    {99, "live", time.Hour, ago(time.Second), false, 0, Progress{LagEvents: 1, LagSeconds: 1, State: "live", done: 99}},
		"stuck":                  {90, "live", time.Minute, ago(time.Minute), false, 0, Progress{LagEvents: 10, LagSeconds: 60, State: Stalled, done: 90}},
		"dead, at the head":      {100, "live", time.Minute, nil, true, 0, Progress{State: Stalled, done: 100}},
		"dead, behind":           {90, "live", time.Second, ago(time.Second), true, 0, Progress{LagEvents: 10, LagSeconds: 1, State: Stalled, done: 90}},
		"halted":                 {90, "halted", time.Minute, ago(time.Minute), true, 0, Progress{LagEvents: 10, LagSeconds: 60, State: "halted", done: 90}},
		"building":               {0, "building", time.Second, ago(time.Hour), false, 60, Progress{LagEvents: 100, LagSeconds: 3600, State: "building", BuiltPercent: &sixty, done: 60}},
	} {
		got := progress(at(100), now, checkpoint{position: at(0), state: c.state, updatedAt: now.Add(-c.moved), waiting: c.waiting, workedFor: !c.idle, read: c.read}, c.place, "")
		c.want.Position, c.want.UpdatedAt = at(c.place), now.Add(-c.moved)
		if (got.Reason == "") != control.State(got.State).Well() {
			t.Errorf("%s: %s, because %q", name, got.State, got.Reason)
		}
		got.Reason = "" // TestJudge knows them
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(Progress{}), cmp.Comparer(func(a, b eventlog.Position) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRatesAreThoseSinceAnEarlierReport(t *testing.T) {
	report := func(when time.Time, head, place int64) *Report {
		p := progress(at(head), when, checkpoint{position: at(0), state: "live", updatedAt: when, workedFor: true}, place, "")
		return &Report{
			At: when, Log: Log{Position: at(head)},
			// Of one name: they are not the same.
			Projectors: []Projector{{Name: "main", Kind: "hot", Progress: p}, {Name: "main", Kind: "cold", Progress: progress(at(head), when, checkpoint{position: at(0), workedFor: true}, head, "")}},
			Views:      []View{{View: "order", Projector: "main", Progress: p}},
			Cold:       []ColdTable{{Fact: "f", Projector: "main", Progress: progress(at(head), when, checkpoint{position: at(0), workedFor: true}, head, "")}},
		}
	}
	two := now.Add(2 * time.Second)
	for name, c := range map[string]struct {
		before, after *Report
		rate, left    float64 // -1 for unknown
	}{
		"nothing comes in":         {report(now, 1000, 100), report(two, 1000, 300), 100, 7},
		"half as much comes in":    {report(now, 1000, 100), report(two, 1100, 300), 100, 16},
		"as much comes in":         {report(now, 1000, 100), report(two, 1200, 300), 100, -1},
		"it does not move":         {report(now, 1000, 300), report(two, 1000, 300), -1, -1},
		"caught up":                {report(now, 1000, 900), report(two, 1000, 1000), 50, 0},
		"without a former report":  {nil, report(two, 1000, 300), -1, -1},
		"a former report, no time": {report(two, 1000, 100), report(two, 1000, 300), -1, -1},
	} {
		c.after.Since(c.before)
		v := c.after.Views[0]
		if got := valueOr(v.EventsPerSecond, -1); got != c.rate {
			t.Errorf("%s: the rate is %v, want %v", name, got, c.rate)
		}
		if got := valueOr(v.LeftSeconds, -1); got != c.left {
			t.Errorf("%s: %v s are left, want %v", name, got, c.left)
		}
	}
}

func valueOr(p *float64, none float64) float64 {
	if p == nil {
		return none
	}
	return *p
}

func TestTheTablesFitInto120Columns(t *testing.T) {
	many, percent := 1e6, int64(99)
	long := strings.Repeat("a_very_long_name_", 4)
	p := Progress{Position: at(1_234_567_890), LagEvents: 12_345_678, LagSeconds: 9e6, EventsPerSecond: &many, LeftSeconds: &many, State: Stalled, BuiltPercent: &percent, UpdatedAt: now.Add(-time.Hour)}
	r := &Report{
		At: now, Log: Log{Position: at(1)},
		Projectors: []Projector{{Name: long, Kind: "hot", Progress: p, Owner: &Owner{Host: long, Process: 1_234_567, LeaseLeftSeconds: 9.9}}},
		Views:      []View{{View: long, Version: 12, Generation: 123, Projector: "main@0123abcd+" + long, Parked: 1000, Progress: p}},
		Cold:       []ColdTable{{Fact: long, Generation: 12, Rows: 1_000_000_000, Progress: p}},
	}
	r.Projectors[0].State = "live" // without the sentence about what is wrong
	var b strings.Builder
	if err := Print(&b, "readside", r); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	contains(t, b.String(), "STALLED, built 99 %", "11d13h")
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func TestNumbersStandDigitUnderDigit(t *testing.T) {
	p := func(place, lag int64) Progress { return Progress{Position: at(place), LagEvents: lag, State: "live"} }
	r := &Report{
		At: now, Log: Log{Position: at(1)},
		Views: []View{{View: "basket", Version: 1, Generation: 1, Projector: "main", Progress: p(1000, 7)}, {View: "order", Version: 12, Generation: 3, Projector: "main", Progress: p(9, 1200)}},
		Cold:  []ColdTable{{Fact: "lines", Generation: 1, Rows: 1, Progress: p(1000, 7)}, {Fact: "payments", Generation: 10, Rows: 1234, Progress: p(9, 1200)}},
	}
	var b strings.Builder
	if err := Print(&b, "readside", r); err != nil {
		t.Fatal(err)
	}
	contains(t, b.String(),
		"VIEW    VER  GEN  PROJECTOR  POSITION   LAG  AGE  EVENTS/S  LEFT  STATE\n"+
			"basket    1    1  main           1000     7   0s         -     -  live\n"+
			"order    12    3  main              9  1200   0s         -     -  live\n",
		"COLD TABLE  GEN  ROWS  POSITION   LAG  AGE  EVENTS/S  LEFT  STATE\n"+
			"lines         1     1      1000     7   0s         -     -  live\n"+
			"payments     10  1234         9  1200   0s         -     -  live\n")
}

func TestPrintShowsWhatIsWrongAndHowToMendIt(t *testing.T) {
	r := &Report{
		At:  now,
		Log: Log{Position: at(100), Blocker: "process 7: let it end"},
		Projectors: []Projector{
			{Name: "main", Kind: "hot", Progress: Progress{State: "halted"}, Fault: fault([]byte(`{"view":"order","key":"o-1","position":"p","type":"T","error":"boom","hint":"mend it"}`)), Owner: &Owner{Host: "near", Process: 7, LeaseLeftSeconds: 4.2}},
			{Name: "old", Kind: "hot", Progress: Progress{State: Stalled, UpdatedAt: now}},
			{Name: "cold", Kind: "cold", Progress: Progress{State: Stalled, UpdatedAt: now.Add(-time.Minute)}},
		},
		Views: []View{{View: "order", Version: 3, Generation: 2, Parked: 3, Progress: Progress{Position: at(90), LagEvents: 10, LagSeconds: 60, State: "halted", UpdatedAt: now}}},
	}
	var b strings.Builder
	if err := Print(&b, "readside", r); err != nil {
		t.Fatal(err)
	}
	contains(t, b.String(), "HELD BACK by process 7", "HALTED", "o-1", "boom", "mend it", "HALTED, parked 3",
		"order", "10", "1m0s", "no cold table yet", "not moved for 1m0s: is `readside project` running?",
		"near:7", "4.2s", "nobody")
}

// Every command holds the log back for the time of its transaction: that needs nobody.
func TestWhoHoldsTheLogBackForAMomentIsNotShown(t *testing.T) {
	r := &Report{At: now, Log: Log{Position: at(100), Blocker: "process 7: let it end", BlockedSince: now.Add(-900 * time.Millisecond)}}
	var b strings.Builder
	if err := Print(&b, "readside", r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "HELD BACK") {
		t.Errorf("somebody is called for a transaction of a moment:\n%s", b.String())
	}
}

func TestAFaultOfAnyShapeIsShown(t *testing.T) {
	if f := fault([]byte("no json")); f == nil || f.Error != "no json" {
		t.Errorf("%+v", f)
	}
	if f := fault(nil); f != nil {
		t.Errorf("%+v", f)
	}
}
