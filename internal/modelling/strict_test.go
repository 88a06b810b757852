package modelling

import (
	"strings"
	"testing"

	"github.com/readside/readside"
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/readsidetest"
)

// A strict set refuses members that it does not know, and misses those that are not there.

type (
	shelfBuilt struct {
		ID   string `json:"id"`
		Wood string `json:"wood"`
	}
	// wideShelf and bareShelf are what other programs publish as the same event.
	wideShelf struct {
		ID    string `json:"id"`
		Wood  string `json:"wood"`
		Width int    `json:"width"`
	}
	bareShelf struct {
		ID string `json:"id"`
	}
	shelf struct {
		ID   string `view:"id,key"`
		Wood string `view:"wood"`
	}
)

func (shelfBuilt) EventType() (string, int) { return "repair.ShelfBuilt", 1 }
func (wideShelf) EventType() (string, int)  { return "repair.ShelfBuilt", 1 }
func (bareShelf) EventType() (string, int)  { return "repair.ShelfBuilt", 1 }

func TestStrictCases(t *testing.T) {
	program := readsidetest.Start(t, readside.App{Name: "strict", Set: func() (*projections.Set, error) {
		return projections.NewSet(projections.Strict(), &projections.View[shelf]{Name: "shelf", Version: 1, Handlers: []projections.Handler[shelf]{
			projections.Create(func(e shelfBuilt) string { return e.ID }, func(s *shelf, e shelfBuilt, _ projections.Meta) error { s.Wood = e.Wood; return nil }),
		}})
	}, Plurals: map[string]string{"shelf": "shelves"}})
	of := func(stream string, e eventlog.Typed) projectiontest.At {
		return projectiontest.At{Stream: stream, Event: e}
	}
	program.Append(of("s1", shelfBuilt{"s1", "oak"}), of("s2", wideShelf{"s2", "ash", 80}), of("s3", bareShelf{"s3"}), of("s4", shelfBuilt{"s4", "elm"}))
	if got, want := program.Query(`{ shelves { nodes { id wood } } }`, nil), `{"shelves":{"nodes":[{"id":"s1","wood":"oak"},{"id":"s4","wood":"elm"}]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	parked := program.Run("parked", "list", "--json")
	for _, want := range []string{"width", "wood", "s2", "s3"} {
		if !strings.Contains(parked, want) {
			t.Errorf("what is parked does not say %s:\n%s", want, parked)
		}
	}
	program.Run("verify")
}
