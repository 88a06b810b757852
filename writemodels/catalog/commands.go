package catalog

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

const (
	productsPerCommandMax = 500
	brandLengthMax        = 100
	categoryLengthMax     = 100
)

type newProduct struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Brand    string         `json:"brand"`
	Category string         `json:"category"`
	Price    contract.Money `json:"price"`
	Stock    int            `json:"stock"`
}

func (p newProduct) validate(f *command.Faults, at string) {
	f.ID(at+"id", p.ID)
	f.Text(at+"name", p.Name, command.NameLengthMax)
	f.Text(at+"brand", p.Brand, brandLengthMax)
	f.Text(at+"category", p.Category, categoryLengthMax)
	f.Money(at+"price", p.Price)
	if p.Stock < 0 || p.Stock > stockMax {
		f.Add(at+"stock", "is %d; it must be from 0 to %d", p.Stock, stockMax)
	}
}

// add puts one product on sale, or up to 500 in one transaction.
type add struct {
	newProduct
	Products []newProduct `json:"products"`

	many  bool
	known map[string]Product
	added []Product
}

func (c *add) Complete(func(string) string) {
	c.many = c.Products != nil
	if !c.many {
		c.Products = []newProduct{c.newProduct}
	}
	for i := range c.Products {
		if c.Products[i].ID == "" {
			c.Products[i].ID = uuid.Must(uuid.NewV7()).String()
		}
	}
}

func (c *add) Validate(f *command.Faults) {
	if c.many && c.newProduct != (newProduct{}) {
		f.Add("products", "stands beside the fields of a single product; send one or the other")
	}
	if n := len(c.Products); n < 1 || n > productsPerCommandMax {
		f.Add("products", "has %d products; it must have 1 to %d", n, productsPerCommandMax)
		return
	}
	seen := make(map[string]bool, len(c.Products))
	for i, p := range c.Products {
		at := ""
		if c.many {
			at = fmt.Sprintf("products[%d].", i)
		}
		p.validate(f, at)
		if seen[p.ID] {
			f.Add(at+"id", "stands there twice: %q", p.ID)
		}
		seen[p.ID] = true
	}
}

func (c *add) Load(b *pgx.Batch) {
	ids := make([]string, 0, len(c.Products))
	for _, p := range c.Products {
		ids = append(ids, p.ID)
	}
	c.known = map[string]Product{}
	queueProducts(b, ids, c.known)
}

func (c *add) Decide(time.Time) (command.Decision, error) {
	var d command.Decision
	c.added = make([]Product, 0, len(c.Products))
	for _, n := range c.Products {
		p := c.known[n.ID]
		events, err := p.Add(contract.ProductAdded{
			ProductID: n.ID, Name: n.Name, Brand: n.Brand, Category: n.Category, Price: n.Price, Stock: n.Stock,
		})
		if err != nil {
			return d, err
		}
		d.Streams = append(d.Streams, command.Stream{Name: stream(n.ID), Version: p.Version, Events: events})
		d.Answer.IDs = append(d.Answer.IDs, n.ID)
		c.added = append(c.added, p.Evolve(events...))
	}
	if !c.many {
		d.Answer = command.Answer{ID: c.Products[0].ID}
	}
	return d, nil
}

func (c *add) Save(b *pgx.Batch) { queueSaveProducts(b, c.added) }

func stream(productID string) string { return "product-" + productID }

// work is what the commands on one product have in common.
type work struct {
	productID string
	loaded    map[string]Product
	product   Product
}

func (w *work) Complete(path func(string) string) { w.productID = path("id") }
func (w *work) Validate(f *command.Faults)        { f.ID("id", w.productID) }

func (w *work) Load(b *pgx.Batch) {
	w.loaded = map[string]Product{}
	queueProducts(b, []string{w.productID}, w.loaded)
}

func (w *work) apply(decide func(Product) ([]contract.Event, error)) (command.Decision, error) {
	before := w.loaded[w.productID]
	events, err := decide(before)
	if err != nil {
		return command.Decision{}, err
	}
	w.product = before.Evolve(events...)
	return command.Decision{
		Answer:  command.Answer{ID: w.productID},
		Streams: []command.Stream{{Name: stream(w.productID), Version: before.Version, Events: events}},
	}, nil
}

func (w *work) Save(b *pgx.Batch) { queueSaveProducts(b, []Product{w.product}) }

type rename struct {
	work
	Name string `json:"name"`
}

func (c *rename) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Text("name", c.Name, command.NameLengthMax)
}

func (c *rename) Decide(time.Time) (command.Decision, error) {
	return c.apply(func(p Product) ([]contract.Event, error) { return p.Rename(c.productID, c.Name) })
}

type reprice struct {
	work
	Price contract.Money `json:"price"`
}

func (c *reprice) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Money("price", c.Price)
}

func (c *reprice) Decide(time.Time) (command.Decision, error) {
	return c.apply(func(p Product) ([]contract.Event, error) { return p.Reprice(c.productID, c.Price) })
}

type replenish struct {
	work
	Quantity int `json:"quantity"`
}

func (c *replenish) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Quantity("quantity", c.Quantity)
}

func (c *replenish) Decide(time.Time) (command.Decision, error) {
	return c.apply(func(p Product) ([]contract.Event, error) { return p.Replenish(c.productID, c.Quantity) })
}

type discontinue struct{ work }

func (c *discontinue) Decide(time.Time) (command.Decision, error) {
	return c.apply(func(p Product) ([]contract.Event, error) { return p.Discontinue(c.productID) })
}

// Mount adds the service's commands to its API.
func Mount(api *command.API) {
	command.Handle(api, command.Route{Method: "POST", Path: "/products", Kind: "add",
		Status: http.StatusCreated, BytesMax: command.BatchBytesMax}, add{})
	command.Handle(api, command.Route{Method: "PUT", Path: "/products/{id}/name", Kind: "rename"}, rename{})
	command.Handle(api, command.Route{Method: "PUT", Path: "/products/{id}/price", Kind: "reprice"}, reprice{})
	command.Handle(api, command.Route{Method: "POST", Path: "/products/{id}/replenish", Kind: "replenish"}, replenish{})
	command.Handle(api, command.Route{Method: "DELETE", Path: "/products/{id}", Kind: "discontinue"}, discontinue{})
}
