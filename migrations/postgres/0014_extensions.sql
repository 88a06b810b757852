-- Events of other systems keep the attributes of their envelope that the log has no column
-- for. The column is null for all others, so that adding it rewrites nothing.

-- +goose Up
alter table eventlog.events add column if not exists extensions json;
comment on column eventlog.events.extensions is 'attributes of an imported event''s envelope that no column holds, by name; null if there are none';
alter table eventlog.events drop constraint if exists events_extensions_object;
alter table eventlog.events add constraint events_extensions_object
    check (extensions is null or (json_typeof(extensions) = 'object' and octet_length(extensions::text) <= 8192)) not valid;
grant insert (extensions) on eventlog.events to readside_importer;

-- +goose Down
-- The version before has no room for these attributes.
-- +goose StatementBegin
do $$
begin
    if exists (select from eventlog.events where extensions is not null) then
        raise exception 'events of other systems have attributes that the version before would lose: export the events, and import them there without these attributes';
    end if;
end $$;
-- +goose StatementEnd
alter table eventlog.events drop column extensions;
