-- Queries that look like SELECTs over allowed tables, and are not.

-- title: another table
-- verdict: refused table
SELECT * FROM salaries

-- title: another table after IN, without a SELECT
-- verdict: refused table
SELECT * FROM flights WHERE 'Ada' IN salaries

-- title: the same in a schema
-- verdict: refused table
SELECT 1 IN main.salaries

-- title: a table function after IN
-- verdict: refused table
SELECT * FROM flights WHERE hour IN generate_series(1, 2)

-- title: another table in brackets
-- verdict: refused table
SELECT * FROM [salaries]

-- title: another table in backticks
-- verdict: refused table
SELECT * FROM `salaries`

-- title: another table in single quotes, which SQLite takes for a name
-- verdict: refused table
SELECT * FROM 'salaries'

-- title: another table in capitals
-- verdict: refused table
SELECT * FROM SALARIES

-- title: another table in a scalar subquery
-- verdict: refused table
SELECT (SELECT max(amount) FROM salaries) FROM flights

-- title: another table in an EXISTS
-- verdict: refused table
SELECT * FROM flights WHERE EXISTS (SELECT 1 FROM salaries WHERE amount > 10)

-- title: another table in a union
-- verdict: refused table
SELECT carrier FROM flights UNION SELECT person FROM salaries

-- title: another table in a compound with EXCEPT
-- verdict: refused table
SELECT person FROM salaries EXCEPT SELECT carrier FROM flights

-- title: another table in ORDER BY
-- verdict: refused table
SELECT carrier FROM flights ORDER BY (SELECT max(amount) FROM salaries)

-- title: another table in LIMIT
-- verdict: refused table
SELECT carrier FROM flights LIMIT (SELECT count(*) FROM salaries)

-- title: another table in a window
-- verdict: refused table
SELECT sum(distance) OVER (PARTITION BY (SELECT max(amount) FROM salaries)) FROM flights

-- title: another table in a row value
-- verdict: refused table
SELECT * FROM flights WHERE (carrier, dest) = (SELECT person, amount FROM salaries)

-- title: a common table expression that reads the table it is named after
-- verdict: refused table
-- engine: refuses
WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries

-- title: the name of a common table expression out of its scope
-- verdict: refused table
SELECT * FROM (WITH salaries AS (SELECT 1 AS amount) SELECT * FROM salaries) AS harmless, salaries

-- title: a name that Python would fold to an allowed one, and SQLite does not
-- verdict: refused table
-- engine: refuses
WITH other AS (SELECT 1) SELECT * FROM "ſalaries"

-- title: an allowed name in the schema of temporary tables
-- verdict: refused table
-- engine: refuses
SELECT * FROM temp.flights

-- title: an allowed name in another database
-- verdict: refused table
-- engine: refuses
SELECT * FROM other.flights

-- title: rows from a text of JSON
-- verdict: refused function
SELECT * FROM json_each('[1, 2]')

-- title: a million rows out of nothing
-- verdict: refused function
-- engine: refuses
SELECT * FROM generate_series(1, 1000000)

-- title: today
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = date('now')

-- title: today, spelled otherwise
-- verdict: refused function
SELECT strftime('%Y', ' NOW ')

-- title: today by leaving the time out
-- verdict: refused function
SELECT date(), julianday()

-- title: today by a format alone
-- verdict: refused function
SELECT strftime('%Y-%m-%d')

-- title: today by a keyword
-- verdict: refused function
SELECT CURRENT_DATE

-- title: a function in quotes
-- verdict: refused function
SELECT "load_extension"('x')

-- title: a pattern by a function that an application brings
-- verdict: refused unknown_construct
-- engine: refuses
SELECT * FROM flights WHERE carrier REGEXP 'U'

-- title: a cast to DATE, which keeps the year alone
-- verdict: refused type
SELECT CAST(flight_date AS DATE) FROM flights

-- title: a parameter that nobody binds
-- verdict: refused unknown_construct
SELECT * FROM flights WHERE carrier = ?

-- title: a named parameter
-- verdict: refused unknown_construct
SELECT * FROM flights WHERE carrier = :carrier

-- title: no limit by a negative one
-- verdict: refused limit
SELECT * FROM flights LIMIT -1

-- title: a plan forced upon the engine
-- verdict: refused unknown_construct
SELECT * FROM flights NOT INDEXED

-- title: values alone
-- verdict: refused query_only
VALUES (1), (2)

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
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
