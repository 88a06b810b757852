package eventlog_test

import (
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/ingest"
	"github.com/readside/readside/internal/dbtest"
)

// What is old, or of the future, by a producer's clock has come just now.
func TestWaitingGoesByTheServersClock(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	if _, waits, err := log.Waiting(bounded(t), log.Start()); err != nil || waits {
		t.Fatalf("something waits in an empty log, %v", err)
	}
	event := newEvents(t, 1)
	event[0].Time = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)
	first, err := tryAppend(bounded(t), log, db.Pool, eventlog.Append{Stream: "ahead", Events: event})
	if err != nil {
		t.Fatal(err)
	}
	old := newEvents(t, 1)[0]
	old.Source, old.Stream, old.StreamVersion, old.Time = "elsewhere", "old", 1, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := ingest.Batch(bounded(t), db.Pool, []ingest.Arrival{{Event: old}}); err != nil {
		t.Fatal(err)
	}
	for _, after := range []eventlog.Position{log.Start(), first} {
		if waiting, waits, err := log.Waiting(bounded(t), after); err != nil || !waits || waiting < 0 || waiting > testBound {
			t.Errorf("after place %d an event waits for %v, %v, %v", after.Place(), waiting, waits, err)
		}
	}
	if _, waits, err := log.Waiting(bounded(t), first.At(2)); err != nil || waits {
		t.Errorf("something waits after the last event, %v", err)
	}
	// Of events from before the log noted it, all that is known is since when it does.
	for _, sql := range []string{`update eventlog.events set appended_at = null`, `update eventlog.log set clocked_from = now() - interval '2 hours'`} {
		if _, err := db.Pool.Exec(bounded(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	if waiting, _, err := log.Waiting(bounded(t), log.Start()); err != nil || waiting < 2*time.Hour || waiting > 2*time.Hour+testBound {
		t.Errorf("an event of before waits for %v, %v; want 2 h", waiting, err)
	}
}
