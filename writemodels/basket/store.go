package basket

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	loadSQL = `select buyer_id, version, lines from shop_basket.baskets where buyer_id = $1 for update`
	saveSQL = `insert into shop_basket.baskets (buyer_id, version, lines) values ($1, $2, $3)
		on conflict (buyer_id) do update set version = excluded.version, lines = excluded.lines`

	productColumns  = `p.id, p.name, p.category, p.price_amount, p.price_currency, p.discontinued`
	productsByIDSQL = `select ` + productColumns + ` from shop_basket.products p where p.id = any($1)`
	// The products of the basket that the same transaction has locked.
	productsOfSQL = `select ` + productColumns + ` from shop_basket.baskets b
		cross join jsonb_to_recordset(b.lines) as l("productId" text)
		join shop_basket.products p on p.id = l."productId" where b.buyer_id = $1`
	lookSQL = `select l."productId", l.quantity, l."addedPrice", ` + productColumns + ` from shop_basket.baskets b
		cross join rows from (jsonb_to_recordset(b.lines) as ("productId" text, quantity bigint, "addedPrice" jsonb))
			with ordinality as l("productId", quantity, "addedPrice", n)
		join shop_basket.products p on p.id = l."productId" where b.buyer_id = $1 order by l.n`
)

func (p *Product) fields() []any {
	return []any{&p.ID, &p.Name, &p.Category, &p.Price.Amount, &p.Price.Currency, &p.Discontinued}
}

func queueLoad(b *pgx.Batch, buyerID string, into *Basket) {
	b.Queue(loadSQL, buyerID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&into.BuyerID, &into.Version, &into.Lines)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

// queueProducts loads products: by productsByIDSQL and ids, or by productsOfSQL and a buyer.
func queueProducts(b *pgx.Batch, sql string, arg any, into map[string]Product) {
	b.Queue(sql, arg).Query(func(rows pgx.Rows) error {
		var p Product
		_, err := pgx.ForEachRow(rows, p.fields(), func() error {
			into[p.ID] = p
			return nil
		})
		return err
	})
}

func queueSave(b *pgx.Batch, basket Basket) {
	if basket.Lines == nil {
		basket.Lines = []Line{}
	}
	b.Queue(saveSQL, basket.BuyerID, basket.Version, basket.Lines)
}

// shown is a line of a basket as its buyer sees it.
type shown struct {
	line    Line
	product Product
}

func linesOf(ctx context.Context, pool *pgxpool.Pool, buyerID string) ([]shown, error) {
	rows, err := pool.Query(ctx, lookSQL, buyerID)
	if err != nil {
		return nil, fmt.Errorf("basket: read the basket of %q: %w", buyerID, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s shown, err error) {
		return s, row.Scan(append([]any{&s.line.ProductID, &s.line.Quantity, &s.line.AddedPrice}, s.product.fields()...)...)
	})
}

// The copy of a product remembers the version of the product's stream, so that an
// event that comes again, or after a later one, changes nothing.
const (
	productAddedSQL = `insert into shop_basket.products (id, version, name, category, price_amount, price_currency, discontinued)
		values ($1, $2, $3, $4, $5, $6, false) on conflict (id) do nothing`
	productRenamedSQL      = `update shop_basket.products set version = $2, name = $3 where id = $1 and version < $2`
	productRepricedSQL     = `update shop_basket.products set version = $2, price_amount = $3, price_currency = $4 where id = $1 and version < $2`
	productDiscontinuedSQL = `update shop_basket.products set version = $2, discontinued = true where id = $1 and version < $2`
)
