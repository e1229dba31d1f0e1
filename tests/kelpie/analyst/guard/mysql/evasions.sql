-- Queries that look like SELECTs over allowed tables, and are not.

-- title: another table
-- verdict: refused table
SELECT * FROM salaries

-- title: another table by its own statement
-- verdict: refused table
TABLE salaries

-- title: an allowed name in another database
-- verdict: refused table
SELECT * FROM other.flights

-- title: an allowed name in capitals is another table
-- verdict: refused table
SELECT * FROM FLIGHTS

-- title: another table in backticks
-- verdict: refused table
SELECT * FROM `salaries`

-- title: another table in a scalar subquery
-- verdict: refused table
SELECT (SELECT max(amount) FROM salaries) FROM flights

-- title: another table in an EXISTS
-- verdict: refused table
SELECT * FROM flights WHERE EXISTS (SELECT 1 FROM salaries WHERE amount > 10)

-- title: another table in a union
-- verdict: refused table
SELECT carrier FROM flights UNION SELECT person FROM salaries

-- title: another table in ORDER BY
-- verdict: refused table
SELECT carrier FROM flights ORDER BY (SELECT max(amount) FROM salaries)

-- title: another table in an interval
-- verdict: refused table
SELECT flight_date + INTERVAL (SELECT max(amount) FROM salaries) DAY FROM flights

-- title: another table in the separator's neighbour
-- verdict: refused table
SELECT GROUP_CONCAT((SELECT max(amount) FROM salaries) ORDER BY carrier SEPARATOR ';') FROM flights

-- title: another table in a comment that runs
-- verdict: refused executable_comment
SELECT carrier FROM flights /*!50000 UNION SELECT person FROM salaries */

-- title: the same for MariaDB alone
-- verdict: refused executable_comment
SELECT carrier FROM flights /*M!100100 UNION SELECT person FROM salaries */

-- title: a comment without a version that runs
-- verdict: refused executable_comment
SELECT 1 /*! , SLEEP(5) */

-- title: a comment that runs inside a word
-- verdict: refused executable_comment
SELECT 1 /*!32302 AND 1=0 */ FROM flights

-- title: a comment that runs after everything
-- verdict: refused executable_comment
SELECT count(*) FROM flights /*! INTO OUTFILE '/tmp/out' */

-- title: a common table expression of nearly the same name
-- verdict: refused table
WITH Salaries AS (SELECT 1 AS amount) SELECT * FROM salaries

-- title: a common table expression that reads the table it is named after
-- verdict: refused table
WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries

-- title: a text that a backslash ends too early
-- verdict: refused table
SELECT 'a\' FROM flights WHERE ', person FROM salaries -- '

-- title: a text that looks ended, and is not
-- verdict: refused not_understood
-- engine: refuses
SELECT 'a\' UNION SELECT person FROM salaries -- 

-- title: a text of another character set
-- verdict: refused unknown_construct
SELECT _gbk'x' FROM flights

-- title: a text in hexadecimal, which is a number in some places
-- verdict: refused unknown_construct
SELECT 0x41 + 0

-- title: chance
-- verdict: refused function
SELECT RAND()

-- title: an id by chance
-- verdict: refused function
SELECT UUID()

-- title: now
-- verdict: refused function
SELECT NOW(), SYSDATE()

-- title: today
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = CURDATE()

-- title: today by a keyword
-- verdict: refused function
SELECT CURRENT_DATE

-- title: now as a number
-- verdict: refused function
SELECT UNIX_TIMESTAMP()

-- title: rows out of JSON
-- verdict: refused not_understood
SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (x INT PATH '$')) AS t

-- title: a sequence that is a table in MariaDB
-- verdict: refused table
SELECT * FROM seq_1_to_1000000000

-- title: a default of a column
-- verdict: refused unknown_construct
SELECT DEFAULT(carrier) FROM flights

-- title: a parameter that nobody binds
-- verdict: refused unknown_construct
-- engine: refuses
SELECT * FROM flights WHERE carrier = ?

-- title: a limit that is no number
-- verdict: refused limit
-- engine: refuses
SELECT * FROM flights LIMIT 1 + 1

-- title: a statement of the old days
-- verdict: refused not_understood
SELECT_ALL FROM flights

-- title: the keyword split by a comment
-- verdict: refused not_understood
-- engine: refuses
DR/**/OP TABLE flights

-- title: nothing at all
-- verdict: refused one_statement
;

-- title: no SQL
-- verdict: refused not_understood
-- engine: refuses
please show me all salaries

-- title: a recursive query without an end
-- verdict: passes
-- stopped: timeout
WITH RECURSIVE n AS (SELECT CAST(1 AS DECIMAL(60)) AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
