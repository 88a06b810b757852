package shopload

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"
)

// fate is what the public has in mind for an order.
type fate int

const (
	toShip       fate = iota // shipped as soon as it is paid
	cancelEarly              // cancelled at once, within the grace period if there is one
	cancelLate               // cancelled some time later, which may be too late
	leaveAsItIs              // paid, and never shipped
	twiceShipped             // shipped, and by mistake once more, which must be refused
)

const (
	// lookFirst is when an order is looked at first, until it is known how long they take.
	lookFirst = 500 * time.Millisecond
	// lookAgain is the pause before the second look; it doubles up to lookAgainMax.
	lookAgain    = 100 * time.Millisecond
	lookAgainMax = 2 * time.Second
	// lookMax bounds what was learned.
	lookMax = 10 * time.Second
	// looksAtOnce bounds the looks between two rounds.
	looksAtOnce = 8
)

// pending is an order that has not come to rest.
type pending struct {
	id          string
	fate        fate
	began, next time.Time
	again       time.Duration // the pause before the next look; it doubles
}

func (w *worker) fate() fate {
	switch n := w.random.IntN(100); {
	case n < 12:
		return cancelEarly
	case n < 17:
		return cancelLate
	case n < 20:
		return leaveAsItIs
	case n < 21:
		return twiceShipped
	}
	return toShip
}

func (w *worker) firstLook(f fate) time.Duration {
	switch f {
	case cancelEarly:
		return 10 * time.Millisecond
	case cancelLate:
		return w.usual * 9 / 10
	}
	return w.usual
}

// look takes the orders whose time has come one step on, a bounded number of them.
func (w *worker) look(ctx context.Context, now time.Time) error {
	slices.SortFunc(w.open, func(a, b pending) int { return cmp.Compare(a.next.UnixNano(), b.next.UnixNano()) })
	var stay []pending
	looked := 0
	for i, p := range w.open {
		if p.next.After(now) || looked == looksAtOnce {
			stay = append(stay, w.open[i:]...)
			break
		}
		looked++
		rested, err := w.step(ctx, &p)
		if err != nil {
			return err
		}
		if !rested {
			p.again = min(max(2*p.again, lookAgain), lookAgainMax)
			p.next = time.Now().Add(p.again)
			stay = append(stay, p)
		}
	}
	w.open = stay
	return nil
}

// step does what the public has in mind for an order, if its state allows it yet.
func (w *worker) step(ctx context.Context, p *pending) (rested bool, err error) {
	a, err := w.send.ask(ctx, "ordering", "/orders/"+p.id)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || !a.ok() {
		return false, nil // not submitted yet, or not reachable: the next look tells
	}
	switch a.Status {
	case "submitted", "awaiting_validation", "stock_confirmed":
		if p.fate != cancelEarly && p.fate != cancelLate {
			return false, nil
		}
		return w.cancel(ctx, p.id)
	case "paid":
		w.usual = min(max(time.Since(p.began), lookAgain), lookMax)
		if p.fate == toShip || p.fate == twiceShipped {
			return w.ship(ctx, p)
		}
	}
	w.send.tally.rested(a.Status)
	return true, nil
}

func (w *worker) cancel(ctx context.Context, id string) (rested bool, err error) {
	a, err := w.send.command(ctx, request{
		service: "ordering", kind: "cancel", method: http.MethodPost, path: "/orders/" + id + "/cancel",
		body: map[string]any{"reason": "changed my mind"}, expected: []string{"illegal-transition"},
	})
	return w.came(a, err, "cancelled")
}

// came notes the state that an accepted command brought an order to.
func (w *worker) came(a answer, err error, status string) (rested bool, _ error) {
	if err != nil || !a.ok() {
		return false, err
	}
	w.send.tally.rested(status)
	return true, nil
}

func (w *worker) ship(ctx context.Context, p *pending) (rested bool, err error) {
	r := request{
		service: "ordering", kind: "ship", method: http.MethodPost, path: "/orders/" + p.id + "/ship",
		body: map[string]any{"carrier": "DHL", "trackingNumber": "T-" + p.id},
	}
	a, err := w.send.command(ctx, r)
	if err == nil && p.fate == twiceShipped {
		r.expected = []string{"illegal-transition"}
		_, err = w.send.command(ctx, r)
	}
	return w.came(a, err, "shipped")
}

// settle waits, within its bound, until every order has come to rest.
func (w *worker) settle(ctx context.Context) error {
	for until := time.Now().Add(w.config.Settle); len(w.open) > 0 && time.Now().Before(until); {
		if err := w.look(ctx, time.Now()); err != nil {
			return err
		}
		if err := pause(ctx, lookAgain/10); err != nil {
			return err
		}
	}
	return nil
}
