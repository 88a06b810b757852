select concat_ws('|', e.position, e.data->>'orderId', e.data->>'buyerId', l.line->>'productId', l.line->>'category',
         coalesce(e.data->>'country', e.data->'shipTo'->>'country'),
         case e.type when 'ordering.OrderPaid' then 'paid' else 'submitted' end, l.n, l.line->>'quantity',
         l.line->'unitPrice'->>'amount', l.line->'unitPrice'->>'currency', (extract(epoch from e.time) * 1000000)::bigint)
  from eventlog.events e, json_array_elements(e.data->'lines') with ordinality as l(line, n)
 where e.type in ('ordering.OrderSubmitted', 'ordering.OrderPaid')
