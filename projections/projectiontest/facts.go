package projectiontest

import (
	"fmt"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Facts returns the rows that events make in a fact, in the order of the events, without a
// store. Events of older versions are lifted by the set's upcasters. An error or a panic of a
// handler, and a set without the fact, fail the test. R is the fact's row type.
func Facts[R any](t testing.TB, set *projections.Set, fact string, events ...eventlog.Typed) []R {
	t.Helper()
	rows, err := factRows[R](set, fact, Story(events...))
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	return rows
}

func factRows[R any](set *projections.Set, fact string, story []projections.Event) (rows []R, err error) {
	index := -1
	var known []string
	for i, m := range set.Facts() {
		known = append(known, m.Name)
		if m.Name == fact {
			index = i
		}
	}
	if index < 0 {
		return nil, fmt.Errorf("the set has no fact %q: it has %q", fact, known)
	}
	for _, e := range story {
		if e.Route = set.Route(e.Route.EventType); e.Route == nil {
			continue
		}
		if e, err = lift(e); err != nil {
			return nil, err
		}
		for _, f := range e.Route.Facts {
			if f.Fact != index {
				continue
			}
			if rows, err = appendFacts(rows, f.Handling, e); err != nil {
				return nil, fmt.Errorf("fact %s, event %s at place %d: %w", fact, e.Route.EventType, e.Meta.Position.Place(), err)
			}
		}
	}
	return rows, nil
}

// appendFacts appends the rows that one handler makes of one event.
func appendFacts[R any](rows []R, h *projections.FactHandling, e projections.Event) (_ []R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	err = h.Rows(e.Value, e.Meta, func(row any) {
		made, is := row.(*R)
		if !is {
			panic(fmt.Sprintf("its rows are %T, not %T", row, made))
		}
		rows = append(rows, *made)
	})
	return rows, err
}

// Upcast returns what a program of today makes of an event that was stored as data in an
// older version: a value of its current Go type. Without a way to it the test fails.
func Upcast[E eventlog.Typed](t testing.TB, upcasters *eventlog.Upcasters, version int, data string) E {
	t.Helper()
	e, err := eventlog.DecoderFor[E](upcasters)(version, []byte(data))
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	return e
}
