-- The shop's ordering service; see 0001_identity.sql for why each statement is there.
-- +goose Up
-- +goose StatementBegin
do $$ begin
    create role shop_ordering nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
grant readside_appender to shop_ordering;

create policy shop_ordering_events on eventlog.events as restrictive for insert to shop_ordering
    with check (starts_with(type, 'ordering.') and starts_with(stream, 'order-'));

create schema shop_ordering;
grant usage on schema shop_ordering to shop_ordering;

create table shop_ordering.orders (
    id             text primary key,
    version        bigint not null check (version > 0),
    status         text not null check (status in ('submitted', 'awaiting_validation', 'stock_confirmed',
                       'stock_rejected', 'paid', 'shipped', 'cancelled')),
    buyer_id       text not null,
    lines          jsonb not null,
    total_amount   bigint not null,
    total_currency text not null,
    ship_to        jsonb not null,
    payment        jsonb not null,
    payment_id     text not null,
    grace_until    timestamptz not null,
    correlation_id text not null,
    causation_id   text not null,
    traceparent    text not null
) with (fillfactor = 70);
-- For the timer. It holds only the few orders that are in their grace period.
create index orders_grace on shop_ordering.orders (grace_until) where status = 'submitted';

create table shop_ordering.idempotency (
    key        text primary key,
    request    bytea not null,
    answer     bytea not null,
    created_at timestamptz not null default now()
);
create index idempotency_age on shop_ordering.idempotency (created_at);

select eventlog.create_reaction_tables('shop_ordering');

grant select, insert, update, delete on all tables in schema shop_ordering to shop_ordering;

-- +goose Down
drop schema shop_ordering cascade;
drop policy shop_ordering_events on eventlog.events;
