select concat_ws('|', e.position, e.data->>'buyerId', e.data->>'productId',
         case e.type when 'basket.ItemAdded' then 'added' when 'basket.QuantityChanged' then 'quantity_changed' else 'removed' end,
         coalesce(e.data->>'quantity', '0'), coalesce(e.data->'unitPrice'->>'amount', '0'), coalesce(e.data->'unitPrice'->>'currency', ''),
         '', (extract(epoch from e.time) * 1000000)::bigint)
  from eventlog.events e
 where e.type in ('basket.ItemAdded', 'basket.QuantityChanged', 'basket.ItemRemoved')
union all
select concat_ws('|', e.position, e.data->>'buyerId', l->>'productId', 'checked_out', l->>'quantity',
         l->'unitPrice'->>'amount', l->'unitPrice'->>'currency', e.data->>'orderId', (extract(epoch from e.time) * 1000000)::bigint)
  from eventlog.events e, json_array_elements(e.data->'lines') as l
 where e.type = 'basket.CheckedOut'
