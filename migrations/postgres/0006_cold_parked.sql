-- Facts that wait: events that could not be written into ClickHouse are parked as those of
-- views are, and a rebuild of the facts has a checkpoint of its own beside the shown ones.

-- +goose Up
alter table readside.cold_checkpoint add column rebuilds text references readside.cold_checkpoint (name) on delete cascade;

comment on column readside.cold_checkpoint.rebuilds is 'the cold projector whose tables this one builds anew beside it; null for all others';

-- Retried events are blocks of the ledger, too: of one event each, with the checkpoint unmoved.
alter table readside.cold_ledger add column retries bigint;
drop index readside.cold_ledger_one_block;
create unique index cold_ledger_one_block on readside.cold_ledger (projector, table_name, partition, after_place) where retries is null;
create unique index cold_ledger_one_retry on readside.cold_ledger (projector, table_name, partition, retries) where retries is not null and state <> 'done';

comment on column readside.cold_ledger.retries is 'the place of the parked event whose rows these are; null for a stretch of the log';

-- Events that a fact has no rows of. Nothing queues behind them, since facts are only appended.
-- Discarded ones stay, so that no rebuild counts them.
create table readside.cold_parked (
  projector   text not null references readside.cold_checkpoint (name) on delete cascade,
  generation  int not null,
  fact        text not null,
  place       bigint not null,
  stream      text not null,
  event_type  text not null,
  state       text not null check (state in ('parked', 'retrying', 'discarded')),
  reason      text not null,
  error       text not null,
  hint        text not null,
  attempts    int not null default 1,
  parked_at   timestamptz not null default clock_timestamp(),
  primary key (projector, generation, fact, place)
);
create index cold_parked_waiting on readside.cold_parked (projector, generation, fact) where state <> 'discarded';

comment on column readside.cold_parked.generation is 'the tables that have no rows of it; others that are built meanwhile try it again';
comment on column readside.cold_parked.state is 'parked: it could not be written; retrying: an operator ordered another try; discarded: an operator gave it up';
comment on column readside.cold_parked.reason is 'undecodable, handler, panic or unstorable';

grant select, insert, update, delete on readside.cold_parked to readside_projector;
-- Not what the errors say: they may hold what an event holds.
grant select (projector, generation, fact, place, state) on readside.cold_parked to readside_query;
grant select (rebuilds) on readside.cold_checkpoint to readside_query;

-- +goose Down
-- +goose StatementBegin
do $$
begin
  if exists (select from readside.cold_parked) then
    raise exception 'facts are parked or discarded, and the version before would lose or count them: retry what is parked; events that were discarded exclude a way back';
  end if;
  if exists (select from readside.cold_checkpoint where rebuilds is not null) then
    raise exception 'the facts are being rebuilt, which the version before takes for a projector of its own: wait until the rebuild is shown';
  end if;
  if exists (select from readside.cold_ledger where retries is not null and state <> 'done') then
    raise exception 'a parked fact is being retried: wait until it is done';
  end if;
end
$$;
-- +goose StatementEnd
drop table readside.cold_parked;
delete from readside.cold_ledger where retries is not null;
drop index readside.cold_ledger_one_retry;
drop index readside.cold_ledger_one_block;
create unique index cold_ledger_one_block on readside.cold_ledger (projector, table_name, partition, after_place);
alter table readside.cold_ledger drop column retries;
alter table readside.cold_checkpoint drop column rebuilds;
