-- +goose Up
-- The log of domain events. What readers may rely on, and why, stands in package eventlog.

-- Roles are the cluster's, not the database's: another database may have made them,
-- at this very moment.
-- +goose StatementBegin
do $$
declare
    made text;
begin
    foreach made in array array['readside_appender nologin', 'readside_reader nologin', 'readside_importer nologin'] loop
        begin
            execute 'create role ' || made;
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end $$;
-- +goose StatementEnd

create schema eventlog;

create table eventlog.events (
    -- CACHE 1 and ALWAYS are part of the reading rule: a later number is drawn later.
    position       bigint generated always as identity (cache 1) primary key,
    version        bigint not null,
    time           timestamptz not null,
    schema_version integer not null,
    id             text not null,
    source         text not null,
    type           text not null,
    stream         text not null,
    correlation_id text not null default '',
    causation_id   text not null default '',
    traceparent    text not null default '',
    person_id      text not null default '',
    -- json and not jsonb: the readers get the text as it is, at twice the rate.
    data           json not null,
    constraint events_stream_version_key unique (stream, version),
    constraint events_versions_from_one check (version > 0 and schema_version > 0),
    constraint events_names_present check (id <> '' and source <> '' and type <> '' and stream <> ''),
    constraint events_names_size_max check (
        octet_length(id) <= 200 and octet_length(source) <= 200 and octet_length(type) <= 200
        and octet_length(stream) <= 200 and octet_length(correlation_id) <= 200
        and octet_length(causation_id) <= 200 and octet_length(traceparent) <= 200
        and octet_length(person_id) <= 200),
    constraint events_time_finite check (isfinite(time)),
    constraint events_data_object check (json_typeof(data) = 'object'),
    constraint events_data_size_max check (octet_length(data::text) <= 1048576)
);

comment on table eventlog.events is 'Every domain event, in order of position. Append only.';

-- A service publishes as itself and as nobody else; everybody with a right to read reads all.
alter table eventlog.events enable row level security;
create policy append_as_oneself on eventlog.events for insert to readside_appender
    with check (source = current_user);
create policy read_all on eventlog.events for select
    to readside_appender, readside_reader, readside_importer using (true);

-- What import and ingest brought in, to know it again.
create table eventlog.imported (
    source   text not null,
    id       text not null,
    position bigint not null,
    primary key (source, id)
);

-- The log's own facts: one row. kept_from is the first place that was not archived away.
create table eventlog.log (
    only_row    boolean primary key default true check (only_row),
    identity    uuid,
    incarnation integer,
    kept_from   bigint not null default 1 check (kept_from > 0)
);
insert into eventlog.log default values;

-- Where the log has lived. A restored, cloned or failed-over log is another
-- incarnation. Its number is drawn at random, so that two copies of one log differ.
create table eventlog.incarnations (
    number            integer generated always as identity primary key,
    incarnation       integer not null unique,
    system_identifier bigint not null,
    timeline          integer not null,
    database          oid not null,
    relation          oid not null,
    began_at          timestamptz not null default now(),
    began_after       bigint not null
);

-- Up to here every place was proved to hold its event or to stay empty for ever.
create table eventlog.settled (
    only_row boolean primary key default true check (only_row),
    position bigint not null default 0
);
insert into eventlog.settled default values;

-- open_log answers which log this is, and begins a new incarnation where the
-- database is not the one in which the last began.
-- +goose StatementBegin
create function eventlog.open_log(out identity uuid, out incarnation integer)
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
    select l.identity, l.incarnation into open_log.identity, open_log.incarnation from eventlog.log l;
end $$;
-- +goose StatementEnd

-- settle writes down what a reader proved. It never goes back, and never past the last event.
-- +goose StatementBegin
create function eventlog.settle(proved bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update eventlog.settled s
       set position = least(proved, (select max(e.position) from eventlog.events e))
     where s.position < least(proved, (select max(e.position) from eventlog.events e))
$$;
-- +goose StatementEnd

-- holders are the transactions that have appended, or may have, and have not ended.
-- Definer's rights, since pg_stat_activity hides other roles' sessions.
-- +goose StatementBegin
create function eventlog.holders(
    out virtual_transaction text, out pid integer, out application text, out role text,
    out since timestamptz, out transaction_id text, out prepared text)
returns setof record
language sql security definer set search_path = pg_catalog, pg_temp as $$
    select h.virtualtransaction, h.pid, coalesce(a.application_name, ''),
           coalesce(a.usename::text, p.owner::text, ''), coalesce(a.xact_start, p.prepared),
           coalesce(x.transactionid::text, ''), coalesce(p.gid, '')
      from pg_locks h
      left join pg_stat_activity a on a.pid = h.pid
      left join pg_locks x on x.virtualtransaction = h.virtualtransaction and x.pid is not distinct from h.pid
           and x.locktype = 'transactionid' and x.mode = 'ExclusiveLock' and x.granted
      left join pg_prepared_xacts p on h.pid is null and p.transaction = x.transactionid
     where h.locktype = 'relation' and h.relation = 'eventlog.events'::regclass
       and h.database = (select d.oid from pg_database d where d.datname = current_database())
       and h.mode = 'RowExclusiveLock' and h.granted
     order by 5 nulls first
$$;
-- +goose StatementEnd

-- create_reaction_tables gives a service's schema what eventlog/reaction keeps there:
-- its checkpoints, its inbox (every event it has reacted to, so that it does so once
-- even where the log is read again from the start) and the events it could not handle.
-- A service's own migration calls it, and grants its role all four rights on them.
-- +goose StatementBegin
create function eventlog.create_reaction_tables(service_schema text) returns void
language plpgsql as $$
begin
    execute format('create table %I.reaction_checkpoints (
        reaction    text primary key,
        log         uuid not null,
        incarnation integer not null,
        place       bigint not null check (place >= 0)
    ) with (fillfactor = 50)', service_schema);
    execute format('create table %I.inbox (
        reaction text not null,
        source   text not null,
        event_id text not null,
        primary key (reaction, source, event_id)
    )', service_schema);
    execute format('create table %I.dead_letters (
        reaction text not null,
        source   text not null,
        event_id text not null,
        type     text not null,
        stream   text not null,
        place    bigint not null,
        error    text not null,
        died_at  timestamptz not null default now(),
        primary key (reaction, source, event_id)
    )', service_schema);
end $$;
-- +goose StatementEnd

revoke all on function eventlog.create_reaction_tables(text), eventlog.open_log(), eventlog.settle(bigint), eventlog.holders() from public;
grant usage on schema eventlog to readside_appender, readside_reader, readside_importer;
grant select on eventlog.events, eventlog.log, eventlog.incarnations, eventlog.settled
    to readside_appender, readside_reader, readside_importer;
-- By column and without position: not even OVERRIDING SYSTEM VALUE may choose a place.
grant insert (version, time, schema_version, id, source, type, stream,
              correlation_id, causation_id, traceparent, person_id, data)
    on eventlog.events to readside_appender, readside_importer;
grant select, insert on eventlog.imported to readside_importer;
grant execute on function eventlog.open_log(), eventlog.holders()
    to readside_appender, readside_reader, readside_importer;
grant execute on function eventlog.settle(bigint) to readside_reader;

-- +goose Down
-- The roles stay, and what they are members of: other databases of the cluster may use them.
drop schema eventlog cascade;
