package shopapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
	"github.com/readside/readside/writemodels/shopapi"
)

type object = map[string]any

var (
	euros   = func(cents int64) contract.Money { return contract.Money{Amount: cents, Currency: "EUR"} }
	london  = contract.Address{Street: "St James's Square 12", City: "London", PostalCode: "SW1Y", Country: "GB"}
	invoice = contract.PaymentMethod{Kind: "invoice"}
)

func card(expires string) contract.PaymentMethod {
	return contract.PaymentMethod{Kind: "card", CardExpires: expires}
}

// stock adds a product and waits until the basket service knows it.
func (s *shop) stock(t *testing.T, id string, cents int64, pieces int) {
	t.Helper()
	s.must(t, "POST", "/catalog/products", object{"id": id, "name": "Name of " + id, "brand": "B", "category": "books",
		"price": euros(cents), "stock": pieces})
	s.eventually(t, "the basket service knows product "+id, func() bool {
		return one[bool](t, s, `select exists (select from shop_basket.products where id = $1)`, id)
	})
}

// eventually looks again at each announcement of the log until the condition holds.
func (s *shop) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	bound := time.After(testWait)
	for !holds() {
		select {
		case <-look.C:
		case <-bound:
			t.Fatalf("not within %s: %s; the log has %v", testWait, what, s.types(t))
		}
	}
}

func items(pairs ...any) object {
	var list []object
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, object{"productId": pairs[i], "quantity": pairs[i+1]})
	}
	return object{"items": list}
}

// order puts items into a buyer's basket and checks out; it returns the order's id.
func (s *shop) order(t *testing.T, buyer string, payment contract.PaymentMethod, pairs ...any) string {
	t.Helper()
	s.must(t, "POST", "/basket/baskets/"+buyer+"/items", items(pairs...))
	return s.must(t, "POST", "/basket/baskets/"+buyer+"/checkout", object{"shipTo": london, "payment": payment}).OrderID
}

func (s *shop) pieces(t *testing.T, product string) int {
	t.Helper()
	return one[int](t, s, `select stock from shop_catalog.products where id = $1`, product)
}

func (s *shop) status(t *testing.T, order string) string {
	t.Helper()
	return one[string](t, s, `select coalesce((select status from shop_ordering.orders where id = $1), '')`, order)
}

func TestFromRegistrationToShipping(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.must(t, "POST", "/identity/customers", object{"id": "ada", "name": "Ada", "email": "ada@example.com", "address": london})
	s.stock(t, "p1", 1250, 10)
	s.stock(t, "p2", 300, 5)
	id := s.order(t, "ada", card("2999-12"), "p1", 2, "p2", 5)

	paid := decode[contract.OrderPaid](t, s.await(t, "ordering.OrderPaid", "order-"+id))
	if paid.Total != euros(2*1250+5*300) || paid.Country != "GB" || len(paid.Lines) != 2 {
		t.Errorf("paid: %+v", paid)
	}
	s.must(t, "POST", "/ordering/orders/"+id+"/ship", object{"carrier": "DHL", "trackingNumber": "JD014600"})

	want := map[string][]string{
		"order-" + id: {"ordering.OrderSubmitted", "ordering.OrderAwaitingValidation",
			"ordering.OrderStockConfirmed", "ordering.OrderPaid", "ordering.OrderShipped"},
		"stock-" + id:   {"catalog.StockConfirmed"},
		"payment-" + id: {"payment.Succeeded"},
		"basket-ada":    {"basket.ItemAdded", "basket.ItemAdded", "basket.CheckedOut"},
		"customer-ada":  {"identity.CustomerRegistered"},
	}
	for stream, types := range want {
		if diff := cmp.Diff(types, s.typesOf(t, stream)); diff != "" {
			t.Errorf("%s: %s", stream, diff)
		}
	}
	if a, b := s.pieces(t, "p1"), s.pieces(t, "p2"); a != 8 || b != 0 {
		t.Errorf("%d and %d pieces are left, want 8 and 0", a, b)
	}
	s.wholeSagaHasOneCorrelation(t, id)
}

