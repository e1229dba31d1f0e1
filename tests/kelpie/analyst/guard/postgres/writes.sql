-- What changes something. `engine: refuses` says that the engine alone, without the guard, refuses it too: a role that
-- may only read, in a transaction that may only read.

-- title: drops a table
-- verdict: refused query_only
-- engine: refuses
DROP TABLE flights

-- title: deletes rows
-- verdict: refused query_only
-- engine: refuses
DELETE FROM flights

-- title: updates rows
-- verdict: refused query_only
-- engine: refuses
UPDATE flights SET arr_delay = 0

-- title: inserts rows
-- verdict: refused query_only
-- engine: refuses
INSERT INTO airlines VALUES ('XX', 'Nobody')

-- title: merges
-- verdict: refused query_only
-- engine: refuses
MERGE INTO airlines USING flights ON airlines.carrier = flights.carrier WHEN MATCHED THEN DELETE

-- title: truncates
-- verdict: refused query_only
-- engine: refuses
TRUNCATE flights

-- title: creates a table from a query
-- verdict: refused query_only
-- engine: refuses
CREATE TABLE stolen AS SELECT * FROM flights

-- title: selects into a new table
-- verdict: refused no_writes
-- engine: refuses
SELECT * INTO stolen FROM flights

-- title: selects into a temporary table, which would cover an allowed one
-- verdict: refused no_writes
-- engine: refuses
SELECT * INTO TEMP flights FROM airlines

-- title: creates a function
-- verdict: refused query_only
-- engine: refuses
CREATE FUNCTION lower(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'

-- title: creates a view
-- verdict: refused query_only
-- engine: refuses
CREATE VIEW v AS SELECT * FROM flights

-- title: alters a table
-- verdict: refused query_only
-- engine: refuses
ALTER TABLE flights DROP COLUMN arr_delay

-- title: grants
-- verdict: refused query_only
-- engine: refuses
GRANT ALL ON salaries TO PUBLIC

-- title: deletes inside a common table expression
-- verdict: refused no_writes
-- engine: refuses
WITH gone AS (DELETE FROM flights RETURNING *) SELECT count(*) FROM gone

-- title: inserts inside a common table expression
-- verdict: refused no_writes
-- engine: refuses
WITH more AS (INSERT INTO airlines VALUES ('XX', 'Nobody') RETURNING carrier) SELECT * FROM more

-- title: updates inside a common table expression that nobody reads
-- verdict: refused no_writes
-- engine: refuses
WITH x AS (UPDATE flights SET arr_delay = 0) SELECT 1

-- title: ends the transaction that may only read, and writes in another
-- verdict: refused one_statement
-- engine: refuses
COMMIT; DROP TABLE flights

-- title: a second statement behind a harmless one
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; DROP TABLE flights

-- title: locks rows
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM flights FOR UPDATE

-- title: locks rows for others' writes
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM flights FOR KEY SHARE SKIP LOCKED

-- title: locks rows in a subquery
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM (SELECT * FROM flights FOR NO KEY UPDATE) AS f

-- title: locks a table
-- verdict: refused query_only
-- engine: refuses
LOCK TABLE flights IN ACCESS EXCLUSIVE MODE

-- title: moves a sequence on
-- verdict: refused function
-- engine: refuses
SELECT nextval('tickets')

-- title: sets a sequence
-- verdict: refused function
-- engine: refuses
SELECT setval('tickets', 1)

-- title: code of a procedural language
-- verdict: refused query_only
-- engine: refuses
DO $$ BEGIN EXECUTE 'DROP TABLE flights'; END $$

-- title: calls a procedure
-- verdict: refused query_only
-- engine: refuses
CALL refresh()

-- title: prepares a statement to be run later
-- verdict: refused query_only
PREPARE later AS DELETE FROM flights

-- title: runs a prepared statement
-- verdict: refused query_only
-- engine: refuses
EXECUTE later

-- title: vacuums
-- verdict: refused query_only
-- engine: refuses
VACUUM FULL flights

-- title: a large object
-- verdict: refused function
-- engine: refuses
SELECT lo_create(0)

-- title: writes into a large object
-- verdict: refused function
-- engine: refuses
SELECT lo_put(1, 0, 'x')
