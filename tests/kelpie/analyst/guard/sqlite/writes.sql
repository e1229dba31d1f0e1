-- What changes something. `engine: refuses` says that the engine alone, without the guard, refuses it too.

-- title: drops a table
-- verdict: refused query_only
-- engine: refuses
DROP TABLE flights

-- title: deletes rows
-- verdict: refused query_only
-- engine: refuses
DELETE FROM flights

-- title: deletes rows and gives them back
-- verdict: refused query_only
-- engine: refuses
DELETE FROM flights RETURNING *

-- title: updates rows
-- verdict: refused query_only
-- engine: refuses
UPDATE flights SET arr_delay = 0

-- title: inserts rows
-- verdict: refused query_only
-- engine: refuses
INSERT INTO airlines VALUES ('XX', 'Nobody')

-- title: replaces rows
-- verdict: refused query_only
-- engine: refuses
REPLACE INTO airlines VALUES ('UA', 'Nobody')

-- title: inserts or updates
-- verdict: refused query_only
-- engine: refuses
INSERT INTO airlines VALUES ('UA', 'Nobody') ON CONFLICT DO UPDATE SET name = 'Nobody'

-- title: creates a table from a query
-- verdict: refused query_only
-- engine: refuses
CREATE TABLE stolen AS SELECT * FROM flights

-- title: creates a temporary table that covers an allowed one
-- verdict: refused query_only
-- engine: refuses
CREATE TEMP TABLE flights AS SELECT * FROM salaries

-- title: creates a view
-- verdict: refused query_only
-- engine: refuses
CREATE VIEW flights2 AS SELECT * FROM salaries

-- title: creates a trigger
-- verdict: refused one_statement
-- engine: refuses
CREATE TRIGGER t AFTER INSERT ON flights BEGIN DELETE FROM airlines; END

-- title: creates a virtual table over a file
-- verdict: refused not_understood
-- engine: refuses
CREATE VIRTUAL TABLE temp.t USING csv(filename='/etc/passwd')

-- title: creates an index
-- verdict: refused query_only
-- engine: refuses
CREATE INDEX i ON flights (carrier)

-- title: alters a table
-- verdict: refused query_only
-- engine: refuses
ALTER TABLE flights RENAME TO old

-- title: deletes under a common table expression
-- verdict: refused query_only
-- engine: refuses
WITH gone AS (SELECT 1) DELETE FROM flights

-- title: deletes inside a common table expression
-- verdict: refused no_writes
-- engine: refuses
WITH gone AS (DELETE FROM flights RETURNING *) SELECT count(*) FROM gone

-- title: a second statement behind a harmless one
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; DROP TABLE flights

-- title: a second statement behind a comment
-- verdict: refused one_statement
-- engine: refuses
SELECT 1; -- nothing here
DELETE FROM flights

-- title: begins a transaction that shuts others out
-- verdict: refused query_only
-- engine: refuses
BEGIN EXCLUSIVE

-- title: commits
-- verdict: refused query_only
-- engine: refuses
COMMIT

-- title: vacuums into another file
-- verdict: refused query_only
-- engine: refuses
VACUUM INTO '/tmp/copy.sqlite'

-- title: builds indexes anew
-- verdict: refused query_only
REINDEX flights

-- title: analyzes, which writes statistics
-- verdict: refused query_only
-- engine: refuses
ANALYZE

-- title: selects into a new table
-- verdict: refused no_writes
-- engine: refuses
SELECT * INTO stolen FROM flights

-- title: locks rows, which another engine could do
-- verdict: refused no_locks
-- engine: refuses
SELECT * FROM flights FOR UPDATE
