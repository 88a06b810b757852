package engine_test

import (
	"context"
	"testing"

	"github.com/readside/readside/eventlog"
)

// A transaction that is open for long holds the log back, and no view: the views are
// shown with all that may be given out, and the rest follows when it ends.
func TestViewsAreShownWhileTheLogIsHeldBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	settled := ratings(f, 2)
	tx, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	e, err := eventlog.NewEvent(talkMoved{"t9", "p1"}, eventlog.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.log.Append(t.Context(), tx, eventlog.Append{Stream: "t9", Events: []eventlog.Event{e}}); err != nil {
		t.Fatal(err)
	}
	last := ratings2(f)
	folded := make(chan eventlog.Position, 100)
	defer f.runs(f.projector(set, 100, folded))()
	f.reach(folded, settled)
	if n := f.int(`select count(*) from readside.views where state = 'live'`); n != len(set.Views()) {
		t.Errorf("%d of %d views are live while the log is held back", n, len(set.Views()))
	}
	if at := f.int(`select place from readside.projectors`); at != int(settled.Place()) {
		t.Errorf("the checkpoint is %d, and the log is settled up to %d only", at, settled.Place())
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.reach(folded, last)
	f.mustVerify(set)
}
