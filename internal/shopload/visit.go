package shopload

import (
	"context"
	"net/http"
	"time"
)

const (
	linesMin = 4
	linesMax = 10
)

// shop is one visit: fill the basket, change one's mind a little, check out.
func (w *worker) shop(ctx context.Context) error {
	buyer := w.buyer()
	at := "/baskets/" + buyer
	items := w.items()
	a, err := w.send.command(ctx, request{
		service: "basket", kind: "add", method: http.MethodPost, path: at + "/items",
		body: map[string]any{"items": items}, key: w.key(), expected: gone(),
	})
	if err != nil || !a.ok() {
		return err
	}
	if err := w.reconsider(ctx, at, items); err != nil {
		return err
	}
	return w.checkOut(ctx, at, true)
}

// items are different products; the first few of a hundred visits hold a scarce one.
func (w *worker) items() []item {
	n := linesMin + w.random.IntN(linesMax-linesMin+1)
	items := make([]item, 0, n)
	first, step := w.random.IntN(w.config.Products), 1+w.random.IntN(w.config.Products/linesMax)
	for i := range n {
		at := (first + i*step) % w.config.Products
		switch {
		case isScarce(at) && !w.chance(20):
			at-- // rare, or nearly every order would be refused
		case isForBin(at) && w.chance(50):
			at++
		}
		items = append(items, item{ProductID: productID(at % w.config.Products), Quantity: 1 + w.random.IntN(4)})
	}
	return items
}

// reconsider changes a quantity, or takes something out, sometimes.
func (w *worker) reconsider(ctx context.Context, at string, items []item) error {
	if w.chance(35) {
		if _, err := w.send.command(ctx, request{
			service: "basket", kind: "set_quantity", method: http.MethodPut, path: at + "/items/" + pick(w.random, items).ProductID,
			body: map[string]any{"quantity": 1 + w.random.IntN(6)},
		}); err != nil {
			return err
		}
	}
	if !w.chance(25) {
		return nil
	}
	_, err := w.send.command(ctx, request{
		service: "basket", kind: "remove", method: http.MethodDelete, path: at + "/items/" + pick(w.random, items).ProductID,
	})
	return err
}

// checkOut makes an order of the basket. Should a product have been discontinued
// meanwhile, it is taken out and the checkout tried once more.
func (w *worker) checkOut(ctx context.Context, at string, again bool) error {
	fate := w.fate()
	body := map[string]any{"shipTo": addressOf(w.random), "payment": way(w.random)}
	r := request{
		service: "basket", kind: "check_out", method: http.MethodPost, path: at + "/checkout",
		body: body, key: w.key(), expected: gone(),
	}
	a, err := w.send.command(ctx, r)
	switch {
	case err != nil:
		return err
	case a.ok():
		w.open = append(w.open, pending{id: a.OrderID, fate: fate, began: time.Now(), next: time.Now().Add(w.firstLook(fate))})
		return w.sendTwice(ctx, r, a)
	case a.code == "discontinued" && again:
		if err := w.takeOutDiscontinued(ctx, at); err != nil {
			return err
		}
		return w.checkOut(ctx, at, false)
	}
	return nil
}

// sendTwice repeats one of fifty checkouts, as a client does that got no answer: the
// shop must give the same one.
func (w *worker) sendTwice(ctx context.Context, r request, first answer) error {
	if !w.chance(2) {
		return nil
	}
	r.kind = "check_out again"
	second, err := w.send.command(ctx, r)
	if err == nil && second.OrderID != first.OrderID {
		w.send.tally.unexpected(r.service, r.kind, "other-answer", second.OrderID+" after "+first.OrderID)
	}
	return err
}

func (w *worker) takeOutDiscontinued(ctx context.Context, at string) error {
	a, err := w.send.ask(ctx, "basket", at)
	if err != nil {
		return ctx.Err() // what else can be wrong, the next command meets too
	}
	for _, l := range a.Lines {
		if !l.Discontinued {
			continue
		}
		if _, err := w.send.command(ctx, request{
			service: "basket", kind: "remove", method: http.MethodDelete, path: at + "/items/" + l.ProductID,
		}); err != nil {
			return err
		}
	}
	return nil
}
