-- What people and models really ask. `tables` are those the guard must report; each of these runs on the engine.

-- title: everything of a table
-- verdict: passes
-- tables: flights
SELECT * FROM flights

-- title: a table first
-- verdict: passes
-- tables: flights
FROM flights SELECT carrier, arr_delay

-- title: a ranking with a join
-- verdict: passes
-- tables: airlines flights
SELECT a.name, avg(f.arr_delay) AS delay
FROM flights AS f JOIN airlines AS a ON f.carrier = a.carrier
WHERE f.flight_date BETWEEN DATE '2013-06-01' AND DATE '2013-08-31'
GROUP BY a.name ORDER BY delay DESC NULLS LAST LIMIT 5

-- title: a time series
-- verdict: passes
-- tables: flights
SELECT date_trunc('month', flight_date) AS month, count(*) FILTER (WHERE cancelled) AS cancelled
FROM flights GROUP BY ALL ORDER BY ALL

-- title: common table expressions that build on each other
-- verdict: passes
-- tables: flights
WITH daily AS (SELECT flight_date, count(*) AS n FROM flights GROUP BY 1),
     busy AS (SELECT * FROM daily WHERE n > 5)
SELECT max(n) FROM busy JOIN daily USING (n)

-- title: a common table expression that covers an allowed name
-- verdict: passes
-- tables: flights
WITH flights AS (SELECT carrier FROM flights WHERE NOT cancelled) SELECT count(*) FROM flights

-- title: a recursive query that ends
-- verdict: passes
-- tables:
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT * FROM n

-- title: a window
-- verdict: passes
-- tables: flights
SELECT carrier, arr_delay, rank() OVER (PARTITION BY carrier ORDER BY arr_delay DESC) AS place FROM flights
QUALIFY place <= 3

-- title: a union of two selects
-- verdict: passes
-- tables: airlines airports
SELECT name FROM airlines UNION SELECT name FROM airports ORDER BY name

-- title: what is in one and not in the other
-- verdict: passes
-- tables: airports flights
(SELECT faa FROM airports) EXCEPT (SELECT dest FROM flights)

-- title: subqueries in every place
-- verdict: passes
-- tables: airlines flights
SELECT carrier, (SELECT name FROM airlines AS a WHERE a.carrier = f.carrier) AS name FROM flights AS f
WHERE arr_delay > (SELECT avg(arr_delay) FROM flights) AND EXISTS (SELECT 1 FROM airlines)
AND carrier IN (SELECT carrier FROM airlines)

-- title: cases, casts and text
-- verdict: passes
-- tables: flights
SELECT CASE WHEN arr_delay > 15 THEN 'late' ELSE 'on time' END AS kind, CAST(distance AS DOUBLE) / 1.609 AS km,
upper(carrier) || '-' || flight AS name, strftime(flight_date, '%Y-%m') AS month, coalesce(tailnum, '?') AS plane
FROM flights WHERE carrier LIKE 'U%' OR regexp_matches(dest, '^L')

-- title: medians and quantiles
-- verdict: passes
-- tables: flights
SELECT median(arr_delay), quantile_cont(arr_delay, 0.9), stddev(arr_delay), count(DISTINCT carrier) FROM flights

-- title: grouping sets
-- verdict: passes
-- tables: flights
SELECT carrier, origin, count(*) FROM flights GROUP BY GROUPING SETS ((carrier), (origin), ())

-- title: values made by hand
-- verdict: passes
-- tables: flights
SELECT * FROM (VALUES ('UA', 1), ('DL', 2)) AS wanted(carrier, place) JOIN flights USING (carrier)

-- title: lists and structs
-- verdict: passes
-- tables: flights
SELECT carrier, list_sort(array_agg(DISTINCT origin)) AS origins, {'n': count(*)} AS counted FROM flights GROUP BY 1

-- title: a heavy join of a table with itself
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights AS a JOIN flights AS b ON a.carrier = b.carrier AND a.arr_delay < b.arr_delay

-- title: a comment and a semicolon at the end
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights; -- that's all

-- title: the schema's own name
-- verdict: passes
-- tables: flights
SELECT count(*) FROM main.flights

-- title: all columns but one
-- verdict: passes
-- tables: airlines
SELECT * EXCLUDE (carrier) FROM airlines

-- title: a share of a whole
-- verdict: passes
-- tables: flights
SELECT carrier, count(*) * 100.0 / sum(count(*)) OVER () AS percent FROM flights GROUP BY carrier ORDER BY carrier

-- title: this month beside the one before
-- verdict: passes
-- tables: flights
SELECT date_trunc('month', flight_date) AS month, count(*) AS n,
lag(count(*)) OVER (ORDER BY date_trunc('month', flight_date)) AS before
FROM flights GROUP BY 1 ORDER BY 1

