package queryapi_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// degrade parks an event of a row, as a projector would.
func (s *store) degrade(projector, view, key string, place int) {
	s.t.Helper()
	s.exec(`insert into readside.parked (projector, view, place, key, stream, event_type, state) values ($1, $2, $3, $4, 'book-1', 'press.Printed', 'parked')`, projector, view, place, key)
	s.exec(`insert into readside.degraded values ($1, $2, $3)`, projector, view, key)
}

func TestDegradedRowsSaySo(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 4)
	s.addAuthor("b001", "Ann") // of the key of a degraded book
	s.degrade(testProjector, "book", "b001", 5)
	s.degrade(testProjector, "book", "gone", 6)
	s.projector("other", 0)
	s.degrade("other", "book", "b002", 7)
	s.exec(`insert into readside.parked (projector, view, place, key, stream, event_type, state) values
		('main', 'book', 8, 'b001', 'x', 'y', 'queued'), ('main', 'book', 9, 'b001', 'x', 'y', 'discarded')`)
	a := s.api(queryapi.Options{})
	got := plain(t, a.Do(context.Background(), queryapi.Request{Query: `{
		one: book(id: "b001") { degraded id } two: book(id: "b002") { degraded } plain: book(id: "b001") { id }
		gone: book(id: "gone") { id } author(id: "b001") { degraded }
		books(first: 3) { nodes { id degraded freshness { parked } } }
		edges: books(first: 2, orderBy: ID_ASC, filter: {id: {gte: "b001"}}) { edges { node { degraded } } }
	}`}))
	type m = map[string]any
	node := func(id string, degraded bool) m {
		return m{"id": id, "degraded": degraded, "freshness": m{"parked": 3.0}}
	}
	want := m{
		"one": m{"id": "b001", "degraded": true}, "two": m{"degraded": false}, "plain": m{"id": "b001"},
		"gone": nil, "author": m{"degraded": false},
		"books": m{"nodes": []any{node("b000", false), node("b001", true), node("b002", false)}},
		"edges": m{"edges": []any{m{"node": m{"degraded": true}}, m{"node": m{"degraded": false}}}},
	}
	if diff := cmp.Diff(want, got["data"]); diff != "" {
		t.Error(diff, got["errors"])
	}
	marked := []any{m{"view": "book", "key": "b001"}, m{"view": "book", "key": "gone"}}
	if diff := cmp.Diff(marked, got["extensions"].(m)["degraded"]); diff != "" {
		t.Errorf("extensions.degraded: %s", diff)
	}
	if ext := plain(t, a.Do(context.Background(), queryapi.Request{Query: `{ book(id: "b000") { id } }`}))["extensions"].(m); ext["degraded"] != nil {
		t.Errorf("a sound row: %v", ext)
	}
}

// note's columns have the names that the list of degraded rows has.
type note struct {
	Key       string `view:"key,key"`
	View      string `view:"view"`
	Projector string `view:"projector"`
}

func TestColumnsMayBeNamedAsTheDegradedRowsAre(t *testing.T) {
	t.Parallel()
	notes := projections.View[note]{Name: "note", Version: 1, Handlers: []projections.Handler[note]{projections.Create(
		func(e printed) string { return e.Book }, func(*note, printed, projections.Meta) error { return nil })}}
	set, err := projections.NewSet(&notes)
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	table := s.owned(testProjector, set.View("note"), 1, "live")
	s.exec(`insert into views.` + table + ` (key, view, projector) values ('n1', 'x', 'y'), ('n2', 'x', 'y')`)
	s.degrade(testProjector, "note", "n2", 1)
	schema, err := queryapi.NewSchema(queryapi.Definition{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	a, err := queryapi.New(schema, queryapi.Options{Pool: s.query})
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	want := m{"notes": m{"nodes": []any{m{"key": "n1", "degraded": false}, m{"key": "n2", "degraded": true}}}}
	if diff := cmp.Diff(want, ask(t, a, `{ notes { nodes { key degraded } } }`)); diff != "" {
		t.Error(diff)
	}
}