// wholeSagaHasOneCorrelation: the checkout's correlation id goes through the timer and
// every service, and each event names the one that caused it.
func (s *shop) wholeSagaHasOneCorrelation(t *testing.T, id string) {
	t.Helper()
	checkedOut := s.await(t, "basket.CheckedOut", "basket-ada")
	before := checkedOut.ID
	for _, step := range [][2]string{
		{"ordering.OrderSubmitted", "order-" + id}, {"ordering.OrderAwaitingValidation", "order-" + id},
		{"catalog.StockConfirmed", "stock-" + id}, {"ordering.OrderStockConfirmed", "order-" + id},
		{"payment.Succeeded", "payment-" + id}, {"ordering.OrderPaid", "order-" + id},
	} {
		e := s.await(t, step[0], step[1])
		if e.CorrelationID != checkedOut.CorrelationID {
			t.Errorf("%s has correlation id %s, the checkout %s", e.Type, e.CorrelationID, checkedOut.CorrelationID)
		}
		if e.CausationID != before && e.Type != "ordering.OrderAwaitingValidation" {
			t.Errorf("%s was caused by %s, want %s", e.Type, e.CausationID, before)
		}
		before = e.ID
	}
}

func TestMissingPiecesRejectTheOrderAndTakeNothing(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	s.stock(t, "p2", 100, 1)
	id := s.order(t, "bob", invoice, "p1", 2, "p2", 3)
	e := decode[contract.OrderStockRejected](t, s.await(t, "ordering.OrderStockRejected", "order-"+id))
	want := []contract.MissingLine{{ProductID: "p2", Requested: 3, Available: 1}}
	if diff := cmp.Diff(want, e.Missing); diff != "" {
		t.Error(diff)
	}
	if a, b := s.pieces(t, "p1"), s.pieces(t, "p2"); a != 10 || b != 1 {
		t.Errorf("%d and %d pieces are left, want all 10 and 1", a, b)
	}
}

func TestFailedPaymentCancelsTheOrderAndPutsThePiecesBack(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), func(c *shopapi.Config) { c.CardLimit = 1000 })
	s.stock(t, "p1", 600, 10)
	for reason, order := range map[string]string{
		"payment failed: the card expired after 2020-01":                   s.order(t, "eve", card("2020-01"), "p1", 1),
		"payment failed: the amount is over the card's limit of 10.00 EUR": s.order(t, "eve", card("2999-01"), "p1", 2),
	} {
		cancelled := decode[contract.OrderCancelled](t, s.await(t, "ordering.OrderCancelled", "order-"+order))
		if cancelled.Reason != reason {
			t.Errorf("cancelled because %q, want %q", cancelled.Reason, reason)
		}
		s.await(t, "catalog.StockReleased", "stock-"+order)
	}
	if n := s.pieces(t, "p1"); n != 10 {
		t.Errorf("%d pieces are left, want all 10", n)
	}
}

func TestCancelledWithinGraceTakesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), func(c *shopapi.Config) { c.Grace = time.Hour })
	s.stock(t, "p1", 100, 10)
	id := s.order(t, "bob", invoice, "p1", 2)
	s.await(t, "ordering.OrderSubmitted", "order-"+id)
	s.must(t, "POST", "/ordering/orders/"+id+"/cancel", object{"reason": "changed my mind"})
	if diff := cmp.Diff([]string{"ordering.OrderSubmitted", "ordering.OrderCancelled"}, s.typesOf(t, "order-"+id)); diff != "" {
		t.Error(diff)
	}
	s.eventually(t, "catalog and payment have barred the order", func() bool {
		return one[int](t, s, `select (select count(*) from shop_catalog.takings where state = 'barred')
			+ (select count(*) from shop_payment.payments where state = 'barred')`) == 2
	})
	if n := s.pieces(t, "p1"); n != 10 {
		t.Errorf("%d pieces are left, want all 10", n)
	}
}

func TestIllegalTransitionsAreRefusedNamingBothStates(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	id := s.order(t, "bob", invoice, "p1", 2)
	s.await(t, "ordering.OrderPaid", "order-"+id)
	a := s.send(t, "POST", "/ordering/orders/"+id+"/cancel", object{"reason": "too late"})
	if a.status != http.StatusConflict || a.problem.Type != command.ProblemType("illegal-transition") {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if want := `order "` + id + `" is paid and cannot become cancelled`; a.problem.Detail != want {
		t.Errorf("detail %q, want %q", a.problem.Detail, want)
	}
}
