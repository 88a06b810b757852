package catalog

import (
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/contract"
)

const (
	// In the order of ids, so that two transactions that lock several never wait for each other in a ring.
	loadProductsSQL = `select id, version, name, brand, category, price_amount, price_currency, stock, discontinued
		from shop_catalog.products where id = any($1) order by id for update`
	saveProductsSQL = `insert into shop_catalog.products
			(id, version, name, brand, category, price_amount, price_currency, stock, discontinued)
		select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::boolean[])
		on conflict (id) do update set version = excluded.version, name = excluded.name,
			price_amount = excluded.price_amount, stock = excluded.stock, discontinued = excluded.discontinued`
	moveStockSQL = `update shop_catalog.products p set stock = p.stock + c.pieces
		from unnest($1::text[], $2::bigint[]) as c(id, pieces) where p.id = c.id`
	loadTakingSQL = `select order_id, version, state, lines from shop_catalog.takings where order_id = $1 for update`
	saveTakingSQL = `insert into shop_catalog.takings (order_id, version, state, lines) values ($1, $2, $3, $4)
		on conflict (order_id) do update set version = excluded.version, state = excluded.state`
)

// queueProducts loads and locks products by id; those that do not exist are left out.
func queueProducts(b *pgx.Batch, ids []string, into map[string]Product) {
	b.Queue(loadProductsSQL, ids).Query(func(rows pgx.Rows) error {
		var p Product
		_, err := pgx.ForEachRow(rows, []any{&p.ID, &p.Version, &p.Name, &p.Brand, &p.Category,
			&p.Price.Amount, &p.Price.Currency, &p.Stock, &p.Discontinued}, func() error {
			into[p.ID] = p
			return nil
		})
		return err
	})
}

func queueSaveProducts(b *pgx.Batch, products []Product) {
	var c productColumns
	for _, p := range products {
		c.add(p)
	}
	b.Queue(saveProductsSQL, c.id, c.version, c.name, c.brand, c.category, c.amount, c.currency, c.stock, c.discontinued)
}

// productColumns are products turned by a quarter, for unnest.
type productColumns struct {
	id, name, brand, category, currency []string
	version, amount, stock              []int64
	discontinued                        []bool
}

func (c *productColumns) add(p Product) {
	c.id = append(c.id, p.ID)
	c.version = append(c.version, p.Version)
	c.name = append(c.name, p.Name)
	c.brand = append(c.brand, p.Brand)
	c.category = append(c.category, p.Category)
	c.amount = append(c.amount, p.Price.Amount)
	c.currency = append(c.currency, p.Price.Currency)
	c.stock = append(c.stock, int64(p.Stock))
	c.discontinued = append(c.discontinued, p.Discontinued)
}

func queueMoveStock(b *pgx.Batch, change map[string]int) {
	if len(change) == 0 {
		return
	}
	ids, pieces := make([]string, 0, len(change)), make([]int64, 0, len(change))
	for id, n := range change {
		ids, pieces = append(ids, id), append(pieces, int64(n))
	}
	b.Queue(moveStockSQL, ids, pieces)
}

func queueTaking(b *pgx.Batch, orderID string, t *Taking) {
	b.Queue(loadTakingSQL, orderID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.OrderID, &t.Version, &t.State, &t.Lines)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

func queueSaveTaking(b *pgx.Batch, t Taking) {
	if t.State == nothingYet {
		return
	}
	if t.Lines == nil {
		t.Lines = []contract.StockLine{}
	}
	b.Queue(saveTakingSQL, t.OrderID, t.Version, string(t.State), t.Lines)
}
