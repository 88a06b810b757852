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

-- Default privileges are given below for the projector's role: only a member of it may.
-- +goose StatementBegin
do $$
begin
  if not pg_has_role(current_user, 'readside_projector', 'usage') then
    grant readside_projector to current_user;
  end if;
end
$$;
-- +goose StatementEnd

create schema readside;
create schema views;

-- One row per projector: its checkpoint, which moves in the transaction that moves
-- its views and in no other, and why it stands still if it does. A projector is a
-- name and a set of definitions; workers of other definitions are another projector
-- beside it, with tables of its own.
create table readside.projectors (
  name         text primary key,
  base         text not null,
  rebuilds     text references readside.projectors (name) on delete cascade,
  program      text not null default '',
  log          uuid not null,
  incarnation  int not null,
  place        bigint not null check (place >= 0),
  epoch        bigint not null default 0,
  state        text not null default 'building' check (state in ('building', 'catching_up', 'live', 'halted')),
  fault        json,
  folded       bigint not null default 0,
  event_time   timestamptz,
  updated_at   timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

comment on column readside.projectors.name is 'base@definitions: main@3f2a91bc; a rebuild has its view behind that: main@3f2a91bc+order';
comment on column readside.projectors.rebuilds is 'the projector whose view this one builds anew; null for all others';
comment on column readside.projectors.program is 'of a rebuild: the program that began it, since the code of another may fold other rows; empty for all others';
comment on column readside.projectors.place is 'the checkpoint: everything up to this place of the log is folded';
comment on column readside.projectors.epoch is 'raised by every worker that takes over and by whoever else changes rows; a batch of a lower epoch is refused';
comment on column readside.projectors.state is 'building until it has caught up for the first time: readers do not see its views before';
comment on column readside.projectors.folded is 'events folded so far, those that no view handles not counted';
comment on column readside.projectors.event_time is 'when the last event folded happened';
comment on column readside.projectors.fault is 'why a halted projector halted: view, key, position, event type, error, hint';

-- Who works for a projector, until when, and over which connection, so that whoever
-- takes over can end exactly that one with the locks that it holds.
create table readside.leases (
  projector      text primary key references readside.projectors (name) on delete cascade,
  owner          uuid not null,
  host           text not null,
  process        int not null,
  backend_pid    int not null,
  backend_start  timestamptz not null,
  second_pid     int,
  second_start   timestamptz,
  acquired_at    timestamptz not null default clock_timestamp(),
  expires_at     timestamptz not null
) with (fillfactor = 50);

comment on column readside.leases.owner is 'the worker; a process that is started again is another one';
comment on column readside.leases.backend_pid is 'with backend_start: the server process that writes for the owner';
comment on column readside.leases.second_pid is 'with second_start: another one that makes indexes for it, during a build';

-- A worker learns when its own server process began, asks whether a lease's still
-- lives, and ends it: of nobody else's does it learn anything. They run with the
-- rights of whoever migrates, who needs pg_signal_backend and pg_read_all_stats;
-- pg_temp stands last in their path, or a caller's temporary view would be read.
-- +goose StatementBegin
create function readside.own_backend_start() returns timestamptz
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select backend_start from pg_stat_activity where pid = pg_backend_pid();
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function readside.owner_lives(projector text) returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from readside.leases l join pg_stat_activity a on a.pid = l.backend_pid and a.backend_start = l.backend_start
                  where l.projector = owner_lives.projector);
$$;
-- +goose StatementEnd

-- Ends the server processes of a lease, and waits until they are gone, five seconds each.
-- +goose StatementBegin
create function readside.end_owner(projector text) returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(bool_and(pg_terminate_backend(a.pid, 5000)), true)
    from readside.leases l join pg_stat_activity a on (a.pid, a.backend_start) in ((l.backend_pid, l.backend_start), (l.second_pid, l.second_start))
   where l.projector = end_owner.projector and a.pid <> pg_backend_pid();
$$;
-- +goose StatementEnd

revoke all on function readside.own_backend_start(), readside.owner_lives(text), readside.end_owner(text) from public;
grant execute on function readside.own_backend_start(), readside.owner_lives(text), readside.end_owner(text) to readside_projector;
grant execute on function readside.owner_lives(text) to readside_query;

-- Every generation of every view. Readers find the live one here, in the snapshot
-- that they read it in; tables are never renamed.
create table readside.views (
  view         text not null,
  version      int not null,
  generation   int not null,
  projector    text not null references readside.projectors (name) on delete cascade,
  table_name   text not null unique,
  fingerprint  text not null,
  state        text not null check (state in ('building', 'live', 'retired')),
  created_at   timestamptz not null default clock_timestamp(),
  live_at      timestamptz,
  retired_at   timestamptz,
  primary key (view, version, generation)
);
create unique index views_one_written on readside.views (projector, view) where state <> 'retired';

-- How far a first build has come: its slices are folded up to the place until, and
-- those that stand in readside.slices are whole.
create table readside.builds (
  projector   text primary key references readside.projectors (name) on delete cascade,
  until       bigint not null,
  slices      int not null check (slices > 0),
  read        bigint not null default 0,
  started_at  timestamptz not null default clock_timestamp(),
  updated_at  timestamptz not null default clock_timestamp()
);
create table readside.slices (
  projector  text not null references readside.builds (projector) on delete cascade,
  view       text not null,
  slice      int not null check (slice >= 0),
  rows       bigint not null,
  primary key (projector, view, slice)
);

comment on column readside.builds.until is 'the place up to which the slices are folded; the rest is caught up with from there';
comment on column readside.builds.read is 'events read by the running attempt, for its progress';

-- Events that could not be folded into a row, and those of the same row that wait
-- behind them. Discarded ones stay, so that no rebuild folds them again.
create table readside.parked (
  projector   text not null references readside.projectors (name) on delete cascade,
  view        text not null,
  place       bigint not null,
  key         text not null,
  stream      text not null,
  event_type  text not null,
  state       text not null check (state in ('parked', 'queued', 'discarded')),
  reason      text not null default '',
  error       text not null default '',
  hint        text not null default '',
  attempts    int not null default 0,
  parked_at   timestamptz not null default clock_timestamp(),
  primary key (projector, view, place, key)
);
create index parked_by_key on readside.parked (projector, view, key, place);

comment on column readside.parked.key is 'the row; empty where the event''s key could not be read: then its whole stream waits';
comment on column readside.parked.state is 'parked: its fold failed; queued: it waits behind one that did; discarded: an operator gave it up';
comment on column readside.parked.reason is 'undecodable, key, handler, panic, unstorable or join; empty for queued ones';

-- The rows that readers are told of as degraded: derived from readside.parked, and
-- changed with it.
create table readside.degraded (
  projector  text not null references readside.projectors (name) on delete cascade,
  view       text not null,
  key        text not null,
  stream     text not null default '',
  primary key (projector, view, key, stream)
);

comment on column readside.degraded.stream is 'where a stream waits whose key could not be read: that stream, whose former events touched the row';

grant usage on schema readside to readside_projector, readside_query;
grant select, insert, update, delete on all tables in schema readside to readside_projector;
grant select on readside.leases, readside.views, readside.builds, readside.slices, readside.degraded to readside_query;
-- Not what the errors say: it may hold what an event holds.
grant select (name, base, rebuilds, program, log, incarnation, place, epoch, state, folded, event_time, updated_at) on readside.projectors to readside_query;
grant select (projector, view, place, key, state) on readside.parked to readside_query;

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
alter default privileges for role readside_projector in schema views revoke select on tables from readside_query;
drop schema views cascade;
drop schema readside cascade;
