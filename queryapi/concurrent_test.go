package queryapi_test

import (
	"context"
	"sync"
	"testing"

	"github.com/readside/readside/queryapi"
)

// The first requests of a schema come at the same time. Run with -race, this finds what
// the library builds at the first use.
func TestFirstRequestsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 3)
	a := s.api(queryapi.Options{})
	const query = `query asked($order: BookOrder = OUT_DESC, $filter: BookFilter = {inPrint: {isNull: false}}) {
		a: books(orderBy: $order, filter: $filter) { freshness { state } nodes { id editions { number printed } first { big } } }
		b: books(orderBy: TITLE_ASC) { nodes { id } } shelf(authorId: "a1") { author { name } }
		__schema { types { name kind enumValues { name } inputFields { name defaultValue type { name ofType { name } } } } directives { name locations args { name } } } }`
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if answer := a.Do(context.Background(), queryapi.Request{Query: query}); len(answer.Errors) > 0 {
				t.Error(answer.Errors)
			}
		})
	}
	group.Wait()
}
