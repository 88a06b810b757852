package drill_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// reader queries an API all the time, every view of a set in one operation, and sees
// no error, no empty view, no position that goes back, and no view without a lag that
// has not seen what was committed before.
type reader struct {
	api   *queryapi.API
	query string
	load  *load

	mu      sync.Mutex
	highest map[string]eventlog.Position
	last    []viewSeen
	took    spread
}

// viewSeen is how fresh an answer said that a view was.
type viewSeen struct {
	View      string
	Position  eventlog.Position
	LagEvents int64
}

func newReader(api *queryapi.API, set *projections.Set, l *load) *reader {
	var q strings.Builder
	for _, m := range set.Views() {
		fmt.Fprintf(&q, "%ss(first: 3) { nodes { %s } } ", m.Name, camel(m.Columns[m.Key].Name))
	}
	return &reader{api: api, query: "{ " + q.String() + "}", load: l, highest: map[string]eventlog.Position{}}
}

// camel is a column's name as GraphQL writes it.
func camel(column string) string {
	words := strings.Split(column, "_")
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "")
}

// every asks again and again until ctx ends.
func (r *reader) every(ctx context.Context, d time.Duration) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		if err := r.once(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *reader) once(ctx context.Context) error {
	committed := r.load.committed.Load()
	began := time.Now()
	answer := r.api.Do(ctx, queryapi.Request{Query: r.query})
	took := time.Since(began)
	if len(answer.Errors) > 0 {
		return fmt.Errorf("a reader saw errors: %v", answer.Errors)
	}
	for view, v := range answer.Data.(map[string]any) {
		if nodes := v.(map[string]any)["nodes"].([]any); len(nodes) == 0 {
			return fmt.Errorf("a reader saw that %s was empty", view)
		}
	}
	return r.note(answer, committed, took)
}

func (r *reader) note(answer *queryapi.Answer, committed int64, took time.Duration) error {
	seen, coherent, err := freshnessOf(answer)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range seen {
		order, err := v.Position.Compare(r.highest[v.View])
		if err != nil {
			return fmt.Errorf("a reader saw %s: %w", v.View, err)
		}
		if order < 0 {
			return fmt.Errorf("a reader saw %s at place %d after %d", v.View, v.Position.Place(), r.highest[v.View].Place())
		}
		if v.LagEvents < committed-v.Position.Place() {
			return fmt.Errorf("a reader of %s at place %d was told a lag of %d, when place %d was committed already", v.View, v.Position.Place(), v.LagEvents, committed)
		}
		r.highest[v.View] = v.Position
	}
	if !coherent {
		return fmt.Errorf("a reader saw views at different positions: %+v", seen)
	}
	r.last, r.took = seen, append(r.took, took)
	return nil
}

// seen is where the hindmost view of the last answer stood, and the lag that was told.
func (r *reader) seen() (place, lag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, v := range r.last {
		if i == 0 || v.Position.Place() < place {
			place, lag = v.Position.Place(), v.LagEvents
		}
	}
	return place, lag
}

// times are how long the answers took, sorted.
func (r *reader) times() spread {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := slices.Clone(r.took)
	slices.Sort(s)
	return s
}

// freshnessOf is what an answer says of its views, and whether they stood at one position.
func freshnessOf(answer *queryapi.Answer) (views []viewSeen, coherent bool, err error) {
	doc, err := json.Marshal(answer.Extensions["freshness"])
	if err != nil {
		return nil, false, err
	}
	var f struct {
		Coherent bool
		Views    []viewSeen
	}
	if err := json.Unmarshal(doc, &f); err != nil {
		return nil, false, fmt.Errorf("how fresh an answer is cannot be read from %s: %w", doc, err)
	}
	if len(f.Views) == 0 {
		return nil, false, fmt.Errorf("an answer does not say how fresh it is: %s", doc)
	}
	return f.Views, f.Coherent, nil
}
