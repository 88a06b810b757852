package catalog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Reactions are what the catalog does about other services' events.
func Reactions(x *command.Executor) []reaction.Handler {
	return []reaction.Handler{
		reaction.On(func(ctx context.Context, _ pgx.Tx, e contract.OrderAwaitingValidation, ev eventlog.Event) error {
			return x.Within(ctx, ev, &takeStock{order: e})
		}),
		reaction.On(func(ctx context.Context, _ pgx.Tx, e contract.OrderCancelled, ev eventlog.Event) error {
			return x.Within(ctx, ev, &giveBack{orderID: e.OrderID})
		}),
	}
}

// takeStock answers an order's question for its pieces.
type takeStock struct {
	order    contract.OrderAwaitingValidation
	taking   Taking
	products map[string]Product
	change   map[string]int
}

// Touches the order's taking and every product's stock. Pieces that a cancellation of
// the same moment releases are not counted yet: nothing is ever sold twice.
func (w *takeStock) Touches() []string {
	touches := []string{"taking " + w.order.OrderID}
	for _, l := range w.order.Lines {
		touches = append(touches, "product "+l.ProductID)
	}
	return touches
}

func (w *takeStock) Load(b *pgx.Batch) {
	w.products = make(map[string]Product, len(w.order.Lines))
	ids := make([]string, 0, len(w.order.Lines))
	for _, l := range w.order.Lines {
		ids = append(ids, l.ProductID)
	}
	queueTaking(b, w.order.OrderID, &w.taking)
	queueProducts(b, ids, w.products)
}

func (w *takeStock) Decide(time.Time) (command.Decision, error) {
	available := make(map[string]int, len(w.products))
	for id, p := range w.products {
		available[id] = p.Stock
	}
	events := w.taking.Ask(w.order.OrderID, w.order.Lines, available)
	before := w.taking.Version
	w.taking, w.change = w.taking.Evolve(events...), change(events)
	return takingDecision(w.order.OrderID, before, events), nil
}

func (w *takeStock) Save(b *pgx.Batch) {
	queueMoveStock(b, w.change)
	queueSaveTaking(b, w.taking)
}

// giveBack puts a cancelled order's pieces back, or sees to it that none are taken.
type giveBack struct {
	orderID string
	taking  Taking
	change  map[string]int
}

func (w *giveBack) Touches() []string { return []string{"taking " + w.orderID} }

func (w *giveBack) Load(b *pgx.Batch) { queueTaking(b, w.orderID, &w.taking) }

func (w *giveBack) Decide(time.Time) (command.Decision, error) {
	events := w.taking.Cancel(w.orderID)
	before := w.taking.Version
	w.taking, w.change = w.taking.Evolve(events...).Bar(w.orderID), change(events)
	return takingDecision(w.orderID, before, events), nil
}

func (w *giveBack) Save(b *pgx.Batch) {
	queueMoveStock(b, w.change)
	queueSaveTaking(b, w.taking)
}

func takingDecision(orderID string, before int64, events []contract.Event) command.Decision {
	return command.Decision{Streams: []command.Stream{{Name: "stock-" + orderID, Version: before, Events: events}}}
}
