select concat_ws('|', e.position, e.data->>'productId', e.data->'old'->>'amount', e.data->'old'->>'currency',
         e.data->'new'->>'amount', e.data->'new'->>'currency', (extract(epoch from e.time) * 1000000)::bigint)
  from eventlog.events e
 where e.type = 'catalog.ProductPriceChanged'
