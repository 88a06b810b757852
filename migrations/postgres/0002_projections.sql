-- The projector's own tables, and the schema that views live in.

-- +goose Up
-- +goose StatementBegin
do $$
begin
  create role readside_projector nologin;
exception when duplicate_object or unique_violation then null; -- of another database of this cluster
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
  create role readside_query nologin;
exception when duplicate_object or unique_violation then null;
end
$$;
-- +goose StatementEnd

create schema readside;
create schema views;

-- One row per projector: its checkpoint, which moves in the transaction that moves
-- its views and in no other, and why it stands still if it does.
create table readside.projectors (
  name         text primary key,
  log          uuid not null,
  incarnation  int not null,
  place        bigint not null check (place >= 0),
  epoch        bigint not null default 0,
  state        text not null default 'catching_up' check (state in ('catching_up', 'live', 'halted')),
  fault        json,
  folded       bigint not null default 0,
  event_time   timestamptz,
  updated_at   timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

comment on column readside.projectors.place is 'the checkpoint: everything up to this place of the log is folded';
comment on column readside.projectors.folded is 'events folded so far, those that no view handles not counted';
comment on column readside.projectors.event_time is 'when the last event folded happened';
comment on column readside.projectors.fault is 'why a halted projector halted: view, key, position, event type, error, hint';

-- Every generation of every view. Readers find the live one here, in the snapshot
-- that they read it in; tables are never renamed.
create table readside.views (
  view         text not null,
  version      int not null,
  generation   int not null,
  projector    text not null references readside.projectors (name),
  table_name   text not null unique,
  fingerprint  text not null,
  state        text not null check (state in ('building', 'live', 'retired')),
  created_at   timestamptz not null default clock_timestamp(),
  live_at      timestamptz,
  retired_at   timestamptz,
  primary key (view, version, generation)
);
create unique index views_one_live on readside.views (view, version) where state = 'live';

grant usage on schema readside to readside_projector, readside_query;
grant select, insert, update, delete on all tables in schema readside to readside_projector;
grant select on all tables in schema readside to readside_query;

grant usage, create on schema views to readside_projector;
grant usage on schema views to readside_query;
alter default privileges for role readside_projector in schema views grant select on tables to readside_query;

grant readside_reader to readside_projector;
-- How far a view is behind is read from the log; what the events say is not.
grant usage on schema eventlog to readside_query;
grant select (position, time) on eventlog.events to readside_query;
create policy readside_query_reads on eventlog.events for select to readside_query using (true);
-- And whether the views follow this log, or one that was restored since.
grant select on eventlog.log to readside_query;

-- +goose Down
revoke select on eventlog.log from readside_query;
drop policy readside_query_reads on eventlog.events;
revoke select (position, time) on eventlog.events from readside_query;
revoke usage on schema eventlog from readside_query;
revoke readside_reader from readside_projector;
alter default privileges for role readside_projector in schema views revoke select on tables from readside_query;
drop schema views cascade;
drop schema readside cascade;
