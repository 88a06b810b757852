// Package projectiontest tests views without a database: given these events, then
// these rows.
//
//	set, _ := projections.NewSet(&Orders, &Customers)
//	rows := projectiontest.Fold(t, set, OrderSubmitted{…}, OrderPaid{…})
//	order := projectiontest.Row[Order](t, rows, "order", "o-1")
//
// Facts returns the rows of a fact, and Upcast what an old event is today. Twice sees that
// handlers are pure, Interleavings that no order of streams matters, and Lock that no view
// changes its rows at an unchanged version. The page docs/testing-views.md has an example of
// each.
package projectiontest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/projections"
)

// At is an event with an envelope of its own: where a story needs streams or times.
type At struct {
	Event eventlog.Typed
	// Stream is the aggregate's stream; empty puts the event into one stream with all
	// others that have none.
	Stream string
	// Time is when it happened; zero is a minute after the event before.
	Time time.Time
}

// EventType is the event's own, so that an At can stand among plain events.
func (a At) EventType() (string, int) { return a.Event.EventType() }

// Start is when stories begin whose events name no time.
var Start = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)

// Rows are the rows of all views of a set.
type Rows map[string][]*projections.Row

// Fold folds events, in their order, and returns the rows of every view, joined and
// sorted by key, with those that readers do not see. A fault fails the test.
func Fold(t testing.TB, set *projections.Set, events ...eventlog.Typed) Rows {
	t.Helper()
	rows, err := FoldEvents(set, Story(events...))
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	return rows
}

// Story gives events their envelopes: positions, streams, versions, times.
func Story(events ...eventlog.Typed) []projections.Event {
	log := eventlog.NewPosition(uuid.MustParse("00000000-0000-4000-8000-000000000001"), 1, 0)
	versions := map[string]int64{}
	now := Start
	out := make([]projections.Event, 0, len(events))
	for i, e := range events {
		at, ok := e.(At)
		if !ok {
			at = At{Event: e}
		}
		if at.Time.IsZero() {
			now = now.Add(time.Minute)
			at.Time = now
		}
		versions[at.Stream]++
		name, _ := at.Event.EventType()
		out = append(out, projections.Event{
			Route: &projections.Route{EventType: name},
			Value: at.Event,
			Meta: projections.Meta{
				EventID: uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint64(nil, uint64(i))).String(),
				Stream:  at.Stream, StreamVersion: versions[at.Stream],
				Time: at.Time, Position: log.At(int64(i + 1)),
			},
		})
	}
	return out
}

// FoldEvents folds a story. Events that no view handles are passed over.
func FoldEvents(set *projections.Set, story []projections.Event) (Rows, error) {
	return foldInBatches(set, story, max(1, len(story)))
}

func foldInBatches(set *projections.Set, story []projections.Event, size int) (Rows, error) {
	handled := make([]projections.Event, 0, len(story))
	for _, e := range story {
		if e.Route = set.Route(e.Route.EventType); e.Route == nil {
			continue
		}
		lifted, err := lift(e)
		if err != nil {
			return nil, err
		}
		handled = append(handled, lifted)
	}
	memory := inmemory.New(set)
	for batch := range slices.Chunk(handled, size) {
		if err := memory.Apply(batch); err != nil {
			return nil, unparked(err)
		}
	}
	joined, err := memory.Joined()
	if err != nil {
		return nil, unparked(err)
	}
	rows := Rows{}
	for i, m := range set.Views() {
		rows[m.Name] = joined[i]
	}
	return rows, nil
}

// lift brings an event of an older version to the one that the handlers take, through json
// and the set's upcasters, as the log's reader does.
func lift(e projections.Event) (projections.Event, error) {
	typed, ok := e.Value.(eventlog.Typed)
	if !ok || e.Route.Takes(e.Value) {
		return e, nil
	}
	name, version := typed.EventType()
	stored, err := eventlog.NewEvent(typed, eventlog.Meta{})
	if err != nil {
		return e, fmt.Errorf("event %s, version %d, at place %d: %w", name, version, e.Meta.Position.Place(), err)
	}
	if e.Value, err = e.Route.Decode(stored.SchemaVersion, stored.Data); err != nil {
		return e, fmt.Errorf("event %s, version %d, at place %d: %w (give NewSet the upcasters of this version: projections.Upcasters)", name, version, e.Meta.Position.Place(), err)
	}
	return e, nil
}

// unparked leaves the operator's part out of a fault's hint: a test parks nothing.
func unparked(err error) error {
	var fault *projections.FoldError
	if errors.As(err, &fault) {
		fault.Hint = strings.TrimSuffix(fault.Hint, projections.ThenRetry)
	}
	return err
}

// Row is the live row of a view with the key; a missing one fails the test.
func Row[R any](t testing.TB, rows Rows, view, key string) *R {
	t.Helper()
	i := slices.IndexFunc(rows[view], func(r *projections.Row) bool { return r.Key == key && r.State == projections.Live })
	if i < 0 {
		t.Fatalf("projectiontest: view %s has no live row with key %q", view, key)
	}
	return rows[view][i].Value.(*R)
}
