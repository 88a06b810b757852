package ordering

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

const (
	reasonLengthMax   = 500
	carrierLengthMax  = 100
	trackingLengthMax = 100
)

// work is what commands and reactions on one order have in common.
type work struct {
	orderID string
	order   Order
}

func (w *work) Complete(path func(string) string) { w.orderID = path("id") }
func (w *work) Validate(f *command.Faults)        { f.ID("id", w.orderID) }
func (w *work) Load(b *pgx.Batch)                 { queueLoad(b, w.orderID, &w.order) }
func (w *work) Touches() []string                 { return []string{w.orderID} }
func (w *work) Save(b *pgx.Batch)                 { queueUpdate(b, w.order) }

func (w *work) apply(events []contract.Event, err error) (command.Decision, error) {
	if err != nil {
		return command.Decision{}, err
	}
	before := w.order.Version
	w.order = w.order.Evolve(events...)
	return decision(w.orderID, before, events), nil
}

func decision(orderID string, before int64, events []contract.Event) command.Decision {
	return command.Decision{
		Answer:  command.Answer{ID: orderID},
		Streams: []command.Stream{{Name: "order-" + orderID, Version: before, Events: events}},
	}
}

type ship struct {
	work
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

func (c *ship) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Text("carrier", c.Carrier, carrierLengthMax)
	f.Text("trackingNumber", c.TrackingNumber, trackingLengthMax)
}

func (c *ship) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.order.Ship(c.orderID, c.Carrier, c.TrackingNumber))
}

type cancel struct {
	work
	Reason string `json:"reason"`
}

func (c *cancel) Validate(f *command.Faults) {
	c.work.Validate(f)
	f.Text("reason", c.Reason, reasonLengthMax)
}

func (c *cancel) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.order.Cancel(c.orderID, c.Reason))
}

// Mount adds the service's commands to its API.
func Mount(api *command.API, x *command.Executor) {
	command.Handle(api, command.Route{Method: "POST", Path: "/orders/{id}/ship", Kind: "ship"}, ship{})
	command.Handle(api, command.Route{Method: "POST", Path: "/orders/{id}/cancel", Kind: "cancel"}, cancel{})
	api.Read("/orders/{id}", func(ctx context.Context, r *http.Request) (any, error) {
		return look(ctx, x.Pool(), r.PathValue("id"))
	})
}

// state is what the service tells about an order: for screens there is the query API.
type state struct {
	ID      string `json:"id"`
	Status  Status `json:"status"`
	Version int64  `json:"version"`
}

func look(ctx context.Context, pool *pgxpool.Pool, id string) (state, error) {
	var s state
	var faults command.Faults
	if faults.ID("id", id); faults.Refusal() != nil {
		return s, faults.Refusal()
	}
	err := pool.QueryRow(ctx, `select id, status, version from shop_ordering.orders where id = $1`, id).Scan(&s.ID, &s.Status, &s.Version)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s, command.NotFound("order", id)
	case err != nil:
		return s, fmt.Errorf("ordering: read order %q: %w", id, err)
	}
	return s, nil
}
