package payment

import (
	"errors"

	"github.com/jackc/pgx/v5"
)

const (
	loadSQL = `select order_id, version, state, payment_id, buyer_id, amount, currency, method
		from shop_payment.payments where order_id = $1 for update`
	saveSQL = `insert into shop_payment.payments (order_id, version, state, payment_id, buyer_id, amount, currency, method)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (order_id) do update set version = excluded.version, state = excluded.state`
)

func queueLoad(b *pgx.Batch, orderID string, p *Payment) {
	b.Queue(loadSQL, orderID).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&p.OrderID, &p.Version, &p.State, &p.ID, &p.BuyerID, &p.Amount.Amount, &p.Amount.Currency, &p.Method)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

func queueSave(b *pgx.Batch, p Payment) {
	b.Queue(saveSQL, p.OrderID, p.Version, string(p.State), p.ID, p.BuyerID, p.Amount.Amount, p.Amount.Currency, p.Method)
}
