package queryapi_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// Readers go on while generations are switched and old ones dropped: none sees an
// error, an empty view, or rows of the past.
func TestASwitchShowsNoReaderAnErrorOrAnEmptyView(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	const switches, readers = 30, 3
	first := aBook(1)
	first.Sold = 1
	s.addBook(first)
	ask(t, a, `{ books { nodes { id } } }`)

	done := make(chan struct{})
	failures := make(chan error, readers)
	for range readers {
		go func() { failures <- readUntil(a, done) }()
	}
	books := s.set.View("book")
	const shadow = testProjector + "+book"
	s.projector(shadow, 0)
	s.exec(`update readside.projectors set rebuilds = $1 where name = $2`, testProjector, shadow)
	for g := 2; g < switches; g++ {
		table := s.owned(shadow, books, g, "building")
		b := aBook(1)
		b.Sold = int64(g)
		s.addBookTo(table, b, 2)
		s.exec(fmt.Sprintf(`begin; update readside.views set state = 'retired' where view = 'book' and state = 'live';
			update readside.views set state = 'live', projector = 'main' where table_name = '%s'; commit`, table))
		// What is asked after the switch sees the new generation, never the retired one.
		nodes := ask(t, a, `{ books { nodes { sold } } }`)["books"].(map[string]any)["nodes"].([]any)
		if len(nodes) != 1 || nodes[0].(map[string]any)["sold"] != float64(g) {
			t.Fatalf("after the switch to generation %d: %v", g, nodes)
		}
		if g%3 == 0 {
			s.exec(fmt.Sprintf(`drop table views.book_v2_g%d`, g-1))
		}
	}
	close(done)
	for range readers {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func readUntil(a *queryapi.API, done chan struct{}) error {
	last := -1.0
	for {
		select {
		case <-done:
			return nil
		default:
		}
		answer := a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { sold } } }`})
		if len(answer.Errors) > 0 {
			return fmt.Errorf("%v", answer.Errors)
		}
		nodes := answer.Data.(map[string]any)["books"].(map[string]any)["nodes"].([]any)
		if len(nodes) != 1 {
			return fmt.Errorf("the view had %d rows, want 1", len(nodes))
		}
		sold := float64(nodes[0].(map[string]any)["sold"].(int64))
		if sold < last {
			return fmt.Errorf("generation %v after %v", sold, last)
		}
		last = sold
	}
}

func TestAViewWithoutALiveGenerationIsNotReady(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	ask(t, a, `{ books { nodes { id } } }`)
	s.exec(`update readside.views set state = 'building' where view = 'book'`)
	code, e := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`}))
	if code != refusal.NotReady {
		t.Errorf("%s %s, want %s", code, e.Message, refusal.NotReady)
	}
	ask(t, a, `{ authors { nodes { name } } }`)
}
