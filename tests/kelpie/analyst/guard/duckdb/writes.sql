-- What changes something. `engine: refuses` says that the engine alone, without the guard, refuses it too.

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

-- title: creates a table from a query
-- verdict: refused query_only
-- engine: refuses
CREATE TABLE stolen AS SELECT * FROM flights

-- title: creates a view that a later query would read
-- verdict: refused query_only
-- engine: refuses
CREATE VIEW flights2 AS SELECT * FROM flights

-- title: alters a table
-- verdict: refused query_only
-- engine: refuses
ALTER TABLE flights DROP COLUMN arr_delay

-- title: deletes inside a common table expression
-- verdict: refused no_writes
-- engine: refuses
WITH gone AS (DELETE FROM flights RETURNING *) SELECT count(*) FROM gone

-- title: inserts inside a common table expression
-- verdict: refused no_writes
-- engine: refuses
WITH more AS (INSERT INTO airlines VALUES ('XX', 'Nobody') RETURNING carrier) SELECT * FROM more

-- title: selects into a new table
-- verdict: refused no_writes
-- engine: refuses
SELECT * INTO stolen FROM flights

-- title: a second statement behind a harmless one
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; DROP TABLE flights

-- title: a second statement behind a comment
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; -- nothing here
DELETE FROM flights

-- title: merges
-- verdict: refused query_only
-- engine: refuses
MERGE INTO airlines USING flights ON airlines.carrier = flights.carrier WHEN MATCHED THEN DELETE

-- title: truncates
-- verdict: refused query_only
-- engine: refuses
TRUNCATE flights

-- title: begins a transaction
-- verdict: refused query_only
BEGIN TRANSACTION

-- title: locks rows
-- verdict: refused no_locks
SELECT * FROM flights FOR UPDATE

-- title: moves a sequence on
-- verdict: refused function
-- engine: refuses
SELECT nextval('tickets')

-- title: vacuums
-- verdict: refused query_only
VACUUM

-- title: a prepared statement to be run later
-- verdict: refused query_only
PREPARE later AS DELETE FROM flights
