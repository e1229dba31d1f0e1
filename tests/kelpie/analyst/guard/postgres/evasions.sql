-- Queries that look like SELECTs over allowed tables, and are not.

-- title: another table
-- verdict: refused table
-- engine: refuses
SELECT * FROM salaries

-- title: another table by its own statement
-- verdict: refused table
-- engine: refuses
TABLE salaries

-- title: another table alone, without those that inherit
-- verdict: refused unknown_construct
-- engine: refuses
SELECT * FROM ONLY salaries

-- title: another table in a scalar subquery
-- verdict: refused table
-- engine: refuses
SELECT (SELECT max(amount) FROM salaries) FROM flights

-- title: another table in an array
-- verdict: refused table
-- engine: refuses
SELECT ARRAY(SELECT amount FROM salaries)

-- title: another table in a lateral subquery
-- verdict: refused tables_only
-- engine: refuses
SELECT * FROM flights, LATERAL (SELECT * FROM salaries) AS s

-- title: another table in a filter of an aggregate
-- verdict: refused table
-- engine: refuses
SELECT count(*) FILTER (WHERE arr_delay > (SELECT max(amount) FROM salaries)) FROM flights

-- title: another table in DISTINCT ON
-- verdict: refused table
-- engine: refuses
SELECT DISTINCT ON ((SELECT max(amount) FROM salaries)) carrier FROM flights

-- title: another table under ANY
-- verdict: refused table
-- engine: refuses
SELECT * FROM flights WHERE carrier = ANY (SELECT person FROM salaries)

-- title: an allowed name by its schema, which another schema may have as well
-- verdict: refused table
SELECT * FROM public.flights

-- title: an allowed name in the schema of temporary tables
-- verdict: refused table
-- engine: refuses
SELECT * FROM pg_temp.flights

-- title: an allowed name in capitals and quotes is another table
-- verdict: refused table
-- engine: refuses
SELECT * FROM "Flights"

-- title: a common table expression of nearly the same name
-- verdict: refused table
-- engine: refuses
WITH "Salaries" AS (SELECT 1 AS amount) SELECT * FROM salaries

-- title: a common table expression that reads the table it is named after
-- verdict: refused table
-- engine: refuses
WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries

-- title: a common table expression used before it is defined
-- verdict: refused table
-- engine: refuses
WITH a AS (SELECT * FROM salaries), salaries AS (SELECT 1 AS x) SELECT * FROM a

-- title: rows out of nothing
-- verdict: refused function
SELECT * FROM generate_series(1, 1000000000)

-- title: rows out of nothing in the select list
-- verdict: refused function
SELECT generate_series(1, 1000000000)

-- title: rows out of several functions
-- verdict: refused unknown_construct
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS x

-- title: rows out of JSON
-- verdict: refused function
SELECT * FROM jsonb_array_elements('[1]')

-- title: an operator by its full name, which may be anybody's function
-- verdict: refused unknown_construct
SELECT 1 OPERATOR(pg_catalog.+) 1

-- title: a function in somebody's schema
-- verdict: refused function
SELECT public.lower(carrier) FROM flights

-- title: a text with escapes
-- verdict: refused unknown_construct
SELECT E'\'; DROP TABLE flights; --'

-- title: a text with escapes of Unicode
-- verdict: refused unknown_construct
SELECT U&'\0027'

-- title: a type of somebody's own, whose input is a function
-- verdict: refused type
-- engine: refuses
SELECT 'x'::public.mood

-- title: a sample, which differs from run to run
-- verdict: refused unknown_construct
SELECT * FROM flights TABLESAMPLE BERNOULLI (10)

-- title: chance
-- verdict: refused function
SELECT random()

-- title: an id by chance
-- verdict: refused function
SELECT gen_random_uuid()

-- title: now
-- verdict: refused function
SELECT now()

-- title: now, by a keyword
-- verdict: refused function
SELECT CURRENT_TIMESTAMP, LOCALTIME

-- title: today, in a text
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = DATE 'today'

-- title: yesterday, in a text
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = 'yesterday'::date

-- title: tomorrow, as if by a function
-- verdict: refused function
SELECT * FROM flights WHERE flight_date = date('tomorrow')

-- title: how long ago, which is another number every day
-- verdict: refused function
SELECT age(min(flight_date)) FROM flights

-- title: a parameter that nobody binds
-- verdict: refused unknown_construct
-- engine: refuses
SELECT * FROM flights WHERE carrier = $1

-- title: no limit
-- verdict: refused limit
SELECT * FROM flights LIMIT ALL

-- title: a limit that is no number
-- verdict: refused limit
SELECT * FROM flights LIMIT (SELECT 1000000)

-- title: more rows than were asked for
-- verdict: refused unknown_construct
SELECT * FROM flights ORDER BY carrier FETCH FIRST 10 ROWS WITH TIES

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
WITH RECURSIVE n AS (SELECT 1::numeric AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
