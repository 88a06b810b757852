package shopload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// knownWait bounds the wait until the basket service has heard of the products.
const knownWait = 30 * time.Second

// Run fills the shop, buys and keeps shop for the configured time or rounds, and then
// waits, within bounds, until every order has come to rest. Failures of single
// commands are counted, not returned; the error is of the context or the configuration,
// or that the shop could not be filled.
func Run(ctx context.Context, c Config, observer Observer) (Report, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return Report{}, fmt.Errorf("shopload: %w", err)
	}
	began := time.Now()
	t := newTally(observer)
	send := &client{http: c.Client, base: c.BaseURL, tally: t}
	if c.CommandsPerSecond > 0 {
		send.limiter = rate.NewLimiter(rate.Limit(c.CommandsPerSecond), c.Workers)
	}
	workers := newWorkers(c, send)
	err := fill(ctx, c, send)
	if err == nil {
		err = together(workers, func(w *worker) error { return w.register(ctx) })
	}
	if err == nil {
		until := time.Time{}
		if c.Duration > 0 {
			until = began.Add(c.Duration)
		}
		err = together(workers, func(w *worker) error { return w.work(ctx, until) })
	}
	for _, w := range workers {
		t.report.Unsettled += int64(len(w.open))
	}
	t.report.Elapsed = time.Since(began)
	return t.report, err
}

// fill puts the products on sale and waits until they can be bought.
func fill(ctx context.Context, c Config, send *client) error {
	r := rand.New(rand.NewPCG(c.Seed, 0))
	for first := 0; first < c.Products; first += productsAtOne {
		var batch []product
		for n := first; n < min(first+productsAtOne, c.Products); n++ {
			batch = append(batch, newProduct(r, n))
		}
		a, err := send.command(ctx, request{
			service: "catalog", kind: "add", method: http.MethodPost, path: "/products",
			body: map[string]any{"products": batch}, key: fmt.Sprintf("%d-products-%d", c.Seed, first),
		})
		if err != nil {
			return err
		}
		if !a.ok() {
			return fmt.Errorf("shopload: the shop does not take products (%s): %s", a.code, send.tally.report.FirstUnexpected)
		}
	}
	return untilKnown(ctx, send, productID(c.Products-1))
}

// untilKnown puts the newest product into a basket, until that is taken.
func untilKnown(ctx context.Context, send *client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, knownWait)
	defer cancel()
	for {
		a, err := send.command(ctx, request{
			service: "basket", kind: "add", method: http.MethodPost, path: "/baskets/taster/items",
			body: map[string]any{"items": []item{{id, 1}}}, expected: []string{"unknown-product"},
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("shopload: after %s the basket service does not know product %s: does it react to the catalog's events?", knownWait, id)
		case err != nil || a.ok():
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			continue // the next command says which end it was
		}
	}
}

// together lets all workers do the same at the same time.
func together(workers []*worker, do func(*worker) error) error {
	var group errgroup.Group
	for _, w := range workers {
		group.Go(func() error { return do(w) })
	}
	return group.Wait()
}

// pause waits, or answers the context's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
