-- Which application the stores belong to. Programs of any other are refused as they
-- connect: what they do not know they would drop.

-- +goose Up
create table readside.application (
  only_row     boolean primary key default true check (only_row),
  name         text not null check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  recorded_at  timestamptz not null default clock_timestamp()
);

comment on table readside.application is 'the application that this database belongs to: one row, recorded when it was migrated first';

-- Everybody who connects compares it, and nobody changes it.
grant usage on schema readside to readside_appender, readside_reader, readside_importer;
grant select on readside.application to readside_appender, readside_reader, readside_importer, readside_projector, readside_query;

-- Tables of facts outlive the generation that relieved them, for a rollback.
alter table readside.cold_watermarks add column retired_at timestamptz;
comment on column readside.cold_watermarks.retired_at is 'since when the mart shows other tables; it is dropped when the rollback window is over';

-- +goose Down
alter table readside.cold_watermarks drop column retired_at;
drop table readside.application;
revoke usage on schema readside from readside_appender, readside_reader, readside_importer;
