-- Users of a ClickHouse server of your own, with the promises that the embedded one gives:
-- nobody reads or writes outside of the mart, and no reader stops the projector or `serve`.
-- Run it as an administrator, after `readside project` has made the databases `readside` and
-- `mart`, with passwords of your own in place of the three below. It may be run again.

-- 1. What one statement may take. CONST and the bounds hold against settings in the address
-- and in the statement. max_execution_time is left to drivers within its bound.
CREATE SETTINGS PROFILE OR REPLACE readside_serve SETTINGS
    readonly = 2 CONST,
    allow_ddl = 0 CONST,
    allow_introspection_functions = 0 CONST,
    max_execution_time = 30 MIN 1 MAX 60,
    timeout_overflow_mode = 'throw' CONST,
    max_memory_usage = 2000000000 MIN 1 MAX 2000000000,
    max_result_rows = 10000000 MIN 1 MAX 10000000,
    max_result_bytes = 1000000000 MIN 1 MAX 1000000000,
    result_overflow_mode = 'throw' CONST,
    max_threads = 2 MIN 1 MAX 2,
    max_concurrent_queries_for_user = 8 CONST,
    max_memory_usage_for_user = 8000000000 CONST,
    max_temporary_data_on_disk_size_for_user = 1000000000 CONST,
    format_schema = '' CONST,
    http_send_timeout = 5 MIN 1 MAX 30,
    http_receive_timeout = 5 MIN 1 MAX 30;

CREATE SETTINGS PROFILE OR REPLACE readside_reader SETTINGS
    max_memory_usage = 1000000000 MIN 1 MAX 1000000000,
    max_threads = 1 MIN 1 MAX 1,
    max_concurrent_queries_for_user = 4 CONST,
    max_memory_usage_for_user = 4000000000 CONST,
    priority = 1 CONST,
    INHERIT readside_serve;

-- 2. Who may do what. Readers have no right to sources (FILE, URL, S3, REMOTE and others),
-- to dictionaries, to other databases, or to name a function of their own.
CREATE USER IF NOT EXISTS readside_projector IDENTIFIED WITH sha256_password BY 'change-me-1'
    SETTINGS default_normal_view_sql_security = 'DEFINER', default_view_definer = 'CURRENT_USER';
CREATE USER IF NOT EXISTS readside_serve IDENTIFIED WITH sha256_password BY 'change-me-2' SETTINGS PROFILE readside_serve;
CREATE USER IF NOT EXISTS readside_reader IDENTIFIED WITH sha256_password BY 'change-me-3' SETTINGS PROFILE readside_reader;

GRANT SELECT, INSERT, ALTER, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE ON readside.* TO readside_projector;
GRANT SELECT, CREATE DATABASE, CREATE VIEW, DROP VIEW ON mart.* TO readside_projector;
GRANT SELECT ON system.tables TO readside_projector;
GRANT SELECT ON system.columns TO readside_projector;
GRANT SELECT ON system.parts TO readside_projector;
GRANT SELECT ON system.processes TO readside_projector;
GRANT KILL QUERY ON *.* TO readside_projector;

-- The mart's views read the facts as the projector that made them (its settings above), so
-- that readers need no right to the facts themselves. Views that were made before this script
-- ran are made anew by `readside rebuild facts`.
GRANT SELECT ON mart.* TO readside_serve;
GRANT SELECT ON mart.* TO readside_reader;

-- 3. How much in all. `serve` has no quota: its reports are its developers' own.
CREATE QUOTA OR REPLACE readside_reader KEYED BY user_name
    FOR INTERVAL 1 MINUTE MAX queries = 3000, execution_time = 120
    TO readside_reader;
