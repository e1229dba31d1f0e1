-- What changes something. `engine: refuses` says that the engine alone, without the guard, refuses it too: an account
-- that may only read, in a transaction that may only read.

-- title: drops a table
-- verdict: refused query_only
-- engine: refuses
DROP TABLE flights

-- title: deletes rows
-- verdict: refused query_only
-- engine: refuses
DELETE FROM flights

-- title: deletes rows of several tables
-- verdict: refused query_only
-- engine: refuses
DELETE flights, airlines FROM flights JOIN airlines

-- title: updates rows
-- verdict: refused query_only
-- engine: refuses
UPDATE flights SET arr_delay = 0

-- title: inserts rows
-- verdict: refused query_only
-- engine: refuses
INSERT INTO airlines VALUES ('XX', 'Nobody')

-- title: inserts or updates
-- verdict: refused query_only
-- engine: refuses
INSERT INTO airlines VALUES ('XX', 'Nobody') ON DUPLICATE KEY UPDATE name = 'Nobody'

-- title: replaces rows
-- verdict: refused query_only
-- engine: refuses
REPLACE INTO airlines VALUES ('UA', 'Nobody')

-- title: truncates
-- verdict: refused query_only
-- engine: refuses
TRUNCATE TABLE flights

-- title: creates a table from a query
-- verdict: refused query_only
-- engine: refuses
CREATE TABLE stolen AS SELECT * FROM flights

-- title: creates a temporary table that covers an allowed one
-- verdict: refused query_only
-- engine: refuses
CREATE TEMPORARY TABLE flights AS SELECT * FROM airlines

-- title: creates a view
-- verdict: refused query_only
-- engine: refuses
CREATE VIEW v AS SELECT * FROM flights

-- title: creates an event that runs by itself
-- verdict: refused query_only
-- engine: refuses
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM flights

-- title: creates a function out of a library
-- verdict: refused query_only
-- engine: refuses
CREATE FUNCTION sys_exec RETURNS INTEGER SONAME 'evil.so'

-- title: alters a table
-- verdict: refused query_only
-- engine: refuses
ALTER TABLE flights DROP COLUMN arr_delay

-- title: renames a table
-- verdict: refused query_only
-- engine: refuses
RENAME TABLE flights TO old

-- title: grants
-- verdict: refused query_only
-- engine: refuses
GRANT ALL ON *.* TO 'reader'@'localhost'

-- title: deletes under a common table expression
-- verdict: refused query_only
-- engine: refuses
WITH gone AS (SELECT 1) DELETE FROM flights

-- title: a second statement behind a harmless one
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; DROP TABLE flights

-- title: ends the transaction that may only read, and writes in another
-- verdict: refused one_statement
-- engine: refuses
COMMIT; DROP TABLE flights

-- title: locks rows
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM flights FOR UPDATE

-- title: locks rows against writers
-- verdict: refused no_locks
SELECT * FROM flights LOCK IN SHARE MODE

-- title: locks rows in a subquery
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM (SELECT * FROM flights FOR UPDATE) AS f

-- title: locks a table
-- verdict: refused query_only
-- engine: refuses
LOCK TABLES flights WRITE

-- title: flushes
-- verdict: refused not_understood
-- engine: refuses
FLUSH TABLES WITH READ LOCK

-- title: calls a procedure
-- verdict: refused query_only
-- engine: refuses
CALL refresh()

-- title: runs a function for nothing but its effect
-- verdict: refused not_understood
DO SLEEP(5)

-- title: begins a transaction that may write
-- verdict: refused query_only
START TRANSACTION READ WRITE

-- title: opens a table behind SQL's back
-- verdict: refused not_understood
-- engine: refuses
HANDLER salaries OPEN

-- title: reads a table behind SQL's back
-- verdict: refused not_understood
-- engine: refuses
HANDLER salaries READ FIRST

-- title: moves a sequence on
-- verdict: refused function
-- engine: refuses
SELECT NEXTVAL(tickets)

-- title: the same as the standard has it
-- verdict: refused not_understood
-- engine: refuses
SELECT NEXT VALUE FOR tickets

-- title: sets a sequence
-- verdict: refused function
-- engine: refuses
SELECT SETVAL(tickets, 1)

-- title: prepares a statement out of a text
-- verdict: refused query_only
PREPARE later FROM 'DELETE FROM flights'

-- title: runs a prepared statement
-- verdict: refused query_only
-- engine: refuses
EXECUTE later

-- title: runs a text at once
-- verdict: refused query_only
-- engine: refuses
EXECUTE IMMEDIATE 'DELETE FROM flights'

-- title: a block of statements
-- verdict: refused not_understood
-- engine: refuses
BEGIN NOT ATOMIC DELETE FROM flights; END

-- title: kills another session
-- verdict: refused query_only
-- engine: refuses
KILL 1
