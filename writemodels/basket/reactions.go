package basket

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Reactions keep the service's own copy of the catalog's products.
func Reactions(x *command.Executor) []reaction.Handler {
	return []reaction.Handler{
		keep(x, productAddedSQL, func(e contract.ProductAdded) (string, []any) {
			return e.ProductID, []any{e.Name, e.Category, e.Price.Amount, e.Price.Currency}
		}),
		keep(x, productRenamedSQL, func(e contract.ProductRenamed) (string, []any) {
			return e.ProductID, []any{e.Name}
		}),
		keep(x, productRepricedSQL, func(e contract.ProductPriceChanged) (string, []any) {
			return e.ProductID, []any{e.New.Amount, e.New.Currency}
		}),
		keep(x, productDiscontinuedSQL, func(e contract.ProductDiscontinued) (string, []any) {
			return e.ProductID, nil
		}),
	}
}

// keep is a reaction that writes to the copy of a product: its id, the version of its
// stream, and what of says beside.
func keep[E eventlog.Typed](x *command.Executor, sql string, of func(E) (productID string, args []any)) reaction.Handler {
	return reaction.On(func(ctx context.Context, _ pgx.Tx, e E, ev eventlog.Event) error {
		id, args := of(e)
		return x.Within(ctx, ev, &copied{productID: id, sql: sql, args: append([]any{id, ev.StreamVersion}, args...)})
	})
}

// copied is the Work of keep: nothing to decide.
type copied struct {
	productID, sql string
	args           []any
}

func (w *copied) Touches() []string                          { return []string{w.productID} }
func (w *copied) Load(*pgx.Batch)                            {}
func (w *copied) Decide(time.Time) (command.Decision, error) { return command.Decision{}, nil }
func (w *copied) Save(b *pgx.Batch)                          { b.Queue(w.sql, w.args...) }
