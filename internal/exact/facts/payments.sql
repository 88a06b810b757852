select concat_ws('|', e.position, e.data->>'paymentId', e.data->>'orderId', e.data->>'buyerId', e.data->>'method',
         case e.type when 'payment.Succeeded' then 'succeeded' else 'failed' end, coalesce(e.data->>'reason', ''),
         e.data->'amount'->>'amount', e.data->'amount'->>'currency', (extract(epoch from e.time) * 1000000)::bigint)
  from eventlog.events e
 where e.type in ('payment.Succeeded', 'payment.Failed')
