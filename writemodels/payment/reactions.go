package payment

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Reactions are what payment does about other services' events.
func Reactions(x *command.Executor, limits Limits) []reaction.Handler {
	return []reaction.Handler{
		reaction.On(func(ctx context.Context, _ pgx.Tx, e contract.OrderStockConfirmed, ev eventlog.Event) error {
			return x.Within(ctx, ev, &work{orderID: e.OrderID, decide: func(p Payment) (Payment, []contract.Event) {
				events := p.Take(e, limits, ev.Time)
				return p.Evolve(events...), events
			}})
		}),
		reaction.On(func(ctx context.Context, _ pgx.Tx, e contract.OrderCancelled, ev eventlog.Event) error {
			return x.Within(ctx, ev, &work{orderID: e.OrderID, decide: func(p Payment) (Payment, []contract.Event) {
				events := p.Cancel()
				return p.Evolve(events...).Bar(e.OrderID), events
			}})
		}),
	}
}

// work is one step of one order's payment.
type work struct {
	orderID string
	decide  func(Payment) (Payment, []contract.Event)
	payment Payment
}

func (w *work) Touches() []string { return []string{w.orderID} }

func (w *work) Load(b *pgx.Batch) { queueLoad(b, w.orderID, &w.payment) }

func (w *work) Decide(time.Time) (command.Decision, error) {
	before := w.payment.Version
	var events []contract.Event
	w.payment, events = w.decide(w.payment)
	return command.Decision{Streams: []command.Stream{{Name: "payment-" + w.orderID, Version: before, Events: events}}}, nil
}

func (w *work) Save(b *pgx.Batch) { queueSave(b, w.payment) }