-- title: a running total
-- verdict: passes
-- tables: flights
SELECT flight_date, sum(count(*)) OVER (ORDER BY flight_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n
FROM flights GROUP BY flight_date ORDER BY flight_date

-- title: a moving average over days
-- verdict: passes
-- tables: flights
SELECT flight_date, avg(count(*)) OVER (ORDER BY flight_date RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW)
FROM flights GROUP BY flight_date ORDER BY flight_date

-- title: the latest of each, by a named window
-- verdict: passes
-- tables: flights
SELECT carrier, flight_id FROM flights WINDOW w AS (PARTITION BY carrier ORDER BY flight_date DESC, flight_id)
QUALIFY row_number() OVER w = 1 ORDER BY carrier

-- title: the last known value, nulls left out
-- verdict: passes
-- tables: flights
SELECT flight_id, lag(arr_delay, 1 IGNORE NULLS) OVER (ORDER BY flight_id) AS last_known FROM flights ORDER BY flight_id

-- title: quantiles as the standard writes them
-- verdict: passes
-- tables: flights
SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY arr_delay) AS p90 FROM flights

-- title: a pattern that has to match as a whole
-- verdict: passes
-- tables: flights
SELECT count(*) FILTER (WHERE tailnum ~ 'N1'), count(*) FILTER (WHERE tailnum !~ 'N1.*') FROM flights

-- title: powers bind weaker than a minus
-- verdict: passes
-- tables:
SELECT -2 ^ 2, 2 ** 3 ** 2, -(2 ^ 2)

-- title: whole and broken division
-- verdict: passes
-- tables: flights
SELECT sum(distance) / count(*), sum(distance) // count(*), sum(distance) % 7 FROM flights

-- title: a left join that finds what is missing
-- verdict: passes
-- tables: airlines flights
SELECT a.carrier, f.flight_id FROM airlines AS a LEFT JOIN flights AS f
ON f.carrier = a.carrier AND f.flight_date = DATE '2013-07-04' ORDER BY a.carrier, f.flight_id

-- title: rows that have a partner, and rows that have none
-- verdict: passes
-- tables: airports flights
SELECT count(*) FROM flights SEMI JOIN airports ON flights.dest = airports.faa
UNION ALL SELECT count(*) FROM flights ANTI JOIN airports ON flights.dest = airports.faa

-- title: a union by names
-- verdict: passes
-- tables: airlines airports
SELECT name, carrier AS code FROM airlines UNION ALL BY NAME SELECT faa AS code, name FROM airports

-- title: totals and subtotals
-- verdict: passes
-- tables: flights
SELECT origin, carrier, grouping(carrier) AS total, count(*) FROM flights GROUP BY ROLLUP (origin, carrier)
ORDER BY ALL

-- title: days between, days added, parts of days
-- verdict: passes
-- tables: flights
SELECT date_diff('day', min(flight_date), max(flight_date)), max(flight_date) + INTERVAL 1 MONTH,
extract(dow FROM max(flight_date)), year(min(flight_date)), dayname(max(flight_date)) FROM flights

-- title: text taken apart
-- verdict: passes
-- tables: airlines
SELECT split_part(name, ' ', 1), length(name), substring(name, 1, 3), position('a' IN name), trim(name),
regexp_extract(name, '(\w+) Air', 1), replace(name, 'Inc.', ''), lpad(carrier, 4, '0') FROM airlines ORDER BY carrier

-- title: a list per group, filtered and changed
-- verdict: passes
-- tables: flights
SELECT origin, list_transform(list_sort(list(DISTINCT carrier)), x -> lower(x)) AS carriers,
[c FOR c IN list_sort(list(DISTINCT dest)) IF c LIKE 'L%'] AS places FROM flights GROUP BY origin ORDER BY origin

-- title: names with spaces and quotes in them
-- verdict: passes
-- tables: flights
SELECT count(*) AS "how ""many"" there are; all" FROM flights AS "the flights" WHERE "the flights"."carrier" = 'UA'

-- title: a text with a quote, a semicolon and a comment in it
-- verdict: passes
-- tables: airlines
SELECT count(*), 'it''s; -- DROP TABLE flights /* no */' AS said FROM airlines

-- title: a text that holds a backslash
-- verdict: passes
-- tables:
SELECT 'a\', 'b', length('\n')

-- title: the whole by a nested query over a union
-- verdict: passes
-- tables: flights
SELECT kind, count(*) FROM (
    SELECT 'out' AS kind, carrier FROM flights WHERE origin = 'JFK'
    UNION ALL
    SELECT 'in', carrier FROM flights WHERE dest = 'LAX'
) AS both_ways GROUP BY kind ORDER BY kind

-- title: null handling
-- verdict: passes
-- tables: flights
SELECT count(*) - count(arr_delay), coalesce(max(arr_delay), 0), nullif(count(*), 0), ifnull(min(arr_delay), -1),
count(*) FILTER (WHERE arr_delay IS DISTINCT FROM dep_delay) FROM flights
