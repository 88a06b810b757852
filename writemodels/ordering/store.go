package ordering

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	columns = `id, version, status, buyer_id, lines, total_amount, total_currency, ship_to, payment, payment_id,
		grace_until, correlation_id, causation_id, traceparent`
	loadSQL = `select ` + columns + ` from shop_ordering.orders where id = $1 for update`
	// Other timers' orders are skipped: several may run at once.
	loadDueSQL = `select ` + columns + ` from shop_ordering.orders
		where status = 'submitted' and grace_until <= $1 order by grace_until limit $2 for update skip locked`
	insertSQL = `insert into shop_ordering.orders (` + columns + `)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	updateSQL = `update shop_ordering.orders o set version = n.version, status = n.status, payment_id = n.payment_id
		from unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) as n(id, version, status, payment_id) where o.id = n.id`
)

func (o *Order) fields() []any {
	return []any{&o.ID, &o.Version, &o.Status, &o.BuyerID, &o.Lines, &o.Total.Amount, &o.Total.Currency, &o.ShipTo,
		&o.Payment, &o.PaymentID, &o.GraceUntil, &o.Cause.CorrelationID, &o.Cause.CausationID, &o.Cause.TraceParent}
}

func queueLoad(b *pgx.Batch, id string, o *Order) {
	b.Queue(loadSQL, id).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(o.fields()...); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
}

func queueLoadDue(b *pgx.Batch, now time.Time, limit int, orders *[]Order) {
	b.Queue(loadDueSQL, now, limit).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var o Order
			if err := rows.Scan(o.fields()...); err != nil {
				return err
			}
			*orders = append(*orders, o)
		}
		return rows.Err()
	})
}

func queueInsert(b *pgx.Batch, o Order) {
	b.Queue(insertSQL, o.ID, o.Version, string(o.Status), o.BuyerID, o.Lines, o.Total.Amount, o.Total.Currency, o.ShipTo,
		o.Payment, o.PaymentID, o.GraceUntil, o.Cause.CorrelationID, o.Cause.CausationID, o.Cause.TraceParent)
}

// queueUpdate writes what changes in an order after it was submitted.
func queueUpdate(b *pgx.Batch, orders ...Order) {
	if len(orders) == 0 {
		return
	}
	var ids, statuses, payments []string
	var versions []int64
	for _, o := range orders {
		ids, versions = append(ids, o.ID), append(versions, o.Version)
		statuses, payments = append(statuses, string(o.Status)), append(payments, o.PaymentID)
	}
	b.Queue(updateSQL, ids, versions, statuses, payments)
}
