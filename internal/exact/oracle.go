package exact

import (
	"cmp"
	"slices"
	"time"

	"github.com/readside/readside/writemodels/contract"
)

// Order is an order as its screen should show it.
type Order struct {
	ID            string                 `db:"id"`
	BuyerID       string                 `db:"buyer_id"`
	BuyerName     string                 `db:"buyer_name"`
	Status        string                 `db:"status"`
	Lines         []OrderLine            `db:"lines"`
	TotalMinor    int64                  `db:"total_minor"`
	Currency      string                 `db:"currency"`
	ShipTo        contract.Address       `db:"ship_to"`
	Timeline      []Milestone            `db:"timeline"`
	Missing       []contract.MissingLine `db:"missing"`
	CancelReason  string                 `db:"cancel_reason"`
	PaymentID     string                 `db:"payment_id"`
	PaymentMethod string                 `db:"payment_method"`
	PaymentError  string                 `db:"payment_error"`
	Carrier       string                 `db:"carrier"`
	Tracking      string                 `db:"tracking_number"`
	SubmittedAt   time.Time              `db:"submitted_at"`
}

// OrderLine is a line with the product's name of now and its price of then.
type OrderLine struct {
	ProductID      string `json:"productId"`
	ProductName    string `json:"productName"`
	Quantity       int    `json:"quantity"`
	UnitPriceMinor int64  `json:"unitPriceMinor"`
}

// Milestone is when an order came into a state.
type Milestone struct {
	Status string    `json:"status"`
	At     time.Time `json:"at"`
}

// Basket is a basket as its screen should show it.
type Basket struct {
	BuyerID   string           `db:"buyer_id"`
	BuyerName string           `db:"buyer_name"`
	Pieces    int64            `db:"pieces"`
	Lines     []BasketLine     `db:"lines"`
	Totals    []contract.Money `db:"totals"`
	Warnings  int64            `db:"warnings"`
	ChangedAt time.Time        `db:"changed_at"`
}

// BasketLine is a product in a basket, at the price of now.
type BasketLine struct {
	ProductID   string         `json:"productId"`
	ProductName string         `json:"productName"`
	Quantity    int            `json:"quantity"`
	UnitPrice   contract.Money `json:"unitPrice"`
	AddedPrice  contract.Money `json:"addedPrice"`
	Warning     string         `json:"warning"`
}

// Account is a customer's home screen.
type Account struct {
	CustomerID    string           `db:"customer_id"`
	Name          string           `db:"name"`
	Email         string           `db:"email"`
	City          string           `db:"city"`
	Country       string           `db:"country"`
	RegisteredAt  time.Time        `db:"registered_at"`
	BasketPieces  int64            `db:"basket_pieces"`
	OrderCount    int64            `db:"order_count"`
	LatestOrders  []OrderBrief     `db:"latest_orders"`
	LifetimeValue []contract.Money `db:"lifetime_value"`
}

// OrderBrief is an order in one line.
type OrderBrief struct {
	OrderID     string         `json:"orderId"`
	Status      string         `json:"status"`
	Total       contract.Money `json:"total"`
	SubmittedAt time.Time      `json:"submittedAt"`
}

// Screens are what the views should hold after a story, by key.
type Screens struct {
	Orders   map[string]*Order
	Baskets  map[string]*Basket
	Accounts map[string]*Account
}

// world is the plain state of the whole shop. Screens are drawn from it at the end,
// so nothing here depends on which stream's event came first.
type world struct {
	customers map[string]*Account
	products  map[string]*product
	baskets   map[string]*basket
	orders    map[string]*Order
	submitted []*Order
	wanted    map[string][]contract.OrderLine
	payments  map[string]payment
	// pieces are what accounts know of baskets, by buyer and product; paid is what each
	// buyer has paid, by currency.
	pieces map[string]map[string]int
	paid   map[string]map[string]int64
}

type product struct {
	name  string
	price contract.Money
	gone  bool
	known bool
}

type basket struct {
	items   []BasketLine
	changed time.Time
	born    bool
}

type payment struct{ id, method, failure string }

