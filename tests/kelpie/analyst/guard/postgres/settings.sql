-- What changes or reads how the server and the session are set up.

-- title: says it is somebody else
-- verdict: refused function
SELECT set_config('app.tenant', 'other', false)

-- title: says it is somebody else, inside a condition
-- verdict: refused function
SELECT * FROM flights WHERE set_config('app.tenant', 'other', true) = 'other'

-- title: says it is somebody else, by the schema of the catalogue
-- verdict: refused function
SELECT pg_catalog.set_config('app.tenant', 'other', false)

-- title: says it is somebody else, in a common table expression
-- verdict: refused function
WITH s AS MATERIALIZED (SELECT set_config('app.tenant', 'other', false)) SELECT * FROM flights, s

-- title: sets a setting
-- verdict: refused query_only
SET app.tenant = 'other'

-- title: takes another role
-- verdict: refused query_only
-- engine: refuses
SET ROLE postgres

-- title: takes the deadline off
-- verdict: refused query_only
SET statement_timeout = 0

-- title: resets all
-- verdict: refused query_only
RESET ALL

-- title: throws the session's state away
-- verdict: refused query_only
DISCARD ALL

-- title: may write from now on
-- verdict: refused query_only
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE

-- title: reads a setting
-- verdict: refused function
SELECT current_setting('data_directory')

-- title: shows a setting
-- verdict: refused query_only
SHOW ALL

-- title: which version runs
-- verdict: refused function
SELECT version()

-- title: who asks
-- verdict: refused function
SELECT current_user

-- title: who asks, by a name that looks like a column
-- verdict: refused function
SELECT user FROM flights

-- title: who asks, by another
-- verdict: refused function
SELECT current_role

-- title: which database
-- verdict: refused function
SELECT current_database()

-- title: where a row lies
-- verdict: refused function
SELECT ctid, xmin FROM flights

-- title: which table a row is of
-- verdict: refused function
SELECT tableoid FROM flights

-- title: where the server is
-- verdict: refused function
SELECT inet_server_addr()

-- title: the catalogue of tables
-- verdict: refused table
SELECT * FROM pg_class

-- title: the catalogue by its schema
-- verdict: refused table
SELECT * FROM pg_catalog.pg_tables

-- title: the catalogue by its standard name
-- verdict: refused table
SELECT * FROM information_schema.columns

-- title: what others ask
-- verdict: refused table
SELECT query FROM pg_stat_activity

-- title: settings as a table
-- verdict: refused table
SELECT * FROM pg_settings

-- title: what values a column of another table has
-- verdict: refused table
SELECT most_common_vals FROM pg_stats

-- title: passwords
-- verdict: refused table
-- engine: refuses
SELECT * FROM pg_shadow

-- title: whether a table is there, by a cast
-- verdict: refused type
SELECT 'salaries'::regclass

-- title: the same, by the schema of the catalogue
-- verdict: refused type
SELECT CAST('salaries' AS pg_catalog.regclass)

-- title: the number of a table
-- verdict: refused type
SELECT 'salaries'::regclass::oid

-- title: names of roles
-- verdict: refused type
SELECT 10::regrole

-- title: whether a table is there, by a function
-- verdict: refused function
SELECT to_regclass('salaries')

-- title: the size of a table
-- verdict: refused function
SELECT pg_total_relation_size('flights')

-- title: the source of a view
-- verdict: refused function
SELECT pg_get_viewdef('pg_tables')

-- title: what a role may do
-- verdict: refused function
SELECT has_table_privilege('salaries', 'SELECT')

-- title: explains and runs
-- verdict: refused query_only
EXPLAIN ANALYZE SELECT * FROM flights
