-- +goose Up
-- When the log appended an event, by the server's clock: ages, stalls and lag go by it,
-- never by a producer's. Events from before do not have it: adding a default to them
-- would rewrite the table, or make up a time. statement_timestamp() and not
-- clock_timestamp(): a volatile default makes COPY insert row by row.
alter table eventlog.events add column if not exists appended_at timestamptz;
alter table eventlog.events alter column appended_at set default statement_timestamp();
comment on column eventlog.events.appended_at is 'when the log appended it, by the server''s clock; null if before log.clocked_from';
alter table eventlog.log add column if not exists clocked_from timestamptz not null default now();
comment on column eventlog.log.clocked_from is 'since when events carry appended_at';

-- (source, id) names one event, no matter how it was appended. The id first: ours rise
-- with time, so that new entries share a page whatever their source. Collation "C": names
-- are compared byte by byte, several times as fast as by a language's rules.
-- A log that was filled before may use an id twice; nothing of it is changed. Its index
-- is unique for what comes, and a trigger keeps the ids of what is there.
-- +goose StatementBegin
do $$
declare
    repeated record;
    repetitions bigint;
    last bigint;
begin
    lock table eventlog.events in share mode;
    select count(*), max(e.source || ' ' || e.id) as example into repeated from (
        select source, id from eventlog.events group by source, id having count(*) > 1) e;
    if repeated.count = 0 then
        create unique index events_source_id_key on eventlog.events (id collate "C", source collate "C");
        return;
    end if;
    select max(position) into last from eventlog.events;
    raise warning '% pairs of source and id name several events of the log, % among them: they stay as they are, and no further one is taken',
        repeated.count, repeated.example;
    create index events_source_id_idx on eventlog.events (id collate "C", source collate "C");
    execute format('create unique index events_source_id_key on eventlog.events (id collate "C", source collate "C") where position > %s', last);
    execute format($f$
        create function eventlog.refuse_repeated_id() returns trigger language plpgsql
        set search_path = pg_catalog, pg_temp as $t$
        begin
            if exists (select from eventlog.events e where e.id collate "C" = new.id and e.source collate "C" = new.source and e.position <= %s) then
                raise unique_violation using constraint = 'events_source_id_key', schema = 'eventlog', table = 'events',
                    message = 'duplicate key value violates unique constraint "events_source_id_key"',
                    detail = format('Key (id, source)=(%%s, %%s) already exists.', new.id, new.source);
            end if;
            return new;
        end $t$ $f$, last);
    create trigger events_repeated_id before insert on eventlog.events for each row execute function eventlog.refuse_repeated_id();
end $$;
-- +goose StatementEnd

-- The index knows every event, so that nothing is entered here any more.
drop table eventlog.imported;

-- Nothing beyond the end was proved settled: a log that was set back or emptied will give
-- these places to other events. open_log is called at every start, and whenever the
-- server restarted.
-- +goose StatementBegin
create or replace function eventlog.open_log(out identity uuid, out incarnation integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    here eventlog.incarnations;
    last eventlog.incarnations;
begin
    here.system_identifier := (select c.system_identifier from pg_control_system() c);
    -- The control file names the timeline only from the next checkpoint on; the WAL file knows it now.
    here.timeline := ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer;
    here.database := (select d.oid from pg_database d where d.datname = current_database());
    here.relation := 'eventlog.events'::regclass::oid;

    select i.* into last from eventlog.incarnations i order by i.number desc limit 1;
    if (last.system_identifier, last.timeline, last.database, last.relation)
        is distinct from (here.system_identifier, here.timeline, here.database, here.relation) then
        perform from eventlog.log for update;
        select i.* into last from eventlog.incarnations i order by i.number desc limit 1;
        if (last.system_identifier, last.timeline, last.database, last.relation)
            is distinct from (here.system_identifier, here.timeline, here.database, here.relation) then
            loop
                here.incarnation := 1 + floor(random() * 2147483646)::integer;
                exit when not exists (select from eventlog.incarnations i where i.incarnation = here.incarnation);
            end loop;
            insert into eventlog.incarnations (incarnation, system_identifier, timeline, database, relation, began_after)
            select here.incarnation, here.system_identifier, here.timeline, here.database, here.relation,
                   coalesce((select max(e.position) from eventlog.events e), 0);
            update eventlog.log l
               set identity = coalesce(l.identity, gen_random_uuid()), incarnation = here.incarnation;
        end if;
    end if;
    if exists (select from eventlog.settled s where s.position > eventlog.last_place()) then
        update eventlog.settled s set position = 0 where s.position > eventlog.last_place();
    end if;
    select l.identity, l.incarnation into open_log.identity, open_log.incarnation from eventlog.log l;
end $$;
-- +goose StatementEnd

-- last_place is where the log ends, also when all its events were archived.
-- +goose StatementBegin
create or replace function eventlog.last_place() returns bigint
language sql stable set search_path = pg_catalog, pg_temp as $$
    select greatest(l.kept_from - 1, (select max(e.position) from eventlog.events e)) from eventlog.log l
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function eventlog.settle(proved bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update eventlog.settled s set position = least(proved, eventlog.last_place())
     where s.position < least(proved, eventlog.last_place())
$$;
-- +goose StatementEnd

revoke all on function eventlog.last_place() from public;
grant select (position, appended_at) on eventlog.events to readside_query;

-- +goose Down
-- Nothing is lost: the times of appending stay, and so do the corrected functions; the
-- version before works with them. Its import knows events by eventlog.imported.
create table eventlog.imported (
    source   text not null,
    id       text not null,
    position bigint not null,
    primary key (source, id)
);
insert into eventlog.imported (source, id, position)
select source, id, min(position) from eventlog.events group by source, id;
grant select, insert on eventlog.imported to readside_importer;
drop index eventlog.events_source_id_key;
drop index if exists eventlog.events_source_id_idx;
drop trigger if exists events_repeated_id on eventlog.events;
drop function if exists eventlog.refuse_repeated_id();
