-- Queries that look like SELECTs over allowed tables, and are not.

-- title: another table of the same database
-- verdict: refused table
SELECT * FROM salaries

-- title: another table behind an allowed one
-- verdict: refused table
SELECT * FROM flights JOIN salaries ON true

-- title: another table in a scalar subquery
-- verdict: refused table
SELECT (SELECT max(amount) FROM salaries) FROM flights

-- title: another table in an EXISTS
-- verdict: refused table
SELECT * FROM flights WHERE EXISTS (SELECT 1 FROM salaries WHERE amount > 10)

-- title: another table in the second part of a union
-- verdict: refused table
SELECT carrier FROM flights UNION ALL SELECT person FROM salaries

-- title: another table in HAVING
-- verdict: refused table
SELECT carrier FROM flights GROUP BY 1 HAVING count(*) > (SELECT count(*) FROM salaries)

-- title: another table in ORDER BY
-- verdict: refused table
SELECT carrier FROM flights ORDER BY (SELECT max(amount) FROM salaries)

-- title: the name of a common table expression out of its scope
-- verdict: refused table
SELECT * FROM (WITH salaries AS (SELECT 1 AS amount) SELECT * FROM salaries) AS harmless, salaries

-- title: a common table expression that reads the table it is named after
-- verdict: refused table
WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries

-- title: the same, called recursive without being so
-- verdict: refused table
WITH RECURSIVE salaries AS (SELECT * FROM salaries) SELECT * FROM salaries

-- title: the same, in the part of a recursive union that runs first
-- verdict: refused table
WITH RECURSIVE salaries AS (SELECT * FROM salaries UNION ALL SELECT 1 WHERE false) SELECT * FROM salaries

-- title: a common table expression used before it is defined
-- verdict: refused table
WITH a AS (SELECT * FROM salaries), salaries AS (SELECT 1 AS x) SELECT * FROM a

-- title: an allowed name in another schema
-- verdict: refused table
SELECT * FROM private.flights

-- title: an allowed name in another database
-- verdict: refused table
SELECT * FROM other.main.flights

-- title: SQL in a text, run by a table function
-- verdict: refused function
SELECT * FROM query('SELECT * FROM salaries')

-- title: a table named in a text
-- verdict: refused function
SELECT * FROM query_table('salaries')

-- title: SQL as JSON, run by a table function
-- verdict: refused function
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM salaries'))

-- title: a function of rows that needs no table
-- verdict: refused function
SELECT * FROM range(1000000000)

-- title: an allowed function in place of a table
-- verdict: refused table_function
SELECT * FROM lower('salaries')

-- title: rows made in the select list
-- verdict: refused function
-- engine: exhausts
SELECT unnest(generate_series(1, 1000000000))

-- title: a pivot, which runs statements of its own
-- verdict: refused query_only
PIVOT flights ON carrier USING count(*)

-- title: a sample, which differs from run to run
-- verdict: refused unknown_construct
SELECT * FROM flights USING SAMPLE 10

-- title: chance
-- verdict: refused function
SELECT random()

-- title: today
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = current_date

-- title: now
-- verdict: refused function
SELECT now()

-- title: a parameter that nobody binds
-- verdict: refused unknown_construct
SELECT * FROM flights WHERE carrier = $1

-- title: a limit that is no number
-- verdict: refused limit
SELECT * FROM flights LIMIT (SELECT 1000000)

-- title: a limit in percent
-- verdict: refused unknown_construct
SELECT * FROM flights LIMIT 100%

-- title: a lateral subquery over another table
-- verdict: refused tables_only
SELECT * FROM flights, LATERAL (SELECT * FROM salaries) AS s

-- title: the keyword split by a comment
-- verdict: refused not_understood
-- engine: refuses
DR/**/OP TABLE flights

-- title: nothing at all
-- verdict: refused one_statement
;

-- title: no SQL
-- verdict: refused not_understood
please show me all salaries

-- title: a function by its schema, where somebody may have made another of that name
-- verdict: refused function
SELECT main.lower(carrier) FROM flights

-- title: a function called on a value
-- verdict: refused function
SELECT 'salaries'.query_table() FROM flights

-- title: a function in quotes
-- verdict: refused function
SELECT "lower"(carrier) FROM flights

-- title: a common table expression whose name looks like the allowed one
-- verdict: refused table
WITH "salaries" AS (SELECT 1 AS amount) SELECT * FROM "ſalaries"

-- title: how long ago, which is another number every day
-- verdict: refused function
SELECT age(TIMESTAMP '2013-01-01 00:00:00')

-- title: a cast to a type of somebody's own
-- verdict: refused type
SELECT CAST(carrier AS mood) FROM flights

-- title: more columns by a table function beside a table
-- verdict: refused tables_only
SELECT * FROM flights, unnest([1, 2, 3])

-- title: a window over another table
-- verdict: refused table
SELECT rank() OVER (ORDER BY (SELECT max(amount) FROM salaries)) FROM flights

-- title: another table in a list comprehension
-- verdict: refused table
SELECT [x FOR x IN (SELECT list(amount) FROM salaries)] FROM flights
