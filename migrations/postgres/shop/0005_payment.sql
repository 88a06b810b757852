-- The shop's payment service; see 0001_identity.sql for why each statement is there.
-- +goose Up
-- +goose StatementBegin
do $$ begin
    create role shop_payment nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
grant readside_appender to shop_payment;

create policy shop_payment_events on eventlog.events as restrictive for insert to shop_payment
    with check (starts_with(type, 'payment.') and starts_with(stream, 'payment-'));

create schema shop_payment;
grant usage on schema shop_payment to shop_payment;

-- What became of each order's money. Version 0: barred before it was asked for.
create table shop_payment.payments (
    order_id   text primary key,
    version    bigint not null check (version >= 0),
    state      text not null check (state in ('succeeded', 'failed', 'barred')),
    payment_id text not null,
    buyer_id   text not null,
    amount     bigint not null,
    currency   text not null,
    method     text not null
) with (fillfactor = 80);

select eventlog.create_reaction_tables('shop_payment');

grant select, insert, update, delete on all tables in schema shop_payment to shop_payment;

-- +goose Down
drop schema shop_payment cascade;
drop policy shop_payment_events on eventlog.events;
