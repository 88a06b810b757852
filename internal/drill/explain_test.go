package drill_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/explain"
)

// explained is how many orders are explained: those with the longest timelines.
const explained = 10

// The story of an order has every event of the log that is about it, in order, and
// ends with the row that is stored.
func TestAnOrderIsExplainedFromItsFirstEventToItsRow(t *testing.T) {
	s, set := newShop(t), version1(t)
	fresh := &freshness{}
	stop := s.startWorker(set, 0, fresh.folded)
	s.until("the worker has caught up", func() bool { return fresh.place() >= s.load.committed.Load() })
	stop()
	for i, id := range s.orders(explained) {
		story, err := explain.Row(t.Context(), explain.Config{
			Log: s.log, Postgres: s.config, Set: set, Projector: engine.ProjectorName("main", set), View: "order", Key: id,
		})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := story.Print(&text); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			for line := range strings.Lines(text.String()) {
				t.Logf("explain: %s", line)
			}
		}
		s.mustBeWhole(set, id, story, text.String())
		s.mustEndInTheRow(id, story)
	}
}

// orders are keys of those with the longest timelines.
func (s *shop) orders(n int) []string {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `select id from views.order_v1_g1 where _state = 2 and status in ('shipped', 'cancelled') order by length(timeline::text) desc, id limit $1`, n)
	if err != nil {
		s.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) != n {
		s.t.Fatalf("%d of %d orders have come to their end: %v", len(ids), n, err)
	}
	return ids
}

// mustBeWhole compares the steps of the order itself with what the log says by SQL.
func (s *shop) mustBeWhole(set *projections.Set, id string, story *explain.Story, text string) {
	s.t.Helper()
	rows, err := s.db.Pool.Query(s.t.Context(), `select position from eventlog.events where data->>'orderId' = $1 and type = any($2) order by position`, id, handled(set, "order"))
	if err != nil {
		s.t.Fatal(err)
	}
	places, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(places) < 4 {
		s.t.Fatalf("order %s has %d events: %v", id, len(places), err)
	}
	var own []int64
	for _, step := range story.Steps {
		if len(step.Through) == 0 {
			own = append(own, step.Place)
		}
		if !strings.Contains(text, fmt.Sprintf("\n%d  ", step.Place)) {
			s.t.Errorf("order %s: the event at place %d is not printed", id, step.Place)
		}
	}
	if !slices.Equal(own, places) {
		s.t.Errorf("order %s: the log has its events at %v, told are %v", id, places, own)
	}
}

// handled are the types of events that a view handles.
func handled(set *projections.Set, view string) (types []string) {
	for _, name := range set.ViewTypes() {
		for _, v := range set.Route(name).Views {
			if set.Views()[v.View].Name == view {
				types = append(types, name)
			}
		}
	}
	return types
}

// mustEndInTheRow compares the last state that is told with the row as SQL reads it.
func (s *shop) mustEndInTheRow(id string, story *explain.Story) {
	s.t.Helper()
	if !story.Equal || story.State != "live" {
		s.t.Errorf("order %s: its story ends %s, and differs in %v", id, story.State, story.Differences)
	}
	last := map[string]json.RawMessage{}
	for _, step := range story.Steps {
		for _, c := range step.Changes {
			last[c.Column] = c.New
		}
	}
	columns := []string{"buyer_id", "buyer_name", "status", "lines", "total_minor", "timeline", "carrier", "payment_id", "cancel_reason"}
	for _, column := range columns {
		var equal bool
		told, ok := last[column]
		if !ok { // it never became anything
			told = story.Row[column]
		}
		err := s.db.Pool.QueryRow(s.t.Context(), `select to_jsonb(`+column+`) = $2::text::jsonb from views.order_v1_g1 where id = $1`, id, string(told)).Scan(&equal)
		if err != nil || !equal {
			s.t.Errorf("order %s: column %s is told to be %s, and is not stored so (%v)", id, column, told, err)
		}
	}
}
