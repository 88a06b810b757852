package shopload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// worker is some of the buyers, and now and then a keeper of the shop. Buyers belong to
// one worker, so what happens in a basket follows from the seed.
type worker struct {
	config Config
	send   *client
	random *rand.Rand
	number int
	buyers []int
	rounds int
	keys   int
	open   []pending
	// usual is how long the last order took until it was paid: the next is looked at then.
	usual time.Duration
}

func newWorkers(c Config, send *client) []*worker {
	workers := make([]*worker, c.Workers)
	for i := range workers {
		workers[i] = &worker{
			config: c, send: send, random: rand.New(rand.NewPCG(c.Seed, uint64(i)+1)), number: i, usual: lookFirst,
		}
		for n := i; n < c.Customers; n += c.Workers {
			workers[i].buyers = append(workers[i].buyers, n)
		}
	}
	return workers
}

// key is an idempotency key that no other command of this seed has.
func (w *worker) key() string {
	w.keys++
	return fmt.Sprintf("%d-%d-%d", w.config.Seed, w.number, w.keys)
}

// chance is true in so many of a hundred cases.
func (w *worker) chance(percent int) bool { return w.random.IntN(100) < percent }

func (w *worker) buyer() string { return customerID(pick(w.random, w.buyers)) }

// register opens the accounts of the worker's buyers.
func (w *worker) register(ctx context.Context) error {
	for _, n := range w.buyers {
		if _, err := w.send.command(ctx, request{
			service: "identity", kind: "register", method: http.MethodPost, path: "/customers",
			body: newCustomer(w.random, n), key: w.key(),
		}); err != nil {
			return err
		}
	}
	return nil
}

// work goes round until the time is up, and then brings its orders to rest.
func (w *worker) work(ctx context.Context, until time.Time) error {
	for !w.done(until) {
		if err := w.look(ctx, time.Now()); err != nil {
			return err
		}
		if len(w.open) >= w.config.OrdersOpenMax/w.config.Workers {
			if err := pause(ctx, lookAgain); err != nil {
				return err
			}
			continue
		}
		if err := w.round(ctx); err != nil {
			return err
		}
		w.rounds++
	}
	return w.settle(ctx)
}

func (w *worker) done(until time.Time) bool {
	return (w.config.Rounds > 0 && w.rounds >= w.config.Rounds) || (!until.IsZero() && !time.Now().Before(until))
}

// round is one buyer's visit, and what else happens in a shop meanwhile.
func (w *worker) round(ctx context.Context) error {
	steps := []struct {
		percent int
		do      func(context.Context) error
	}{
		{100, w.shop}, {20, w.rename}, {10, w.move},
		{20, w.reprice}, {6, w.renameProduct}, {8, w.replenish}, {1, w.discontinue},
	}
	for _, step := range steps {
		if !w.chance(step.percent) {
			continue
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) rename(ctx context.Context) error {
	_, err := w.send.command(ctx, request{
		service: "identity", kind: "rename", method: http.MethodPatch, path: "/customers/" + w.buyer() + "/name",
		body: map[string]any{"name": fmt.Sprintf("%s-%d", personName(w.random), w.random.IntN(1000))},
	})
	return err
}

func (w *worker) move(ctx context.Context) error {
	_, err := w.send.command(ctx, request{
		service: "identity", kind: "move", method: http.MethodPut, path: "/customers/" + w.buyer() + "/address",
		body: map[string]any{"address": addressOf(w.random)},
	})
	return err
}

// gone are the refusals that a discontinued product brings.
func gone() []string { return []string{"discontinued"} }

func (w *worker) reprice(ctx context.Context) error {
	return w.keep(ctx, "reprice", http.MethodPut, "/price", map[string]any{"price": price(w.random)})
}

func (w *worker) renameProduct(ctx context.Context) error {
	return w.keep(ctx, "rename", http.MethodPut, "/name", map[string]any{"name": productName(w.random)})
}

func (w *worker) replenish(ctx context.Context) error {
	return w.keep(ctx, "replenish", http.MethodPost, "/replenish", map[string]any{"quantity": 1 + w.random.IntN(500)})
}

func (w *worker) discontinue(ctx context.Context) error {
	n := w.random.IntN(w.config.Products/binEvery)*binEvery + 2
	_, err := w.send.command(ctx, request{
		service: "catalog", kind: "discontinue", method: http.MethodDelete, path: "/products/" + productID(n),
	})
	return err
}

// keep changes a product that is not scarce: those stay as few as they are.
func (w *worker) keep(ctx context.Context, kind, method, path string, body any) error {
	n := w.random.IntN(w.config.Products)
	if isScarce(n) {
		n--
	}
	_, err := w.send.command(ctx, request{
		service: "catalog", kind: kind, method: method, path: "/products/" + productID(n) + path, body: body, expected: gone(),
	})
	return err
}
