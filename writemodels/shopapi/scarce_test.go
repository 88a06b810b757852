package shopapi_test

import (
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/shopapi"
)

// Many orders ask at once, in one transaction of the catalog, for the last pieces: as
// many get them as there are.
func TestLastPiecesAreSoldOnce(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), func(c *shopapi.Config) { c.Grace = 500 * time.Millisecond })
	s.stock(t, "p1", 100, 3)
	s.stock(t, "p2", 100, 100)
	const orders = 10
	for range orders {
		s.order(t, "ada", invoice, "p1", 1, "p2", 1)
	}
	s.eventually(t, "every order got its answer", func() bool {
		return one[int](t, s, `select count(*) from shop_ordering.orders where status in ('paid', 'stock_rejected')`) == orders
	})
	if paid := one[int](t, s, `select count(*) from shop_ordering.orders where status = 'paid'`); paid != 3 {
		t.Errorf("%d orders got one of 3 pieces", paid)
	}
	if a, b := s.pieces(t, "p1"), s.pieces(t, "p2"); a != 0 || b != 97 {
		t.Errorf("%d and %d pieces are left, want 0 and 97", a, b)
	}
	s.noDeadLetters(t)
}
