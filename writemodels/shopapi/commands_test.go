package shopapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

func products(n int) (list []object) {
	for i := range n {
		list = append(list, object{"id": fmt.Sprintf("p-%03d", i), "name": "Name", "brand": "B", "category": "books",
			"price": euros(100), "stock": 5})
	}
	return list
}

func TestManyProductsInOneCommand(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	a := s.must(t, "POST", "/catalog/products", object{"products": products(500)})
	if len(a.IDs) != 500 || a.IDs[7] != "p-007" {
		t.Fatalf("answered %d ids", len(a.IDs))
	}
	events := s.events(t, "")
	if len(events) != 500 || events[499].Position.String() != a.Position || events[7].Stream != "product-p-007" {
		t.Errorf("%d events, the last at %s, answered %s", len(events), events[len(events)-1].Position, a.Position)
	}
	if n := one[int](t, s, `select count(*) from shop_catalog.products where version = 1 and stock = 5`); n != 500 {
		t.Errorf("%d products", n)
	}
	// One that exists makes all of a command refused.
	if again := s.send(t, "POST", "/catalog/products", object{"products": append(products(1), object{"id": "new", "name": "N",
		"brand": "B", "category": "c", "price": euros(1), "stock": 0})}); again.status != http.StatusConflict {
		t.Errorf("%d %s", again.status, again.raw)
	}
	if n := len(s.events(t, "")); n != 500 {
		t.Errorf("%d events after the refusal", n)
	}
}

func TestFaultsInBatchesNameTheirPlace(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	bad := products(3)
	bad[1]["price"] = object{"amount": -5, "currency": "euro"}
	bad[2]["id"], bad[2]["stock"] = bad[0]["id"], -1
	a := s.send(t, "POST", "/catalog/products", object{"products": bad})
	var fields []string
	for _, fault := range a.problem.Errors {
		fields = append(fields, fault.Field)
	}
	want := []string{"products[1].price.amount", "products[1].price.currency", "products[2].stock", "products[2].id"}
	if diff := cmp.Diff(want, fields); diff != "" || a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d: %s", a.status, diff)
	}
	for name, body := range map[string]object{
		"too many": {"products": products(501)}, "none": {"products": []object{}},
		"one and many": {"id": "x", "name": "X", "products": products(1)},
	} {
		if a := s.send(t, "POST", "/catalog/products", body); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	if n := len(s.events(t, "")); n != 0 {
		t.Errorf("%d events", n)
	}
}

// shownBasket is GET /baskets/{buyer}, as far as it matters here.
type shownBasket struct {
	Lines []struct {
		ProductID             string
		UnitPrice, AddedPrice contract.Money
		Quantity              int
		Warning               string
	}
}

func (s *shop) basket(t *testing.T, buyer string) (b shownBasket) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.must(t, "GET", "/basket/baskets/"+buyer, nil).raw), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBasketShowsTheNewPriceAndWarns(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	s.must(t, "POST", "/basket/baskets/ada/items", items("p1", 2))
	if b := s.basket(t, "ada"); len(b.Lines) != 1 || b.Lines[0].Warning != "" {
		t.Fatalf("before the change: %+v", b)
	}
	s.must(t, "PUT", "/catalog/products/p1/price", object{"price": euros(120)})
	s.eventually(t, "the basket shows the new price", func() bool { return s.basket(t, "ada").Lines[0].UnitPrice == euros(120) })
	if l := s.basket(t, "ada").Lines[0]; l.AddedPrice != euros(100) || !strings.Contains(l.Warning, "it was 1.00 EUR") {
		t.Errorf("shown as %+v", l)
	}
	// What is bought is bought at the present price.
	id := s.must(t, "POST", "/basket/baskets/ada/checkout", object{"shipTo": london, "payment": invoice}).OrderID
	if e := decode[contract.OrderSubmitted](t, s.await(t, "ordering.OrderSubmitted", "order-"+id)); e.Total != euros(240) {
		t.Errorf("the order's total is %+v", e.Total)
	}
	if b := s.basket(t, "ada"); len(b.Lines) != 0 {
		t.Errorf("after the checkout: %+v", b)
	}
}

func TestBasketRefusesWhatCannotBeBought(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	s.stock(t, "p2", 100, 10)
	refusedAs := func(code, method, path string, body any) {
		t.Helper()
		if a := s.send(t, method, path, body); a.problem.Type != command.ProblemType(code) {
			t.Errorf("%s %s: %d %s, want %s", method, path, a.status, a.raw, code)
		}
	}
	refusedAs("unknown-product", "POST", "/basket/baskets/ada/items", items("p9", 1))
	refusedAs("empty-basket", "POST", "/basket/baskets/ada/checkout", object{"shipTo": london, "payment": invoice})
	refusedAs("not-found", "DELETE", "/basket/baskets/ada/items/p1", nil)
	refusedAs("invalid", "POST", "/basket/baskets/ada/items", items("p1", 0))
	refusedAs("invalid", "GET", "/basket/baskets/%00", nil)
	refusedAs("invalid", "GET", "/ordering/orders/%00", nil)
	refusedAs("invalid", "POST", "/basket/baskets/ada/checkout", object{"shipTo": london, "payment": card("13-2027")})
	s.must(t, "POST", "/basket/baskets/ada/items", items("p1", 1, "p2", 1))
	s.must(t, "DELETE", "/catalog/products/p2", nil)
	s.eventually(t, "the basket warns", func() bool { return s.basket(t, "ada").Lines[1].Warning != "" })
	refusedAs("discontinued", "POST", "/basket/baskets/ada/items", items("p2", 1))
	refusedAs("discontinued", "POST", "/basket/baskets/ada/checkout", object{"shipTo": london, "payment": invoice})
	s.must(t, "DELETE", "/basket/baskets/ada/items/p2", nil)
	s.must(t, "PUT", "/basket/baskets/ada/items/p1", object{"quantity": 3})
	s.must(t, "POST", "/basket/baskets/ada/checkout", object{"shipTo": london, "payment": invoice})
}

// An event of version 1 still lies in the log of many shops: it is lifted when read.
func TestOldEventsAreLifted(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.Postgres(t), nil)
	s.stock(t, "p1", 100, 10)
	pool := s.db.Role(t, "shop_catalog")
	log, err := eventlog.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	old, err := eventlog.NewEvent(contract.ProductPriceChangedV1{ProductID: "p1", OldPriceMinor: 100, NewPriceMinor: 77}, eventlog.Meta{Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), tx, eventlog.Append{Stream: "product-p1", Expected: 1, Events: []eventlog.Event{old}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the basket service knows the price of the old event", func() bool {
		return one[string](t, s, `select concat(price_amount, price_currency) from shop_basket.products where id = 'p1'`) == "77EUR"
	})
}
