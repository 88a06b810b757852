package basket

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/contract"
)

// Reactions keep the service's own copy of the catalog's products.
func Reactions() []reaction.Handler {
	return []reaction.Handler{
		reaction.On(func(ctx context.Context, tx pgx.Tx, e contract.ProductAdded, ev eventlog.Event) error {
			return exec(ctx, tx, ev, productAddedSQL, e.ProductID, ev.StreamVersion, e.Name, e.Category, e.Price.Amount, e.Price.Currency)
		}),
		reaction.On(func(ctx context.Context, tx pgx.Tx, e contract.ProductRenamed, ev eventlog.Event) error {
			return exec(ctx, tx, ev, productRenamedSQL, e.ProductID, ev.StreamVersion, e.Name)
		}),
		reaction.On(func(ctx context.Context, tx pgx.Tx, e contract.ProductPriceChanged, ev eventlog.Event) error {
			return exec(ctx, tx, ev, productRepricedSQL, e.ProductID, ev.StreamVersion, e.New.Amount, e.New.Currency)
		}),
		reaction.On(func(ctx context.Context, tx pgx.Tx, e contract.ProductDiscontinued, ev eventlog.Event) error {
			return exec(ctx, tx, ev, productDiscontinuedSQL, e.ProductID, ev.StreamVersion)
		}),
	}
}
