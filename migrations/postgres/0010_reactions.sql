-- What operators see of services' reactions, whichever schema they keep their tables in.

-- +goose Up
-- The schemas that have reactions' tables: create_reaction_tables enters them.
create table eventlog.reaction_schemas (service_schema text primary key);

-- extend_reaction_tables brings a schema with reactions' tables to their newest form.
-- +goose StatementBegin
create function eventlog.extend_reaction_tables(service_schema text) returns void
language plpgsql as $$
declare
    grantee text;
begin
    -- Written by the running reaction itself: apart from its checkpoint, which is locked
    -- for as long as a transaction of it lasts.
    execute format('create table if not exists %I.reaction_states (
        reaction      text primary key,
        error         text not null default '''',
        failing_since timestamptz,
        alive_until   timestamptz not null,
        updated_at    timestamptz not null default clock_timestamp()
    ) with (fillfactor = 50)', service_schema);
    execute format('alter table %I.dead_letters add column if not exists discarded_at timestamptz', service_schema);
    for grantee in
        select distinct a.grantee::regrole::text from pg_class c, aclexplode(c.relacl) a
         where c.oid = format('%I.inbox', service_schema)::regclass and a.privilege_type = 'INSERT' and a.grantee <> c.relowner and a.grantee <> 0
    loop
        execute format('grant select, insert, update, delete on %I.reaction_states to %s', service_schema, grantee);
    end loop;
    insert into eventlog.reaction_schemas values (service_schema) on conflict do nothing;
end $$;
-- +goose StatementEnd

alter function eventlog.create_reaction_tables(text) rename to create_first_reaction_tables;

-- create_reaction_tables gives a service's schema what eventlog/reaction keeps there: its
-- checkpoints, its inbox (every event it has reacted to, so that it does so once even
-- where the log is read again from the start), the events it could not handle, and how
-- the running reaction does. A service's own migration calls it, and grants its role all
-- four rights on them.
-- +goose StatementBegin
create function eventlog.create_reaction_tables(service_schema text) returns void
language plpgsql as $$
begin
    perform eventlog.create_first_reaction_tables(service_schema);
    perform eventlog.extend_reaction_tables(service_schema);
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    service_schema text;
begin
    for service_schema in
        select n.nspname from pg_namespace n join pg_class c on c.relnamespace = n.oid
         where c.relkind = 'r' and c.relname in ('reaction_checkpoints', 'inbox', 'dead_letters')
         group by n.nspname having count(*) = 3
    loop
        perform eventlog.extend_reaction_tables(service_schema);
    end loop;
end $$;
-- +goose StatementEnd

-- reactions are all reactions of all services, with how they do: of a service's other
-- tables its caller learns nothing.
-- +goose StatementBegin
create function eventlog.reactions()
returns table (service_schema text, reaction text, log uuid, incarnation integer, place bigint, alive boolean,
               error text, failing_since timestamptz, updated_at timestamptz, dead_letters bigint, discarded bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    s text;
begin
    for s in select r.service_schema from eventlog.reaction_schemas r
              where to_regclass(format('%I.reaction_states', r.service_schema)) is not null order by 1
    loop
        return query execute format(
            'select %1$L::text, c.reaction, c.log, c.incarnation, c.place, coalesce(t.alive_until > clock_timestamp(), false),
                    coalesce(t.error, ''''), t.failing_since, t.updated_at,
                    (select count(*) from %1$I.dead_letters d where d.reaction = c.reaction and d.discarded_at is null),
                    (select count(*) from %1$I.dead_letters d where d.reaction = c.reaction and d.discarded_at is not null)
               from %1$I.reaction_checkpoints c left join %1$I.reaction_states t on t.reaction = c.reaction order by c.reaction', s);
    end loop;
end $$;
-- +goose StatementEnd

revoke all on function eventlog.create_first_reaction_tables(text), eventlog.create_reaction_tables(text), eventlog.extend_reaction_tables(text), eventlog.reactions() from public;
grant execute on function eventlog.reactions() to readside_reader;

-- +goose Down
drop function eventlog.reactions();
-- +goose StatementBegin
do $$
declare
    s text;
begin
    for s in select r.service_schema from eventlog.reaction_schemas r where to_regclass(format('%I.dead_letters', r.service_schema)) is not null
    loop
        execute format('delete from %I.dead_letters where discarded_at is not null', s);
        execute format('alter table %I.dead_letters drop column discarded_at', s);
        execute format('drop table %I.reaction_states', s);
    end loop;
end $$;
-- +goose StatementEnd
drop function eventlog.create_reaction_tables(text);
drop function eventlog.extend_reaction_tables(text);
alter function eventlog.create_first_reaction_tables(text) rename to create_reaction_tables;
drop table if exists eventlog.reaction_schemas;
