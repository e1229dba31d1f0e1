-- What changes or reads how the engine is set up, or tells about the server.

-- title: changes a setting
-- verdict: refused query_only
-- engine: refuses
SET enable_external_access = true

-- title: resets a setting
-- verdict: refused query_only
-- engine: refuses
RESET threads

-- title: a pragma
-- verdict: refused query_only
-- engine: refuses
PRAGMA threads = 8

-- title: calls a procedure
-- verdict: refused query_only
CALL pragma_version()

-- title: reads a setting
-- verdict: refused function
SELECT current_setting('memory_limit')

-- title: reads all settings
-- verdict: refused function
SELECT * FROM duckdb_settings()

-- title: reads the catalogue by a function
-- verdict: refused function
SELECT * FROM duckdb_tables()

-- title: reads the catalogue by its standard name
-- verdict: refused table
SELECT * FROM information_schema.tables

-- title: reads the catalogue as SQLite names it
-- verdict: refused table
SELECT * FROM sqlite_master

-- title: describes a table
-- verdict: refused query_only
DESCRIBE flights

-- title: describes a table inside a query
-- verdict: refused unknown_construct
SELECT * FROM (DESCRIBE salaries)

-- title: summarizes a table inside a query
-- verdict: refused unknown_construct
SELECT * FROM (SUMMARIZE salaries)

-- title: shows tables
-- verdict: refused query_only
SHOW TABLES

-- title: explains and runs
-- verdict: refused query_only
EXPLAIN ANALYZE SELECT * FROM salaries

-- title: writes the engine's log
-- verdict: refused function
SELECT write_log('hello')

-- title: sleeps
-- verdict: refused function
SELECT sleep_ms(1000000)

-- title: reads an environment variable
-- verdict: refused function
SELECT getenv('HOME')

-- title: sets a variable
-- verdict: refused query_only
SET VARIABLE x = 1

-- title: reads a variable
-- verdict: refused function
SELECT getvariable('x')

-- title: switches to another database
-- verdict: refused query_only
USE memory
