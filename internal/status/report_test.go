package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(place int64) eventlog.Position { return eventlog.NewPosition(uuid.UUID{1}, 1, place) }

func ago(d time.Duration) *time.Time { t := now.Add(-d); return &t }

func TestProgress(t *testing.T) {
	for name, c := range map[string]struct {
		place   int64
		state   string
		moved   time.Duration
		waiting *time.Time
		want    Progress
	}{
		"caught up":              {100, "live", time.Hour, nil, Progress{LagEvents: 0, LagSeconds: 0, State: "live"}},
		"behind and moving":      {90, "live", time.Second, ago(2 * time.Second), Progress{LagEvents: 10, LagSeconds: 2, State: "live"}},
		"an old backlog, moving": {90, "catching_up", time.Second, ago(time.Hour), Progress{LagEvents: 10, LagSeconds: 3600, State: "catching_up"}},
		"idle until just now":    {99, "live", time.Hour, ago(time.Second), Progress{LagEvents: 1, LagSeconds: 1, State: "live"}},
		"dead":                   {90, "live", time.Minute, ago(time.Minute), Progress{LagEvents: 10, LagSeconds: 60, State: Stalled}},
		"halted":                 {90, "halted", time.Minute, ago(time.Minute), Progress{LagEvents: 10, LagSeconds: 60, State: "halted"}},
	} {
		got := progress(at(100), now, checkpoint{position: at(0), state: c.state, updatedAt: now.Add(-c.moved), waitingSince: c.waiting}, c.place)
		c.want.Position, c.want.UpdatedAt = at(c.place), now.Add(-c.moved)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestRatesAreThoseSinceAnEarlierReport(t *testing.T) {
	report := func(when time.Time, place int64) *Report {
		return &Report{
			At:         when,
			Projectors: []Projector{{Name: "main", Progress: Progress{Position: at(place)}}},
			Views:      []View{{View: "order", Projector: "main"}},
		}
	}
	r := report(now, 300)
	r.Since(report(now.Add(-2*time.Second), 100))
	if rate := r.Views[0].EventsPerSecond; rate == nil || *rate != 100 {
		t.Errorf("the view's rate is %v", rate)
	}
	r = report(now, 300)
	r.Since(nil)
	if r.Views[0].EventsPerSecond != nil {
		t.Error("there is a rate without an earlier report")
	}
}

func TestPrintShowsWhatIsWrongAndHowToMendIt(t *testing.T) {
	r := &Report{
		At:  now,
		Log: Log{Position: at(100), Blocker: "process 7: let it end"},
		Projectors: []Projector{
			{Name: "main", Kind: "hot", Progress: Progress{State: "halted"}, Fault: fault([]byte(`{"view":"order","key":"o-1","position":"p","type":"T","error":"boom","hint":"mend it"}`))},
			{Name: "cold", Kind: "cold", Progress: Progress{State: Stalled, UpdatedAt: now.Add(-time.Minute)}},
		},
		Views: []View{{View: "order", Version: 3, Generation: 2, Progress: Progress{Position: at(90), LagEvents: 10, LagSeconds: 60, State: "halted", UpdatedAt: now}}},
	}
	var b strings.Builder
	if err := Print(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"HELD BACK by process 7", "HALTED", "o-1", "boom", "mend it",
		"order", "10", "1m0s", "no cold table yet", "has not moved for 1m0s: is `readside project` running?",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
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
