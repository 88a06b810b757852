-- The shop's identity service: its schema, its role, and what the role may append.
-- +goose Up

-- Roles belong to the cluster, and several databases may be migrated at once.
-- +goose StatementBegin
do $$ begin
    create role shop_identity nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
grant readside_appender to shop_identity;

-- Of its own events only: the log's policy wants the role's name as their source,
-- this one their types and streams to be the service's. A service that another one
-- trusts can therefore not be imitated.
create policy shop_identity_events on eventlog.events as restrictive for insert to shop_identity
    with check (starts_with(type, 'identity.') and starts_with(stream, 'customer-'));

create schema shop_identity;
grant usage on schema shop_identity to shop_identity;

create table shop_identity.customers (
    id          text primary key,
    version     bigint not null check (version > 0),
    name        text not null,
    email       text not null,
    street      text not null,
    city        text not null,
    postal_code text not null,
    country     text not null
) with (fillfactor = 80);
create unique index customers_email on shop_identity.customers (lower(email));

create table shop_identity.idempotency (
    key        text primary key,
    request    bytea not null,
    answer     bytea not null,
    created_at timestamptz not null default now()
);
create index idempotency_age on shop_identity.idempotency (created_at);

grant select, insert, update, delete on all tables in schema shop_identity to shop_identity;

-- +goose Down
drop schema shop_identity cascade;
drop policy shop_identity_events on eventlog.events;
-- The role stays, and what it is a member of: both are the cluster's, and other databases use them.
