package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/projections/control"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	type facts = control.Facts
	of := func(change func(*facts)) facts {
		f := facts{State: control.Live, SameLog: true, WorkedFor: true, Place: 100, Head: 100, Now: now, Moved: now.Add(-time.Hour)}
		change(&f)
		return f
	}
	behind := func(f *facts, moved, waiting time.Duration) {
		f.Place, f.Moved, f.WaitingSince = 90, now.Add(-moved), now.Add(-waiting)
	}
	for name, c := range map[string]struct {
		facts control.Facts
		state control.State
		lag   time.Duration
	}{
		"caught up for an hour":       {of(func(*facts) {}), control.Live, 0},
		"behind and moving":           {of(func(f *facts) { behind(f, time.Second, time.Hour) }), control.Live, time.Hour},
		"an event came just now":      {of(func(f *facts) { behind(f, time.Hour, time.Second) }), control.Live, time.Second},
		"it stands still":             {of(func(f *facts) { behind(f, time.Minute, time.Minute) }), control.Stalled, time.Minute},
		"at the bound":                {of(func(f *facts) { behind(f, control.StalledAfter, time.Minute) }), control.Live, time.Minute},
		"the log is held back":        {of(func(f *facts) { behind(f, time.Minute, time.Minute); f.HeldBack = true }), control.HeldBack, time.Minute},
		"held back, and it moves":     {of(func(f *facts) { behind(f, time.Second, time.Minute); f.HeldBack = true }), control.Live, time.Minute},
		"held back, and nobody works": {of(func(f *facts) { behind(f, time.Minute, time.Minute); f.HeldBack, f.WorkedFor = true, false }), control.Stalled, time.Minute},
		"nobody works, caught up":     {of(func(f *facts) { f.WorkedFor = false }), control.Stalled, 0},
		"halted":                      {of(func(f *facts) { f.State, f.WorkedFor = control.Halted, false }), control.Halted, 0},
		"halted and held back":        {of(func(f *facts) { behind(f, time.Minute, time.Minute); f.State, f.HeldBack = control.Halted, true }), control.Halted, time.Minute},
		"of another log":              {of(func(f *facts) { f.SameLog, f.State = false, control.Halted }), control.Foreign, time.Hour},
		"it fails":                    {of(func(f *facts) { f.Failing, f.Trouble = true, "boom" }), control.Failing, 0},
		"it failed, and nobody works": {of(func(f *facts) { f.Failing, f.WorkedFor = true, false }), control.Stalled, 0},
		"a cold one, heard of":        {of(func(f *facts) { f.Kind, f.Moved = control.Cold, now.Add(-control.StalledAfter) }), control.Live, 0},
		"a cold one, silent":          {of(func(f *facts) { f.Kind = control.Cold }), control.Stalled, 0},
		"building":                    {of(func(f *facts) { behind(f, time.Second, time.Hour); f.State = control.Building }), control.Building, time.Hour},
		"a build that stands still":   {of(func(f *facts) { behind(f, time.Minute, time.Hour); f.State = control.Building }), control.Stalled, time.Hour},
		"an event of no known time":   {of(func(f *facts) { f.Place, f.Moved = 90, now.Add(-time.Second) }), control.Live, time.Second},
		"a standby":                   {of(func(f *facts) { f.Replica = control.Replica{Standby: true, Receiving: true} }), control.Live, 0},
		"a standby that is late":      {of(func(f *facts) { f.Replica = control.Replica{Standby: true, Receiving: true, Behind: time.Minute} }), control.CatchingUp, time.Minute},
		"late, and events wait there": {of(func(f *facts) {
			behind(f, 65*time.Second, 63*time.Second)
			f.Replica = control.Replica{Standby: true, Receiving: true, Behind: time.Minute}
		}), control.CatchingUp, 63 * time.Second},
		"a standby without a primary": {of(func(f *facts) { f.Replica = control.Replica{Standby: true, Behind: time.Second} }), control.Stalled, time.Second},
		"the same, and it halted":     {of(func(f *facts) { f.State = control.Halted; f.Replica = control.Replica{Standby: true} }), control.Halted, 0},
		"a clock that ran ahead":      {of(func(f *facts) { behind(f, -time.Minute, -time.Minute) }), control.Live, 0},
	} {
		got := control.Judge(c.facts)
		if got.State != c.state || got.Lag != c.lag {
			t.Errorf("%s: %s behind by %v, want %s and %v", name, got.State, got.Lag, c.state, c.lag)
		}
		if c.facts.Trouble != "" && !strings.HasSuffix(got.Reason, ": "+c.facts.Trouble) {
			t.Errorf("%s: %q does not name the trouble", name, got.Reason)
		}
		if (got.Reason == "") != got.State.Well() {
			t.Errorf("%s: %s, because %q", name, got.State, got.Reason)
		}
	}
}
