package baseline

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The hand-written worker: set-based statements per batch, each over the batch's
// stretch of the log, in the form that was the fastest of those tried. `offset 0`
// keeps the planner from reading a payload once per use of a column. Orders have nine
// columns, and one pass of json_to_record beats nine arrows; where two or three are
// taken, arrows win.
var workerStatements = []string{
	`insert into views.user_v1_g1 (user_id, name, _state)
select distinct on (id) id, name, 2
  from (select e.position, e.data->>'userId' as id, e.data->>'newName' as name
          from eventlog.events e
         where e.position > $1 and e.position <= $2 and e.type = 'bench.UserRenamed' offset 0) e
 order by id, position desc
on conflict (user_id) do update set name = excluded.name`,

	`update views.order_v1_g1 o set user_name = u.name
  from (select distinct e.data->>'userId' as id
          from eventlog.events e
         where e.position > $1 and e.position <= $2 and e.type = 'bench.UserRenamed') n
  join views.user_v1_g1 u on u.user_id = n.id
 where o.user_id = u.user_id`,

	`insert into views.order_v1_g1 (order_id, user_id, user_name, status, currency, city, country, item_count, total_cents, lines, placed_at, tracking_no, _state)
select r."orderId", r."userId", coalesce(u.name, ''), 'placed', r.currency, r.city, r.country, r."itemCount", r."totalCents", r.lines, r."placedAt", '', 2
  from eventlog.events e
 cross join json_to_record(e.data) as r("orderId" text, "userId" text, currency text, city text, country text, "itemCount" int, "totalCents" bigint, lines json, "placedAt" timestamptz)
  left join views.user_v1_g1 u on u.user_id = r."userId"
 where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderPlaced'`,

	`update views.order_v1_g1 o set status = 'paid', paid_at = p.at
  from (select e.data->>'orderId' as id, (e.data->>'paidAt')::timestamptz as at
          from eventlog.events e
         where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderPaid' offset 0) p
 where o.order_id = p.id`,

	`update views.order_v1_g1 o set status = 'shipped', shipped_at = p.at, tracking_no = p.no
  from (select e.data->>'orderId' as id, (e.data->>'shippedAt')::timestamptz as at, e.data->>'trackingNo' as no
          from eventlog.events e
         where e.position > $1 and e.position <= $2 and e.type = 'bench.OrderShipped' offset 0) p
 where o.order_id = p.id`,
}

// workerSettings are the engine's own (pipeline.NewSession): statistics of a table that was
// empty a second ago mislead the planner, which read whole tables for some batches.
const workerSettings = `set jit = off; set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off`

// SQLWorker folds the log up to a place, batch by batch, one transaction each. It
// trusts the log to be at rest: it has no reading rule, no upcasters and no faults.
func SQLWorker(ctx context.Context, conn *pgx.Conn, batchEvents int, last int64) error {
	if _, err := conn.Exec(ctx, workerSettings); err != nil {
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
