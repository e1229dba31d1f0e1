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
