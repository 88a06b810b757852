package basket

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// work is what the commands on one basket have in common.
type work struct {
	buyerID  string
	basket   Basket
	products map[string]Product
}

func (w *work) Complete(path func(string) string) { w.buyerID = path("buyer") }
func (w *work) Validate(f *command.Faults)        { f.ID("buyer", w.buyerID) }
func (w *work) Load(b *pgx.Batch)                 { queueLoad(b, w.buyerID, &w.basket) }

func (w *work) Save(b *pgx.Batch) {
	if w.basket.Version > 0 {
		queueSave(b, w.basket)
	}
}

func (w *work) apply(events []contract.Event, err error) (command.Decision, error) {
	if err != nil {
		return command.Decision{}, err
	}
	before := w.basket.Version
	w.basket = w.basket.Evolve(events...)
	return command.Decision{
		Answer:  command.Answer{ID: w.buyerID},
		Streams: []command.Stream{{Name: "basket-" + w.buyerID, Version: before, Events: events}},
	}, nil
}

type addItems struct {
	work
	Items []Item `json:"items"`
}

func (c *addItems) Validate(f *command.Faults) {
	c.work.Validate(f)
	if n := len(c.Items); n < 1 || n > linesMax {
		f.Add("items", "has %d items; it must have 1 to %d", n, linesMax)
	}
	for i, item := range c.Items {
		at := fmt.Sprintf("items[%d].", i)
		f.ID(at+"productId", item.ProductID)
		f.Quantity(at+"quantity", item.Quantity)
	}
}

func (c *addItems) Load(b *pgx.Batch) {
	c.work.Load(b)
	ids := make([]string, 0, len(c.Items))
	for _, item := range c.Items {
		ids = append(ids, item.ProductID)
	}
	c.products = make(map[string]Product, len(ids))
	queueProducts(b, productsByIDSQL, ids, c.products)
}

func (c *addItems) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.basket.Add(c.buyerID, c.Items, c.products))
}

type setQuantity struct {
	work
	productID string
	Quantity  int `json:"quantity"`
}

func (c *setQuantity) Complete(path func(string) string) {
	c.work.Complete(path)
	c.productID = path("product")
}

func (c *setQuantity) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.ID("product", c.productID)
	f.Quantity("quantity", c.Quantity)
}

func (c *setQuantity) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.basket.SetQuantity(c.buyerID, c.productID, c.Quantity))
}

type remove struct {
	work
	productID string
}

func (c *remove) Complete(path func(string) string) {
	c.work.Complete(path)
	c.productID = path("product")
}

func (c *remove) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.ID("product", c.productID)
}

func (c *remove) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.basket.Remove(c.buyerID, c.productID))
}

type checkOut struct {
	work
	ShipTo  contract.Address       `json:"shipTo"`
	Payment contract.PaymentMethod `json:"payment"`
	orderID string
}

func (c *checkOut) Complete(path func(string) string) {
	c.work.Complete(path)
	c.orderID = uuid.Must(uuid.NewV7()).String()
}

func (c *checkOut) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Address("shipTo", c.ShipTo)
	f.Payment("payment", c.Payment)
}

func (c *checkOut) Load(b *pgx.Batch) {
	c.work.Load(b)
	c.products = map[string]Product{}
	queueProducts(b, productsOfSQL, c.buyerID, c.products)
}

func (c *checkOut) Decide(time.Time) (command.Decision, error) {
	d, err := c.apply(c.basket.CheckOut(c.buyerID, c.orderID, c.ShipTo, c.Payment, c.products))
	if err == nil {
		d.Answer.OrderID = c.orderID
		d.Streams[0].PersonID = c.buyerID // the address is theirs
	}
	return d, err
}

// Mount adds the service's commands to its API.
func Mount(api *command.API, x *command.Executor) {
	command.Handle(api, command.Route{Method: "POST", Path: "/baskets/{buyer}/items", Kind: "add"}, addItems{})
	command.Handle(api, command.Route{Method: "PUT", Path: "/baskets/{buyer}/items/{product}", Kind: "set_quantity"}, setQuantity{})
	command.Handle(api, command.Route{Method: "DELETE", Path: "/baskets/{buyer}/items/{product}", Kind: "remove"}, remove{})
	command.Handle(api, command.Route{Method: "POST", Path: "/baskets/{buyer}/checkout", Kind: "check_out", Status: http.StatusCreated}, checkOut{})
	api.Read("/baskets/{buyer}", func(ctx context.Context, r *http.Request) (any, error) {
		return look(ctx, x.Pool(), r.PathValue("buyer"))
	})
}

// view is the basket as its buyer sees it.
type view struct {
	BuyerID string     `json:"buyerId"`
	Lines   []viewLine `json:"lines"`
}

type viewLine struct {
	ProductID  string         `json:"productId"`
	Name       string         `json:"name"`
	Quantity   int            `json:"quantity"`
	UnitPrice  contract.Money `json:"unitPrice"`
	AddedPrice contract.Money `json:"addedPrice"`
	// Discontinued lines keep the basket from being checked out.
	Discontinued bool   `json:"discontinued,omitempty"`
	Warning      string `json:"warning,omitempty"`
}

func look(ctx context.Context, pool *pgxpool.Pool, buyerID string) (view, error) {
	var faults command.Faults
	if faults.ID("buyer", buyerID); faults.Refusal() != nil {
		return view{}, faults.Refusal()
	}
	lines, err := linesOf(ctx, pool, buyerID)
	if err != nil {
		return view{}, err
	}
	v := view{BuyerID: buyerID, Lines: []viewLine{}}
	for _, s := range lines {
		v.Lines = append(v.Lines, viewLine{
			ProductID: s.product.ID, Name: s.product.Name, Quantity: s.line.Quantity,
			UnitPrice: s.product.Price, AddedPrice: s.line.AddedPrice,
			Discontinued: s.product.Discontinued, Warning: warning(s.line, s.product),
		})
	}
	return v, nil
}

// warning says what changed since the line was added.
func warning(l Line, p Product) string {
	switch {
	case p.Discontinued:
		return "this product was discontinued since it was added"
	case p.Price != l.AddedPrice:
		return fmt.Sprintf("the price changed since it was added: it was %s", written(l.AddedPrice))
	}
	return ""
}

func written(m contract.Money) string {
	return fmt.Sprintf("%d.%02d %s", m.Amount/100, m.Amount%100, m.Currency)
}
