package baseline

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The hand-written worker: set-based statements per batch, each over the batch's
// stretch of the log. `offset 0` keeps the planner from parsing a payload once per
// column. Fields are taken from json by position in one pass of json_to_record.
var workerStatements = []string{
	`insert into views.user_v1_g1 (user_id, name, _state)
select distinct on (r."userId") r."userId", r."newName", 2
  from eventlog.events e, json_to_record(e.data) as r("userId" text, "newName" text)
 where e.position > $1 and e.position <= $2 and e.type = 'bench.UserRenamed'
 order by r."userId", e.position desc
on conflict (user_id) do update set name = excluded.name`,

	`update views.order_v1_g1 o set user_name = u.name
  from (select distinct r."userId" as id
          from eventlog.events e, json_to_record(e.data) as r("userId" text)
         where e.position > $1 and e.position <= $2 and e.type = 'bench.UserRenamed') n
  join views.user_v1_g1 u on u.user_id = n.id
 where o.user_id = u.user_id`,

	`insert into views.order_v1_g1 (order_id, user_id, user_name, status, currency, city, country, item_count, total_cents, lines, placed_at, tracking_no, _state)
select r."orderId", r."userId", coalesce(u.name, ''), 'placed', r.currency, r.city, r.country, r."itemCount", r."totalCents", r.lines, r."placedAt", '', 2
  from eventlog.events e
 cross join json_to_record(e.data) as r("orderId" text, "userId" text, currency text, city text, country text, "itemCount" int, "totalCents" bigint, lines json, "placedAt" timestamptz)
  left join views.user_v1_g1 u on u.user_id = r."userId"
 where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderPlaced'`,

	`update views.order_v1_g1 o set status = 'paid', paid_at = r."paidAt"
  from eventlog.events e, json_to_record(e.data) as r("orderId" text, "paidAt" timestamptz)
 where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderPaid' and o.order_id = r."orderId"`,

	`update views.order_v1_g1 o set status = 'shipped', shipped_at = r."shippedAt", tracking_no = r."trackingNo"
  from eventlog.events e, json_to_record(e.data) as r("orderId" text, "trackingNo" text, "shippedAt" timestamptz)
 where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderShipped' and o.order_id = r."orderId"`,
}

// SQLWorker folds the log up to a place, batch by batch, one transaction each. It
// trusts the log to be at rest: it has no reading rule, no upcasters and no faults.
func SQLWorker(ctx context.Context, conn *pgx.Conn, batchEvents int, last int64) error {
	if _, err := conn.Exec(ctx, `set jit = off`); err != nil {
		return err
	}
	for place := int64(0); place < last; place += int64(batchEvents) {
		next := min(last, place+int64(batchEvents))
		b := &pgx.Batch{}
		b.Queue(`begin`)
		for _, sql := range workerStatements {
			b.Queue(sql, place, next)
		}
		b.Queue(`update views.checkpoint set place = $1 where place = $2`, next, place)
		b.Queue(`commit`)
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
	}
	return nil
}
