-- Roles without a superuser: what 0001 and 0002 ask of the role that migrates is
-- CREATEROLE, and the database.

-- +goose Up
-- Imports name other sources than their own role. That was BYPASSRLS, which only a
-- superuser can give. The attribute stays with roles that have it: roles are the
-- cluster's, and databases of the version before need it.
create policy import_all on eventlog.events for insert to readside_importer with check (true);

-- The role that migrates owns the functions that look at workers' sessions and end one of
-- them at a takeover: as a member of the roles that log in it may. By default the programs
-- act as these roles at its address, which needs the membership too.
-- +goose StatementBegin
do $$
declare
    made text;
begin
    foreach made in array array['readside_appender', 'readside_reader', 'readside_importer', 'readside_projector', 'readside_query'] loop
        if not pg_has_role(current_user, made, 'usage') then
            execute format('grant %I to current_user', made);
        end if;
    end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
-- Memberships stay: they are the cluster's.
drop policy import_all on eventlog.events;
