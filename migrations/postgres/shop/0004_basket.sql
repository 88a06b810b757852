-- The shop's basket service; see 0001_identity.sql for why each statement is there.
-- +goose Up
-- +goose StatementBegin
do $$ begin
    create role shop_basket nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
grant readside_appender to shop_basket;

create policy shop_basket_events on eventlog.events as restrictive for insert to shop_basket
    with check (starts_with(type, 'basket.') and starts_with(stream, 'basket-'));

create schema shop_basket;
grant usage on schema shop_basket to shop_basket;

create table shop_basket.baskets (
    buyer_id text primary key,
    version  bigint not null check (version > 0),
    lines    jsonb not null
) with (fillfactor = 60);

-- The service's own copy of the catalog's products, fed by the catalog's events.
create table shop_basket.products (
    id             text primary key,
    version        bigint not null,
    name           text not null,
    category       text not null,
    price_amount   bigint not null,
    price_currency text not null,
    discontinued   boolean not null
) with (fillfactor = 70);

create table shop_basket.idempotency (
    key        text primary key,
    request    bytea not null,
    answer     bytea not null,
    created_at timestamptz not null default now()
);
create index idempotency_age on shop_basket.idempotency (created_at);

select eventlog.create_reaction_tables('shop_basket');

grant select, insert, update, delete on all tables in schema shop_basket to shop_basket;

-- +goose Down
drop schema shop_basket cascade;
drop policy shop_basket_events on eventlog.events;
