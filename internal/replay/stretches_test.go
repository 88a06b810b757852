package replay_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/projections"
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

type (
	shipSeen  struct{ ID string }
	shipsRest struct{ ID string }
	sighting  struct {
		ID string    `fact:"id,order"`
		At time.Time `fact:"at,time"`
	}
)

func (shipSeen) EventType() (string, int)  { return "test.ShipSeen", 1 }
func (shipsRest) EventType() (string, int) { return "test.ShipsRest", 1 }

// Events that only a fact handles, or nobody, change nothing and count for nothing, whether
// the server leaves them out or, being few, they are read with the others.
func TestEventsThatNoViewHandles(t *testing.T) {
	t.Parallel()
	views := newSet(t)
	seen := projections.Fact[sighting]{Name: "sighting", Version: 1, Doc: "A ship was seen.", Handlers: []projections.FactHandler[sighting]{
		projections.Append(func(e shipSeen, _ projections.Meta) ([]sighting, error) { return []sighting{{ID: e.ID}}, nil }),
	}}
	for _, every := range []int{2, 25} {
		f := newFixture(t)
		r := rand.New(rand.NewPCG(5, uint64(every)))
		events := story(r, 3000, 300)
		handled := len(events)
		for i := 0; i < len(events); i += every {
			other := streamed{"others", shipSeen{"s1"}}
			if r.IntN(2) == 0 {
				other.event = shipsRest{"s1"}
			}
			events[i] = other
			handled--
		}
		f.append(events...)
		f.events()
		set, err := projections.NewSet(append(newFleet().definitions(), &seen)...)
		if err != nil {
			t.Fatal(err)
		}
		c := newCollector(t, set)
		result, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end}, c.sink)
		if err != nil {
			t.Fatal(err)
		}
		if result.Events != int64(handled) {
			t.Errorf("%d events are counted, and views handle %d", result.Events, handled)
		}
		if diff := cmp.Diff(f.memory(views, nil), c.got); diff != "" {
			t.Errorf("the rows are not the fold's:\n%.2000s", diff)
		}
	}
}
