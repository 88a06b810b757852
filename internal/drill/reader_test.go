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
// no error, no empty view, no views at different positions, no position that goes
// back, and no view without a lag that has not seen what was committed before.
type reader struct {
	api   *queryapi.API
	query string
	load  *load

	mu      sync.Mutex
	highest eventlog.Position
	lag     int64
	took    spread
}

func newReader(api *queryapi.API, set *projections.Set, l *load) *reader {
	var q strings.Builder
	for _, m := range set.Views() {
		fmt.Fprintf(&q, "%ss(first: 3) { nodes { %s } } ", m.Name, camel(m.Columns[m.Key].Name))
	}
	return &reader{api: api, query: "{ " + q.String() + "}", load: l}
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
	at, lag, err := freshnessOf(answer)
	if err != nil {
		return err
	}
	return r.note(at, lag, committed, took)
}

func (r *reader) note(at eventlog.Position, lag, committed int64, took time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if order, err := at.Compare(r.highest); err != nil || order < 0 {
		return fmt.Errorf("a reader saw place %d after %d (%v)", at.Place(), r.highest.Place(), err)
	}
	if lag < committed-at.Place() {
		return fmt.Errorf("a reader at place %d was told a lag of %d, when place %d was committed already", at.Place(), lag, committed)
	}
	r.highest, r.lag = at, lag
	r.took = append(r.took, took)
	return nil
}

// seen is where the reader's last answer stood, and the lag that it was told.
func (r *reader) seen() (at eventlog.Position, lag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.highest, r.lag
}

// times are how long the answers took, sorted.
func (r *reader) times() spread {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := slices.Clone(r.took)
	slices.Sort(s)
	return s
}

// freshnessOf is the one position of all views of an answer, and the lag.
func freshnessOf(answer *queryapi.Answer) (at eventlog.Position, lag int64, err error) {
	doc, err := json.Marshal(answer.Extensions["freshness"])
	if err != nil {
		return at, 0, err
	}
	var f struct {
		Coherent bool
		Views    []struct {
			Position  eventlog.Position
			LagEvents int64
		}
	}
	if err := json.Unmarshal(doc, &f); err != nil {
		return at, 0, err
	}
	if !f.Coherent || len(f.Views) == 0 {
		return at, 0, fmt.Errorf("a reader saw views at different positions: %s", doc)
	}
	return f.Views[0].Position, f.Views[0].LagEvents, nil
}
