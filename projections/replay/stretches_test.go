package replay_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/replay"
)

// A place of another log is refused: here another event stands there, or none ever will.
func TestAPlaceOfAnotherLogIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(3, 3)), 100, 10)...)
	foreign := eventlog.NewPosition(uuid.New(), 1, f.end.Place())
	_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: foreign}, newCollector(t, set).sink)
	if !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Errorf("up to a place of another log, the replay answered %v", err)
	}
}

// Who chooses a number of events gets pages of so many: the log gives out no larger ones.
func TestPagesOfTheMostEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(4, 4)), 100, 10)...)
	cfg := replay.Config{Log: f.log, Set: set, Until: f.end, PageEvents: 50_000}
	if _, err := replay.Run(t.Context(), cfg, newCollector(t, set).sink); err != nil {
		t.Error(err)
	}
}
