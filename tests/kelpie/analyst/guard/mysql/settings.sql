-- What changes or reads how the server and the session are set up, and what it tells about itself.

-- title: sets a setting of the session
-- verdict: refused query_only
SET SESSION sql_mode = 'ANSI_QUOTES'

-- title: sets a setting of the server
-- verdict: refused query_only
-- engine: refuses
SET GLOBAL read_only = 0

-- title: sets a variable
-- verdict: refused query_only
SET @tenant = 'other'

-- title: a setting for one statement alone
-- verdict: refused query_only
-- engine: refuses
SET STATEMENT max_statement_time = 0 FOR DELETE FROM flights

-- title: another character set
-- verdict: refused query_only
SET NAMES gbk

-- title: reads a setting
-- verdict: refused unknown_construct
SELECT @@datadir

-- title: reads a setting of the server
-- verdict: refused unknown_construct
SELECT @@global.secure_file_priv

-- title: reads a variable
-- verdict: refused unknown_construct
SELECT @tenant

-- title: sets a variable in a query
-- verdict: refused unknown_construct
SELECT @n := @n + 1 FROM flights

-- title: sets a variable in a condition
-- verdict: refused unknown_construct
SELECT * FROM flights WHERE (@x := carrier) IS NOT NULL

-- title: which version runs
-- verdict: refused function
SELECT VERSION()

-- title: who asks
-- verdict: refused function
SELECT USER(), SESSION_USER()

-- title: who asks, by a keyword
-- verdict: refused function
SELECT CURRENT_USER

-- title: which database
-- verdict: refused function
SELECT DATABASE(), SCHEMA()

-- title: which connection
-- verdict: refused function
SELECT CONNECTION_ID()

-- title: what was found by the query before
-- verdict: refused function
SELECT FOUND_ROWS(), ROW_COUNT(), LAST_INSERT_ID()

-- title: leaves a count behind for the next query
-- verdict: refused unknown_construct
SELECT SQL_CALC_FOUND_ROWS * FROM flights

-- title: goes before others
-- verdict: refused unknown_construct
SELECT HIGH_PRIORITY * FROM flights

-- title: shows databases
-- verdict: refused query_only
SHOW DATABASES

-- title: shows tables
-- verdict: refused query_only
SHOW FULL TABLES

-- title: shows how a table was made
-- verdict: refused query_only
SHOW CREATE TABLE salaries

-- title: shows what a function's warnings say
-- verdict: refused query_only
SHOW WARNINGS

-- title: shows other sessions
-- verdict: refused query_only
SHOW PROCESSLIST

-- title: describes a table
-- verdict: refused query_only
DESCRIBE salaries

-- title: describes a table, in short
-- verdict: refused query_only
DESC flights

-- title: explains
-- verdict: refused query_only
EXPLAIN SELECT * FROM flights

-- title: runs and explains
-- verdict: refused not_understood
ANALYZE SELECT * FROM flights

-- title: the catalogue
-- verdict: refused table
SELECT * FROM information_schema.tables

-- title: the catalogue in capitals
-- verdict: refused table
SELECT table_name FROM INFORMATION_SCHEMA.COLUMNS

-- title: accounts
-- verdict: refused table
-- engine: refuses
SELECT * FROM mysql.user

-- title: what others ask
-- verdict: refused table
SELECT * FROM performance_schema.threads

-- title: another database
-- verdict: refused query_only
-- engine: refuses
USE mysql

-- title: a hint to the optimizer
-- verdict: refused unknown_construct
SELECT /*+ MAX_EXECUTION_TIME(0) */ * FROM flights

-- title: an index forced upon the engine
-- verdict: refused unknown_construct
SELECT * FROM flights FORCE INDEX (PRIMARY)

-- title: a partition
-- verdict: refused unknown_construct
SELECT * FROM flights PARTITION (p0)
