-- What continuous verification found: the lease holder of a projector compares its views, or
-- its facts, with the log all the time, and writes here when each was last found equal.

-- +goose Up
create table readside.verified (
  projector   text not null,
  kind        text not null check (kind in ('view', 'fact')),
  name        text not null,
  version     int not null,
  generation  int not null,
  next_hash   bigint not null default 0,
  began_at    timestamptz,
  compared    bigint not null default 0,
  differing   bigint not null default 0,
  equal_at    timestamptz,
  equal_place bigint not null default 0,
  difference  jsonb,
  found_at    timestamptz,
  problem     text not null default '',
  updated_at  timestamptz not null default clock_timestamp(),
  primary key (projector, kind, name),
  check ((difference is null) = (found_at is null))
) with (fillfactor = 50);

comment on table readside.verified is 'what continuous verification found of each view and fact; no row where it is off or has not compared anything yet';
comment on column readside.verified.next_hash is 'up to which hash of keys the turn under way has compared a view';
comment on column readside.verified.began_at is 'when the turn under way began; null between two turns';
comment on column readside.verified.compared is 'how many rows the turn under way has compared';
comment on column readside.verified.differing is 'how many of them differ';
comment on column readside.verified.equal_at is 'when the last turn that found no difference ended';
comment on column readside.verified.equal_place is 'the place of the log that its last comparison was made at';
comment on column readside.verified.difference is 'the first row that differs, as long as it does';
comment on column readside.verified.problem is 'why nothing can be compared at the moment; empty where it can';

grant select, insert, update, delete on readside.verified to readside_projector;
-- Not the difference nor the problem: they hold what a row or an event holds.
grant select (projector, kind, name, version, generation, began_at, compared, differing, equal_at, equal_place, found_at, updated_at) on readside.verified to readside_query;

-- +goose Down
-- It is found out anew.
drop table readside.verified;
