-- What reaches files, other servers or other sessions, or holds the server up.

-- title: writes rows into a file
-- verdict: refused not_understood
-- engine: refuses
SELECT * FROM flights INTO OUTFILE '/tmp/out'

-- title: writes rows into a file, said early
-- verdict: refused not_understood
-- engine: refuses
SELECT * INTO OUTFILE '/tmp/out' FROM flights

-- title: writes a value into a file
-- verdict: refused not_understood
-- engine: refuses
SELECT 'x' INTO DUMPFILE '/tmp/out'

-- title: writes into a file from the second part of a union
-- verdict: refused not_understood
-- engine: refuses
SELECT 1 UNION SELECT 2 INTO OUTFILE '/tmp/out'

-- title: writes into a variable
-- verdict: refused no_writes
SELECT count(*) INTO @n FROM flights

-- title: reads a file
-- verdict: refused function
SELECT LOAD_FILE('/etc/passwd')

-- title: reads a file in a condition
-- verdict: refused function
SELECT * FROM flights WHERE carrier = LOAD_FILE('/etc/passwd')

-- title: loads a file into a table
-- verdict: refused not_understood
-- engine: refuses
LOAD DATA INFILE '/etc/passwd' INTO TABLE airlines

-- title: loads a file of the client
-- verdict: refused not_understood
-- engine: refuses
LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE airlines

-- title: sleeps
-- verdict: refused function
SELECT SLEEP(5)

-- title: sleeps for each row
-- verdict: refused function
SELECT * FROM flights WHERE SLEEP(1) = 0

-- title: counts to a billion
-- verdict: refused function
SELECT BENCHMARK(1000000000, SHA2('x', 512))

-- title: a lock by name
-- verdict: refused function
SELECT GET_LOCK('everything', 10)

-- title: lets a lock go
-- verdict: refused function
SELECT RELEASE_LOCK('everything')

-- title: who holds a lock
-- verdict: refused function
SELECT IS_USED_LOCK('everything')

-- title: waits for a replica
-- verdict: refused function
SELECT MASTER_POS_WAIT('file', 4, 10)

-- title: a program by a library that some have installed
-- verdict: refused function
-- engine: refuses
SELECT sys_exec('id')

-- title: a value in an error by XML
-- verdict: refused function
SELECT EXTRACTVALUE('<a/>', CONCAT('~', (SELECT name FROM airlines LIMIT 1)))

-- title: a value in an error by changing XML
-- verdict: refused function
SELECT UPDATEXML('<a/>', CONCAT('~', carrier), 'x') FROM flights

-- title: installs a plugin
-- verdict: refused not_understood
-- engine: refuses
INSTALL PLUGIN evil SONAME 'evil.so'

-- title: ends the server
-- verdict: refused query_only
-- engine: refuses
SHUTDOWN

-- title: asks for an analysis that old servers ran as a procedure
-- verdict: refused not_understood
SELECT * FROM flights PROCEDURE ANALYSE()
