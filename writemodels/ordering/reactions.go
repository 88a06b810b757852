package ordering

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Reactions are what ordering does about other services' events. grace is the buyer's
// time to think again.
func Reactions(x *command.Executor, grace time.Duration) []reaction.Handler {
	return []reaction.Handler{
		reaction.On(func(ctx context.Context, _ pgx.Tx, e contract.BasketCheckedOut, ev eventlog.Event) error {
			return x.Within(ctx, ev, &submit{work: work{orderID: e.OrderID}, basket: e, grace: grace, cause: ev})
		}),
		on(x, func(e contract.StockConfirmed) (string, step) {
			return e.OrderID, Order.ConfirmStock
		}),
		on(x, func(e contract.StockRejected) (string, step) {
			return e.OrderID, func(o Order) []contract.Event { return o.RejectStock(e.Missing) }
		}),
		on(x, func(e contract.PaymentSucceeded) (string, step) {
			return e.OrderID, func(o Order) []contract.Event { return o.Pay(e.PaymentID) }
		}),
		on(x, func(e contract.PaymentFailed) (string, step) {
			return e.OrderID, func(o Order) []contract.Event { return o.FailPayment(e.Reason) }
		}),
	}
}

// step is what an order that exists makes of another service's event. What comes too
// late changes nothing.
type step func(Order) []contract.Event

// on is a reaction that takes one order one step on.
func on[E eventlog.Typed](x *command.Executor, of func(E) (orderID string, s step)) reaction.Handler {
	return reaction.On(func(ctx context.Context, _ pgx.Tx, e E, ev eventlog.Event) error {
		orderID, s := of(e)
		return x.Within(ctx, ev, &react{work: work{orderID: orderID}, step: s, to: ev.Type})
	})
}

type react struct {
	work
	step step
	to   string
}

func (w *react) Decide(time.Time) (command.Decision, error) {
	if !w.order.exists() {
		return command.Decision{}, fmt.Errorf("ordering: %s is about order %q, which was never submitted", w.to, w.orderID)
	}
	return w.apply(w.step(w.order), nil)
}

// submit makes an order of a basket.
type submit struct {
	work
	basket contract.BasketCheckedOut
	grace  time.Duration
	cause  eventlog.Event
	fresh  bool
}

func (w *submit) Decide(now time.Time) (command.Decision, error) {
	events, err := w.order.Submit(w.basket)
	if err != nil {
		return command.Decision{}, err
	}
	w.fresh = len(events) > 0
	d, err := w.apply(events, nil)
	if w.fresh {
		w.order.GraceUntil, w.order.Cause = now.Add(w.grace), command.Cause{
			CorrelationID: w.cause.CorrelationID, CausationID: w.cause.ID, TraceParent: w.cause.TraceParent,
		}
		d.Streams[0].PersonID = w.order.BuyerID
	}
	return d, err
}

func (w *submit) Save(b *pgx.Batch) {
	if w.fresh {
		queueInsert(b, w.order)
	}
}
