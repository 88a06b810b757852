package exact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/readside/readside/writemodels/contract"
)

// Event is an event of a story. Events of one stream are in their order; between
// streams there is none but the story's.
type Event struct {
	Stream string
	Time   time.Time
	Data   contract.Event
}

// Shop is how large a shop stories are told of.
type Shop struct {
	Customers, Products int
	// Known reports whether customers register before anything else happens; else they never
	// do by themselves.
	Known bool
}

// Storyteller makes up what happens in a shop. It keeps to the order within each
// stream, and to nothing else: an order may be paid before its buyer has registered.
type Storyteller struct {
	r         *rand.Rand
	now       time.Time
	out       []Event
	customers []string
	products  []string
	prices    map[string]contract.Money
	baskets   map[string][]contract.OrderLine
	orders    []*openOrder
	opened    int
}

type openOrder struct {
	id, buyer string
	lines     []contract.OrderLine
	status    string
}

// smallShop is small enough that everything meets everything.
var smallShop = Shop{Customers: 12, Products: 12}

// Tell makes up a story of at least n events from a seed. Customers register in the
// end, so that baskets and orders wait for their names.
func Tell(seed uint64, n int) []Event {
	s := NewStoryteller(seed, smallShop)
	s.tellMore(n)
	for _, c := range s.customers {
		s.register(c)
	}
	return s.shuffle()
}

// NewStoryteller opens a shop; what it tells follows from the seed.
func NewStoryteller(seed uint64, shop Shop) *Storyteller {
	s := &Storyteller{
		r: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 1, 31, 22, 0, 0, 0, time.UTC),
		prices: map[string]contract.Money{}, baskets: map[string][]contract.OrderLine{},
	}
	for i := range shop.Customers {
		s.customers = append(s.customers, fmt.Sprintf("c%d", i))
	}
	for i := range shop.Products {
		s.products = append(s.products, fmt.Sprintf("p%d", i))
		s.addProduct(s.products[i])
	}
	if shop.Known {
		for _, c := range s.customers {
			s.register(c)
		}
	}
	return s
}

// More goes on with the story, by at least n events.
func (s *Storyteller) More(n int) []Event {
	s.tellMore(n)
	return s.shuffle()
}

func (s *Storyteller) tellMore(n int) {
	for len(s.out) < n {
		s.step()
	}
}