// Expect returns what the screens should show after the events.
func Expect(events []Event) Screens {
	w := &world{
		customers: map[string]*Account{}, products: map[string]*product{}, baskets: map[string]*basket{},
		orders: map[string]*Order{}, wanted: map[string][]contract.OrderLine{}, payments: map[string]payment{},
		pieces: map[string]map[string]int{}, paid: map[string]map[string]int64{},
	}
	for _, e := range events {
		w.identity(e)
		w.catalog(e)
		w.basket(e)
		w.count(e)
		w.ordering(e)
		w.payment(e)
	}
	return Screens{Orders: w.orderScreens(), Baskets: w.basketScreens(), Accounts: w.accountScreens()}
}

func (w *world) identity(e Event) {
	switch d := e.Data.(type) {
	case contract.CustomerRegistered:
		w.customers[d.CustomerID] = &Account{CustomerID: d.CustomerID, Name: d.Name, Email: d.Email,
			City: d.Address.City, Country: d.Address.Country, RegisteredAt: e.Time}
	case contract.CustomerRenamed:
		if a := w.customers[d.CustomerID]; a != nil {
			a.Name = d.Name
		}
	case contract.CustomerAddressChanged:
		if a := w.customers[d.CustomerID]; a != nil {
			a.City, a.Country = d.Address.City, d.Address.Country
		}
	}
}

func (w *world) catalog(e Event) {
	get := func(id string) *product {
		if w.products[id] == nil {
			w.products[id] = &product{}
		}
		return w.products[id]
	}
	switch d := e.Data.(type) {
	case contract.ProductAdded:
		p := get(d.ProductID)
		p.name, p.price, p.known = d.Name, d.Price, true
	case contract.ProductRenamed:
		get(d.ProductID).name = d.Name
	case contract.ProductPriceChanged:
		get(d.ProductID).price = d.New
	case contract.ProductDiscontinued:
		get(d.ProductID).gone = true
	}
}

func (w *world) basket(e Event) {
	get := func(id string) *basket {
		if w.baskets[id] == nil {
			w.baskets[id] = &basket{}
		}
		w.baskets[id].changed = e.Time
		return w.baskets[id]
	}
	at := func(b *basket, id string) int {
		return slices.IndexFunc(b.items, func(l BasketLine) bool { return l.ProductID == id })
	}
	switch d := e.Data.(type) {
	case contract.BasketItemAdded:
		b := get(d.BuyerID)
		b.born = true
		if i := at(b, d.ProductID); i >= 0 {
			b.items[i].Quantity += d.Quantity
			b.items[i].AddedPrice = d.UnitPrice
		} else {
			b.items = append(b.items, BasketLine{ProductID: d.ProductID, Quantity: d.Quantity, AddedPrice: d.UnitPrice})
		}
	case contract.BasketQuantityChanged:
		b := get(d.BuyerID)
		if i := at(b, d.ProductID); i >= 0 {
			b.items[i].Quantity = d.Quantity
		}
	case contract.BasketItemRemoved:
		b := get(d.BuyerID)
		if i := at(b, d.ProductID); i >= 0 {
			b.items = slices.Delete(b.items, i, i+1)
		}
	case contract.BasketCheckedOut:
		get(d.BuyerID).items = nil
	}
}

// count keeps how many pieces accounts say are in a basket. A quantity that is set counts
// without the event that put the product there.
func (w *world) count(e Event) {
	of := func(buyer string) map[string]int {
		if w.pieces[buyer] == nil {
			w.pieces[buyer] = map[string]int{}
		}
		return w.pieces[buyer]
	}
	switch d := e.Data.(type) {
	case contract.BasketItemAdded:
		of(d.BuyerID)[d.ProductID] += d.Quantity
	case contract.BasketQuantityChanged:
		of(d.BuyerID)[d.ProductID] = d.Quantity
	case contract.BasketItemRemoved:
		delete(of(d.BuyerID), d.ProductID)
	case contract.BasketCheckedOut:
		delete(w.pieces, d.BuyerID)
	}
}

