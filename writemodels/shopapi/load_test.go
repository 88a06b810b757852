package shopapi_test

import (
	"slices"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/shopload"
	"github.com/readside/readside/writemodels/contract"
	"github.com/readside/readside/writemodels/shopapi"
)

// A small public makes every kind of event, nothing fails that should not, and all
// that was begun comes to rest.
func TestLoadMakesEveryEventTypeAndComesToRest(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), func(c *shopapi.Config) { c.Grace = 200 * time.Millisecond })
	report, err := shopload.Run(t.Context(), shopload.Config{
		BaseURL: s.URL, Seed: 7, Rounds: 60, Workers: 6, Customers: 60, Products: 80, Settle: testWait,
	}, shopload.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Unexpected) > 0 || report.Unsettled > 0 {
		t.Errorf("unexpected %v (%s), %d orders without rest", report.Unexpected, report.FirstUnexpected, report.Unsettled)
	}
	seen := one[[]string](t, s, `select array_agg(distinct type) from eventlog.events`)
	for _, e := range contract.All() {
		if name, _ := e.EventType(); !slices.Contains(seen, name) {
			t.Errorf("no %s", name)
		}
	}
	for _, service := range []string{"identity", "catalog", "basket", "ordering"} {
		if got, want := s.Accepted()[service], report.Service(service); got != want {
			t.Errorf("%s accepted %d commands, its clients counted %d", service, got, want)
		}
	}
	s.noDeadLetters(t)
	s.stockAddsUp(t)
}

func (s *shop) noDeadLetters(t *testing.T) {
	t.Helper()
	for _, schema := range []string{"shop_catalog", "shop_basket", "shop_ordering", "shop_payment"} {
		if n := one[int](t, s, `select count(*) from `+schema+`.dead_letters`); n > 0 {
			t.Errorf("%s has %d dead letters: %s", schema, n, one[string](t, s, `select string_agg(error, '; ') from `+schema+`.dead_letters`))
		}
	}
}

// stockAddsUp: what the catalog counts equals what its events say, for every product.
func (s *shop) stockAddsUp(t *testing.T) {
	t.Helper()
	wrong := one[int](t, s, `with moves as (
			select data->>'productId' as id, (data->>'stock')::bigint as n from eventlog.events where type = 'catalog.ProductAdded'
			union all select data->>'productId', (data->>'quantity')::bigint from eventlog.events where type = 'catalog.ProductReplenished'
			union all select l->>'productId', case type when 'catalog.StockConfirmed' then -1 else 1 end * (l->>'quantity')::bigint
				from eventlog.events, json_array_elements(data->'lines') l where type in ('catalog.StockConfirmed', 'catalog.StockReleased'))
		select count(*) from shop_catalog.products p
			where p.stock <> (select sum(n) from moves where moves.id = p.id)`)
	if wrong > 0 {
		t.Errorf("the stock of %d products is not what the events say", wrong)
	}
}
