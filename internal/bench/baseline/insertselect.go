package baseline

// InsertSelect folds the whole log into a view's table by one statement, by view.
// The users are folded first; orders take their names from them.
var InsertSelect = map[string]string{
	"user": `insert into views.user_v1_g1 (user_id, name, _state)
select distinct on (r."userId") r."userId", r."newName", 2
  from eventlog.events e, json_to_record(e.data) as r("userId" text, "newName" text)
 where e.type = 'bench.UserRenamed'
 order by r."userId", e.position desc`,

	"order": `insert into views.order_v1_g1 (order_id, user_id, user_name, status, currency, city, country, item_count, total_cents, lines, placed_at, paid_at, shipped_at, tracking_no, _state)
select o."orderId", o."userId", coalesce(u.name, ''),
       case when s."orderId" is not null then 'shipped' when p."orderId" is not null then 'paid' else 'placed' end,
       o.currency, o.city, o.country, o."itemCount", o."totalCents", o.lines, o."placedAt", p."paidAt", s."shippedAt", coalesce(s."trackingNo", ''), 2
  from (select r.* from eventlog.events e, json_to_record(e.data) as r("orderId" text, "userId" text, currency text, city text, country text, "itemCount" int, "totalCents" bigint, lines json, "placedAt" timestamptz)
         where e.type = 'bench.OrderPlaced') o
  left join (select r.* from eventlog.events e, json_to_record(e.data) as r("orderId" text, "paidAt" timestamptz)
              where e.type = 'bench.OrderPaid') p on p."orderId" = o."orderId"
  left join (select r.* from eventlog.events e, json_to_record(e.data) as r("orderId" text, "trackingNo" text, "shippedAt" timestamptz)
              where e.type = 'bench.OrderShipped') s on s."orderId" = o."orderId"
  left join views.user_v1_g1 u on u.user_id = o."userId"`,
}
