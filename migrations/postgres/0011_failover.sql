-- Views stay over a failover, a restore and a copy: when the log begins a new incarnation,
-- the checkpoints go along, in the same transaction. Log, checkpoints and views share a
-- server, so that whatever copy of it is started is consistent in itself.

-- +goose Up
-- bound_of is up to which place the positions of an incarnation name events of this log
-- still: null where all do, -1 where the log never had that incarnation.
-- +goose StatementBegin
create or replace function eventlog.bound_of(of_incarnation integer) returns bigint
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when i.number is null then -1 else (select min(n.began_after) from eventlog.incarnations n where n.number > i.number) end
      from (select) as one left join eventlog.incarnations i on i.incarnation = of_incarnation
$$;
-- +goose StatementEnd

alter table readside.cold_checkpoint add column clickhouse_incarnation int, add column takes_clickhouse int;
update readside.cold_checkpoint set clickhouse_incarnation = incarnation;
-- Blocks have numbers of their incarnation's own from here on.
select setval(pg_get_serial_sequence('readside.cold_ledger', 'batch'), l.incarnation::bigint << 32) from eventlog.log l where l.incarnation is not null;

comment on column readside.cold_checkpoint.clickhouse_incarnation is 'the incarnation of the log in which ClickHouse was last brought to the checkpoint; where it is another one than the log''s, rows of lost events may stand there';
comment on column readside.cold_checkpoint.takes_clickhouse is 'the incarnation for which an operator confirmed that ClickHouse is its own';

-- follow_log takes the checkpoints along into the incarnation that begins. Those beyond the
-- end of the log, or of places that it has lost, stay as they are, and are refused. Epochs
-- rise, so that a worker of before writes nothing; leases are over, since the server
-- processes that they name were another server's.
-- +goose StatementBegin
create or replace function readside.follow_log(identity uuid, begun integer) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update readside.projectors p set incarnation = begun, epoch = p.epoch + 1
     where p.log = identity and p.incarnation <> begun and p.place <= least(eventlog.bound_of(p.incarnation), eventlog.last_place())
       and not exists (select from readside.builds b where b.projector = p.name and b.until > eventlog.last_place());
    update readside.leases set expires_at = least(expires_at, clock_timestamp()),
           backend_pid = 0, backend_start = 'epoch', second_pid = null, second_start = null;
    update readside.cold_checkpoint c set incarnation = begun, epoch = c.epoch + 1048576
     where c.log = identity and c.incarnation <> begun and c.place <= least(eventlog.bound_of(c.incarnation), eventlog.last_place());
end $$;
-- +goose StatementEnd
revoke all on function readside.follow_log(uuid, integer), eventlog.bound_of(integer) from public;
grant execute on function eventlog.bound_of(integer) to readside_appender, readside_reader, readside_importer, readside_query;
grant execute on function eventlog.last_place() to readside_reader;
grant select on eventlog.incarnations to readside_query;

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
            -- Lost blocks may stand in ClickHouse: those of this incarnation have numbers of their own.
            perform setval(pg_get_serial_sequence('readside.cold_ledger', 'batch'), here.incarnation::bigint << 32);
            insert into eventlog.incarnations (incarnation, system_identifier, timeline, database, relation, began_after)
            values (here.incarnation, here.system_identifier, here.timeline, here.database, here.relation, eventlog.last_place());
            update eventlog.log l
               set identity = coalesce(l.identity, gen_random_uuid()), incarnation = here.incarnation;
            perform readside.follow_log((select l.identity from eventlog.log l), here.incarnation);
        end if;
    end if;
    if exists (select from eventlog.settled s where s.position > eventlog.last_place()) then
        update eventlog.settled s set position = 0 where s.position > eventlog.last_place();
    end if;
    select l.identity, l.incarnation into open_log.identity, open_log.incarnation from eventlog.log l;
end $$;
-- +goose StatementEnd

-- +goose Down
-- The version before refuses the checkpoints of a former incarnation, and takes along none.
-- +goose StatementBegin
do $$
begin
    if exists (select from readside.cold_checkpoint where clickhouse_incarnation is distinct from incarnation) then
        raise exception 'ClickHouse may hold rows of events that the log has lost, of which the version before does not know: let the cold projector run until it has taken them out';
    end if;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function readside.follow_log(identity uuid, begun integer) returns void
language sql as $$ select $$;
-- +goose StatementEnd
alter table readside.cold_checkpoint drop column clickhouse_incarnation, drop column takes_clickhouse;
revoke execute on function eventlog.last_place() from readside_reader;
revoke select on eventlog.incarnations from readside_query;