func (s *Storyteller) tell(stream string, e contract.Event) {
	s.now = s.now.Add(time.Duration(1+s.r.IntN(3_000_000)) * time.Microsecond)
	s.out = append(s.out, Event{Stream: stream, Time: s.now, Data: e})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (s *Storyteller) step() {
	c, p := pick(s.r, s.customers), pick(s.r, s.products)
	switch k := s.r.IntN(100); {
	case k < 26:
		s.fill(c, p)
	case k < 31:
		s.changeQuantity(c)
	case k < 34:
		s.remove(c)
	case k < 46:
		s.checkOut(c)
	case k < 82:
		s.advance()
	case k < 86:
		s.tell("customer-"+c, contract.CustomerRenamed{CustomerID: c, Name: s.name()})
	case k < 88:
		s.tell("customer-"+c, contract.CustomerAddressChanged{CustomerID: c, Address: s.address()})
	case k < 92:
		s.tell("product-"+p, contract.ProductRenamed{ProductID: p, Name: s.name()})
	case k < 97:
		old := s.prices[p]
		s.prices[p] = contract.Money{Amount: int64(100 + s.r.IntN(9000)), Currency: old.Currency}
		s.tell("product-"+p, contract.ProductPriceChanged{ProductID: p, Old: old, New: s.prices[p]})
	case k < 99:
		s.tell("product-"+p, contract.ProductReplenished{ProductID: p, Quantity: 1 + s.r.IntN(9)})
	default:
		s.tell("product-"+p, contract.ProductDiscontinued{ProductID: p})
	}
}

func (s *Storyteller) name() string { return fmt.Sprintf("name-%d ♥ \"quoted\"", s.r.IntN(1000)) }

func (s *Storyteller) address() contract.Address {
	return contract.Address{Street: s.name(), City: s.name(), PostalCode: "10115", Country: pick(s.r, []string{"DE", "FR", "GB"})}
}

func (s *Storyteller) register(c string) {
	s.tell("customer-"+c, contract.CustomerRegistered{CustomerID: c, Name: s.name(), Email: c + "@example.org", Address: s.address()})
}

func (s *Storyteller) addProduct(p string) {
	s.prices[p] = contract.Money{Amount: int64(100 + s.r.IntN(9000)), Currency: pick(s.r, []string{"EUR", "EUR", "USD"})}
	s.tell("product-"+p, contract.ProductAdded{ProductID: p, Name: s.name(), Brand: "b", Category: pick(s.r, []string{"kitchen", "light"}), Price: s.prices[p], Stock: s.r.IntN(50)})
}

func (s *Storyteller) fill(c, p string) {
	q := 1 + s.r.IntN(3)
	i := slices.IndexFunc(s.baskets[c], func(l contract.OrderLine) bool { return l.ProductID == p })
	if i < 0 {
		s.baskets[c] = append(s.baskets[c], contract.OrderLine{ProductID: p, Category: "kitchen", UnitPrice: s.prices[p]})
		i = len(s.baskets[c]) - 1
	}
	s.baskets[c][i].Quantity += q
	s.tell("basket-"+c, contract.BasketItemAdded{BuyerID: c, ProductID: p, Quantity: q, UnitPrice: s.prices[p]})
}

func (s *Storyteller) changeQuantity(c string) {
	if b := s.baskets[c]; len(b) > 0 {
		l := &b[s.r.IntN(len(b))]
		l.Quantity = 1 + s.r.IntN(5)
		s.tell("basket-"+c, contract.BasketQuantityChanged{BuyerID: c, ProductID: l.ProductID, Quantity: l.Quantity})
	}
}

func (s *Storyteller) remove(c string) {
	if b := s.baskets[c]; len(b) > 0 {
		i := s.r.IntN(len(b))
		s.tell("basket-"+c, contract.BasketItemRemoved{BuyerID: c, ProductID: b[i].ProductID})
		s.baskets[c] = slices.Delete(b, i, i+1)
	}
}

func (s *Storyteller) checkOut(c string) {
	lines := s.baskets[c]
	if len(lines) == 0 {
		return
	}
	delete(s.baskets, c)
	s.opened++
	o := &openOrder{id: fmt.Sprintf("o%d", s.opened), buyer: c, lines: slices.Clone(lines), status: "submitted"}
	s.orders = append(s.orders, o)
	ship, pay := s.address(), contract.PaymentMethod{Kind: "card", CardExpires: "2027-04"}
	s.tell("basket-"+c, contract.BasketCheckedOut{BuyerID: c, OrderID: o.id, Lines: o.lines, ShipTo: ship, Payment: pay})
	s.tell("order-"+o.id, contract.OrderSubmitted{OrderID: o.id, BuyerID: c, Lines: o.lines, Total: o.total(), ShipTo: ship, Payment: pay})
}

// total adds up the lines; the story takes every amount for a euro.
func (o *openOrder) total() contract.Money {
	m := contract.Money{Currency: "EUR"}
	for _, l := range o.lines {
		m.Amount += l.UnitPrice.Amount * int64(l.Quantity)
	}
	return m
}

func (o *openOrder) pieces() []contract.StockLine {
	out := make([]contract.StockLine, len(o.lines))
	for i, l := range o.lines {
		out[i] = contract.StockLine{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	return out
}

// advance takes an open order one step on.
func (s *Storyteller) advance() {
	if len(s.orders) == 0 {
		return
	}
	i := s.r.IntN(len(s.orders))
	o := s.orders[i]
	stream := "order-" + o.id
	done := false
	switch {
	case o.status != "paid" && s.r.IntN(12) == 0:
		s.tell(stream, contract.OrderCancelled{OrderID: o.id, BuyerID: o.buyer, Reason: "changed my mind", Total: o.total()})
		s.tell("stock-"+o.id, contract.StockReleased{OrderID: o.id, Lines: o.pieces()})
		done = true
	case o.status == "submitted":
		o.status = "awaiting"
		s.tell(stream, contract.OrderAwaitingValidation{OrderID: o.id, BuyerID: o.buyer, Lines: o.pieces()})
	case o.status == "awaiting":
		done = s.decideStock(o)
	case o.status == "confirmed":
		done = s.decidePayment(o)
	default:
		s.tell(stream, contract.OrderShipped{OrderID: o.id, BuyerID: o.buyer, Carrier: "DHL", TrackingNumber: "T" + o.id})
		done = true
	}
	if done {
		s.orders = slices.Delete(s.orders, i, i+1)
	}
}

func (s *Storyteller) decideStock(o *openOrder) (done bool) {
	if s.r.IntN(6) == 0 {
		missing := []contract.MissingLine{{ProductID: o.lines[0].ProductID, Requested: o.lines[0].Quantity}}
		s.tell("stock-"+o.id, contract.StockRejected{OrderID: o.id, Missing: missing})
		s.tell("order-"+o.id, contract.OrderStockRejected{OrderID: o.id, BuyerID: o.buyer, Missing: missing})
		return true
	}
	o.status = "confirmed"
	s.tell("stock-"+o.id, contract.StockConfirmed{OrderID: o.id, Lines: o.pieces()})
	s.tell("order-"+o.id, contract.OrderStockConfirmed{OrderID: o.id, BuyerID: o.buyer, Total: o.total()})
	return false
}

func (s *Storyteller) decidePayment(o *openOrder) (done bool) {
	if s.r.IntN(8) == 0 {
		s.tell("payment-"+o.id, contract.PaymentFailed{PaymentID: "pay-" + o.id, OrderID: o.id, BuyerID: o.buyer, Amount: o.total(), Method: "card", Reason: "expired"})
		s.tell("order-"+o.id, contract.OrderCancelled{OrderID: o.id, BuyerID: o.buyer, Reason: "payment failed", Total: o.total()})
		return true
	}
	o.status = "paid"
	s.tell("payment-"+o.id, contract.PaymentSucceeded{PaymentID: "pay-" + o.id, OrderID: o.id, BuyerID: o.buyer, Amount: o.total(), Method: "card"})
	s.tell("order-"+o.id, contract.OrderPaid{OrderID: o.id, BuyerID: o.buyer, PaymentID: "pay-" + o.id, Lines: o.lines, Total: o.total(), Country: "DE"})
	return false
}

// shuffle takes another order between streams, and keeps that within each.
func (s *Storyteller) shuffle() []Event {
	streams := map[string][]Event{}
	var order []string
	for _, e := range s.out {
		streams[e.Stream] = append(streams[e.Stream], e)
		order = append(order, e.Stream)
	}
	// A window keeps the shape of the story and mixes neighbours.
	const window = 40
	for i := range order {
		j := min(len(order)-1, i+s.r.IntN(window))
		order[i], order[j] = order[j], order[i]
	}
	out := make([]Event, len(order))
	for i, stream := range order {
		out[i], streams[stream] = streams[stream][0], streams[stream][1:]
	}
	s.out = nil
	return out
}
