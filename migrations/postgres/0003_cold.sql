-- The cold side's ledger: what stands in ClickHouse, and what may stand there. How it
-- makes every fact count exactly once stands in package projections/cold.

-- +goose Up
-- One row per cold projector: its checkpoint, which moves only when everything up to
-- it is in ClickHouse.
create table readside.cold_checkpoint (
  name              text primary key,
  log               uuid not null,
  incarnation       int not null,
  place             bigint not null default 0 check (place >= 0),
  epoch             bigint not null default 0,
  generation        int not null default 1 check (generation > 0),
  shown_generation  int not null default 0 check (shown_generation >= 0),
  shown_place       bigint not null default 0,
  tables_made       boolean not null default false,
  fingerprint       text not null,
  state             text not null default 'catching_up' check (state in ('catching_up', 'live', 'halted')),
  fault             json,
  event_time        timestamptz,
  updated_at        timestamptz not null default clock_timestamp(),
  check (shown_generation <= generation)
) with (fillfactor = 50);

comment on column readside.cold_checkpoint.place is 'everything up to this place of the log is in the tables of this generation';
comment on column readside.cold_checkpoint.epoch is 'raised by every worker that takes over; one of a lower epoch writes nothing any more';
comment on column readside.cold_checkpoint.generation is 'the tables being written: order_lines_v1_g2';
comment on column readside.cold_checkpoint.shown_generation is 'the tables that the mart''s views read; 0 before the first';
comment on column readside.cold_checkpoint.shown_place is 'the place of the shown tables when a newer generation was begun: it is shown once it has got there';
comment on column readside.cold_checkpoint.tables_made is 'whether the tables of this generation were made, empty; who finds them begun and not made begins another generation';
comment on column readside.cold_checkpoint.fingerprint is 'of the facts whose rows the generation holds';
comment on column readside.cold_checkpoint.event_time is 'when the last event written happened';
comment on column readside.cold_checkpoint.fault is 'why it halted: table, position, event type, error, hint';

-- One row per block: what one INSERT puts into one partition of one table.
create table readside.cold_ledger (
  batch        bigint generated always as identity primary key,
  projector    text not null references readside.cold_checkpoint (name) on delete cascade,
  generation   int not null,
  table_name   text not null,
  partition    int not null,
  after_place  bigint not null,
  to_place     bigint not null,
  rows         bigint not null check (rows > 0),
  hash         bigint not null,
  attempt      int not null default 1 check (attempt > 0),
  epoch        bigint not null,
  fingerprint  text not null,
  state        text not null default 'planned' check (state in ('planned', 'withdrawn', 'done')),
  planned_at   timestamptz not null default clock_timestamp(),
  done_at      timestamptz,
  check (after_place < to_place)
);
create unique index cold_ledger_one_block on readside.cold_ledger (projector, table_name, partition, after_place);
create index cold_ledger_open on readside.cold_ledger (projector) where state <> 'done';

comment on column readside.cold_ledger.batch is 'stands in every row of the block as _batch, and in its deduplication token';
comment on column readside.cold_ledger.partition is 'the month in UTC, as 202601';
comment on column readside.cold_ledger.after_place is 'the block holds the events after this place up to to_place';
comment on column readside.cold_ledger.hash is 'the sum of its rows'' hashes, as ClickHouse computes it too';
comment on column readside.cold_ledger.attempt is 'counts the tokens that it was sent under';
comment on column readside.cold_ledger.epoch is 'of the worker that last sent it: part of the query''s id';
comment on column readside.cold_ledger.state is 'withdrawn: it is being taken out, and no worker may find it there any more';
comment on column readside.cold_ledger.fingerprint is 'of the fact whose rows these are';

-- Every table that was begun; up to where it may be read, and what stands there by then.
create table readside.cold_watermarks (
  table_name   text primary key,
  projector    text not null references readside.cold_checkpoint (name) on delete cascade,
  fact         text not null,
  generation   int not null,
  place        bigint not null,
  rows         bigint not null default 0,
  updated_at   timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- Ends the server process of a cold projector's owner that has asked nothing of it for so
-- long: a worker that is stopped, or whose host is gone, keeps its lock otherwise. It runs
-- with the rights of whoever migrates, as readside.end_owner does.
-- +goose StatementBegin
create function readside.end_silent_cold_owner(projector text, silence interval) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select count(*) filter (where pg_terminate_backend(a.pid, 5000))
    from pg_locks k join pg_stat_activity a on a.pid = k.pid
   where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
     and k.database = (select d.oid from pg_database d where d.datname = current_database())
     and (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended('readside.cold:' || end_silent_cold_owner.projector, 0)
     and a.state_change < clock_timestamp() - silence and a.pid <> pg_backend_pid();
$$;
-- +goose StatementEnd
revoke all on function readside.end_silent_cold_owner(text, interval) from public;
grant execute on function readside.end_silent_cold_owner(text, interval) to readside_projector;

grant select, insert, update, delete on readside.cold_checkpoint, readside.cold_ledger, readside.cold_watermarks to readside_projector;
grant select on readside.cold_watermarks to readside_query;
-- Not what the fault says: it may hold what an event holds.
grant select (name, log, incarnation, place, epoch, generation, shown_generation, shown_place, tables_made, fingerprint, state, event_time, updated_at)
  on readside.cold_checkpoint to readside_query;

-- +goose Down
drop function readside.end_silent_cold_owner(text, interval);
drop table readside.cold_watermarks;
drop table readside.cold_ledger;
drop table readside.cold_checkpoint;