func (w *world) ordering(e Event) {
	reach := func(id, status string) *Order {
		o := w.orders[id]
		if o == nil {
			return &Order{} // nobody submitted it, as far as is known
		}
		o.Status = status
		o.Timeline = append(o.Timeline, Milestone{status, e.Time})
		return o
	}
	switch d := e.Data.(type) {
	case contract.OrderSubmitted:
		w.orders[d.OrderID] = &Order{ID: d.OrderID, BuyerID: d.BuyerID, ShipTo: d.ShipTo, SubmittedAt: e.Time,
			TotalMinor: d.Total.Amount, Currency: d.Total.Currency}
		w.wanted[d.OrderID] = d.Lines
		w.submitted = append(w.submitted, w.orders[d.OrderID])
		reach(d.OrderID, "submitted")
	case contract.OrderAwaitingValidation:
		reach(d.OrderID, "awaiting_validation")
	case contract.OrderStockConfirmed:
		reach(d.OrderID, "stock_confirmed")
	case contract.OrderStockRejected:
		reach(d.OrderID, "stock_rejected").Missing = d.Missing
	case contract.OrderPaid:
		reach(d.OrderID, "paid")
		if w.paid[d.BuyerID] == nil {
			w.paid[d.BuyerID] = map[string]int64{}
		}
		w.paid[d.BuyerID][d.Total.Currency] += d.Total.Amount
	case contract.OrderShipped:
		o := reach(d.OrderID, "shipped")
		o.Carrier, o.Tracking = d.Carrier, d.TrackingNumber
	case contract.OrderCancelled:
		reach(d.OrderID, "cancelled").CancelReason = d.Reason
	}
}

func (w *world) payment(e Event) {
	switch d := e.Data.(type) {
	case contract.PaymentSucceeded:
		w.payments[d.OrderID] = payment{d.PaymentID, d.Method, ""}
	case contract.PaymentFailed:
		w.payments[d.OrderID] = payment{d.PaymentID, d.Method, d.Reason}
	}
}

func (w *world) nameOf(customer string) string {
	if a := w.customers[customer]; a != nil {
		return a.Name
	}
	return ""
}

func (w *world) orderScreens() map[string]*Order {
	for id, o := range w.orders {
		o.BuyerName = w.nameOf(o.BuyerID)
		p := w.payments[id]
		o.PaymentID, o.PaymentMethod, o.PaymentError = p.id, p.method, p.failure
		for _, l := range w.wanted[id] {
			line := OrderLine{ProductID: l.ProductID, Quantity: l.Quantity, UnitPriceMinor: l.UnitPrice.Amount}
			if p := w.products[l.ProductID]; p != nil && p.known {
				line.ProductName = p.name
			}
			o.Lines = append(o.Lines, line)
		}
	}
	return w.orders
}

func (w *world) basketScreens() map[string]*Basket {
	out := map[string]*Basket{}
	for buyer, b := range w.baskets {
		if !b.born {
			continue
		}
		screen := &Basket{BuyerID: buyer, BuyerName: w.nameOf(buyer), ChangedAt: b.changed}
		sums := map[string]int64{}
		for _, l := range b.items {
			l.UnitPrice = l.AddedPrice
			if p := w.products[l.ProductID]; p != nil && p.known {
				l.ProductName, l.UnitPrice = p.name, p.price
				if p.gone {
					l.Warning = "no longer on sale"
				} else if p.price != l.AddedPrice {
					l.Warning = "price changed since it was added"
				}
			}
			if l.Warning != "" {
				screen.Warnings++
			}
			screen.Pieces += int64(l.Quantity)
			sums[l.UnitPrice.Currency] += l.UnitPrice.Amount * int64(l.Quantity)
			screen.Lines = append(screen.Lines, l)
		}
		screen.Totals = sorted(sums)
		out[buyer] = screen
	}
	return out
}

func (w *world) accountScreens() map[string]*Account {
	for id, a := range w.customers {
		for _, pieces := range w.pieces[id] {
			a.BasketPieces += int64(pieces)
		}
		var briefs []OrderBrief
		for _, o := range w.submitted {
			if o.BuyerID != id {
				continue
			}
			a.OrderCount++
			total := contract.Money{Amount: o.TotalMinor, Currency: o.Currency}
			briefs = append(briefs, OrderBrief{o.ID, o.Status, total, o.SubmittedAt})
		}
		slices.SortFunc(briefs, func(x, y OrderBrief) int {
			return cmp.Or(y.SubmittedAt.Compare(x.SubmittedAt), cmp.Compare(x.OrderID, y.OrderID))
		})
		a.LatestOrders = briefs[:min(len(briefs), 5)]
		a.LifetimeValue = sorted(w.paid[id])
	}
	return w.customers
}

func sorted(sums map[string]int64) []contract.Money {
	var out []contract.Money
	for currency, amount := range sums {
		out = append(out, contract.Money{Amount: amount, Currency: currency})
	}
	slices.SortFunc(out, func(a, b contract.Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return out
}
