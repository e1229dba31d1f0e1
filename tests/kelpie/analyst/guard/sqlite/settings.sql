-- What changes or reads how the engine is set up, or tells about the database beyond the allowed tables.

-- title: turns off a guard of the engine
-- verdict: refused query_only
-- engine: refuses
PRAGMA writable_schema = ON

-- title: reads a pragma
-- verdict: refused query_only
-- engine: refuses
PRAGMA table_info(salaries)

-- title: a pragma as a table function
-- verdict: refused function
-- engine: refuses
SELECT * FROM pragma_table_info('salaries')

-- title: a pragma as a table
-- verdict: refused table
-- engine: refuses
SELECT * FROM pragma_database_list

-- title: the catalogue
-- verdict: refused table
SELECT * FROM sqlite_master

-- title: the catalogue by its newer name
-- verdict: refused table
SELECT sql FROM sqlite_schema

-- title: the catalogue of temporary things
-- verdict: refused table
SELECT * FROM sqlite_temp_master

-- title: the catalogue behind an allowed table
-- verdict: refused table
SELECT * FROM flights JOIN main.sqlite_master ON true

-- title: the catalogue after IN, where a bare name is a table
-- verdict: refused table
SELECT * FROM flights WHERE carrier IN sqlite_sequence

-- title: the pages of the file
-- verdict: refused table
-- engine: refuses
SELECT * FROM sqlite_dbpage

-- title: which version runs
-- verdict: refused function
SELECT sqlite_version()

-- title: how the engine was built
-- verdict: refused function
SELECT sqlite_compileoption_get(1)

-- title: what the connection did before
-- verdict: refused function
SELECT total_changes(), changes(), last_insert_rowid()

-- title: explains
-- verdict: refused query_only
EXPLAIN SELECT * FROM salaries

-- title: explains the plan
-- verdict: refused query_only
EXPLAIN QUERY PLAN SELECT * FROM salaries

-- title: savepoints
-- verdict: refused query_only
-- engine: refuses
SAVEPOINT here

-- title: raises, as only a trigger may
-- verdict: refused function
-- engine: refuses
SELECT RAISE(ABORT, 'stop') FROM flights
