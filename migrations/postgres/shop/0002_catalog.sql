-- The shop's catalog service; see 0001_identity.sql for why each statement is there.
-- +goose Up
-- +goose StatementBegin
do $$ begin
    create role shop_catalog nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
grant readside_appender to shop_catalog;

create policy shop_catalog_events on eventlog.events as restrictive for insert to shop_catalog
    with check (starts_with(type, 'catalog.') and (starts_with(stream, 'product-') or starts_with(stream, 'stock-')));

create schema shop_catalog;
grant usage on schema shop_catalog to shop_catalog;

-- Prices and stocks change all the time and are not indexed: such updates stay on their page.
create table shop_catalog.products (
    id             text primary key,
    version        bigint not null check (version > 0),
    name           text not null,
    brand          text not null,
    category       text not null,
    price_amount   bigint not null check (price_amount > 0),
    price_currency text not null,
    stock          bigint not null check (stock >= 0),
    discontinued   boolean not null
) with (fillfactor = 70);

-- What became of each order's wish for pieces. Version 0: barred before it asked.
create table shop_catalog.takings (
    order_id text primary key,
    version  bigint not null check (version >= 0),
    state    text not null check (state in ('taken', 'rejected', 'released', 'barred')),
    lines    jsonb not null
) with (fillfactor = 80);

create table shop_catalog.idempotency (
    key        text primary key,
    request    bytea not null,
    answer     bytea not null,
    created_at timestamptz not null default now()
);
create index idempotency_age on shop_catalog.idempotency (created_at);

select eventlog.create_reaction_tables('shop_catalog');

grant select, insert, update, delete on all tables in schema shop_catalog to shop_catalog;

-- +goose Down
drop schema shop_catalog cascade;
drop policy shop_catalog_events on eventlog.events;
