package engine_test

import (
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
)

// A batch is written only from the place that it was read from, no matter which writer moved the
// checkpoint and whether or not he raised the epoch.
func TestABatchFromAnotherPlaceIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	folded := make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, time.Minute, folded))()
	f.reach(folded, ratings(f, 3))

	// The program that appends this event has folded it already, in its own way: the worker must not.
	f.exec(`create function fold() returns trigger language plpgsql as $$ begin
  update views.talk_v1_g1 set stars = stars + 10 where id = 't1';
  update readside.projectors set place = new.position;
  return null; end $$`)
	f.exec(`create trigger fold after insert on eventlog.events for each row execute function fold()`)
	ratings2(f)
	f.exec(`drop trigger fold on eventlog.events`)
	f.reach(folded, ratings2(f))
	if got := f.int(`select stars from views.talk_v1_g1 where id = 't1'`); got != 14 {
		t.Errorf("3 stars, 10 by somebody else and one more are %d", got)
	}
}
