-- What reaches files, programs, other servers or other sessions.

-- title: copies a query to a program
-- verdict: refused query_only
-- engine: refuses
COPY (SELECT * FROM flights) TO PROGRAM 'sh'

-- title: copies a file into a table
-- verdict: refused query_only
-- engine: refuses
COPY flights FROM '/etc/passwd'

-- title: copies a table to the client
-- verdict: refused query_only
-- engine: refuses
COPY salaries TO STDOUT

-- title: reads a file
-- verdict: refused function
-- engine: refuses
SELECT pg_read_file('/etc/passwd')

-- title: reads a file as bytes
-- verdict: refused function
-- engine: refuses
SELECT pg_read_binary_file('postgresql.conf')

-- title: lists a folder
-- verdict: refused function
-- engine: refuses
SELECT pg_ls_dir('.')

-- title: lists a folder as a table
-- verdict: refused tables_only
-- engine: refuses
SELECT * FROM flights, LATERAL pg_ls_dir('.') AS f

-- title: a file as a large object
-- verdict: refused function
-- engine: refuses
SELECT lo_import('/etc/passwd')

-- title: a large object as a file
-- verdict: refused function
-- engine: refuses
SELECT lo_export(1, '/tmp/out')

-- title: reads a large object
-- verdict: refused function
-- engine: refuses
SELECT lo_get(1)

-- title: asks another server
-- verdict: refused function
-- engine: refuses
SELECT * FROM dblink('host=127.0.0.1', 'SELECT 1') AS t(a integer)

-- title: asks another server for a value
-- verdict: refused function
-- engine: refuses
SELECT dblink_exec('host=127.0.0.1', 'DROP TABLE flights')

-- title: ends other sessions
-- verdict: refused function
SELECT pg_terminate_backend(pid) FROM flights

-- title: stops the query of another session
-- verdict: refused function
SELECT pg_cancel_backend(1)

-- title: reads the configuration again
-- verdict: refused function
-- engine: refuses
SELECT pg_reload_conf()

-- title: a lock of its own making, held until the session ends
-- verdict: refused function
SELECT pg_advisory_lock(1)

-- title: speaks to other sessions
-- verdict: refused function
SELECT pg_notify('channel', 'hello')

-- title: listens to other sessions
-- verdict: refused query_only
LISTEN channel

-- title: speaks to other sessions by a statement
-- verdict: refused not_understood
NOTIFY channel, 'hello'

-- title: sleeps
-- verdict: refused function
SELECT pg_sleep(5)

-- title: sleeps in a condition
-- verdict: refused function
SELECT * FROM flights WHERE pg_sleep(1) IS NULL

-- title: sleeps, by the schema of the catalogue
-- verdict: refused function
SELECT pg_catalog.pg_sleep(5)

-- title: sleeps, in quotes
-- verdict: refused function
SELECT "pg_sleep"(5)

-- title: SQL in a text, as XML
-- verdict: refused function
SELECT query_to_xml('SELECT * FROM salaries', true, true, '')

-- title: a table in a text, as XML
-- verdict: refused function
SELECT table_to_xml('salaries', true, true, '')

-- title: the whole database as XML
-- verdict: refused function
SELECT database_to_xml(true, true, '')

-- title: an open cursor as XML
-- verdict: refused function
-- engine: refuses
SELECT cursor_to_xml('c', 10, true, true, '')

-- title: SQL in a text, by a full-text function
-- verdict: refused function
SELECT ts_stat('SELECT to_tsvector(person) FROM salaries')

-- title: loads a library
-- verdict: refused query_only
-- engine: refuses
LOAD 'evil'

-- title: declares a cursor
-- verdict: refused query_only
DECLARE c CURSOR FOR SELECT * FROM salaries
