-- What people and models really ask. `tables` are those the guard must report; each of these runs on the engine.

-- title: everything of a table
-- verdict: passes
-- tables: airlines
SELECT * FROM airlines

-- title: a count
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights

-- title: a ranking with a join
-- verdict: passes
-- tables: airlines flights
SELECT a.name, avg(f.arr_delay) AS delay FROM flights AS f JOIN airlines AS a ON f.carrier = a.carrier
WHERE f.flight_date BETWEEN '2013-06-01' AND '2013-08-31' GROUP BY a.name ORDER BY delay DESC NULLS LAST, a.name LIMIT 5

-- title: a time series
-- verdict: passes
-- tables: flights
SELECT strftime('%Y-%m', flight_date) AS month, count(*) AS n, sum(cancelled) AS cancelled
FROM flights GROUP BY month ORDER BY month

-- title: formats that other engines spell otherwise
-- verdict: passes
-- tables: flights
SELECT strftime('%d.%m.%Y', max(flight_date)), strftime('%j', max(flight_date)), strftime('%W', max(flight_date)),
strftime('%w', max(flight_date)), strftime('%H:%M:%S', '2013-01-02 03:04:05'), strftime('%f', '2013-01-02 03:04:05.678')
FROM flights

-- title: dates with modifiers
-- verdict: passes
-- tables: flights
SELECT date(max(flight_date), 'start of month', '+1 month', '-1 day'), datetime(min(flight_date), '+36 hours'),
julianday(max(flight_date)) - julianday(min(flight_date)), unixepoch(min(flight_date)), time('12:34:56', '+1 hour')
FROM flights

-- title: common table expressions that build on each other
-- verdict: passes
-- tables: flights
WITH daily AS (SELECT flight_date, count(*) AS n FROM flights GROUP BY 1), busy AS (SELECT * FROM daily WHERE n > 2)
SELECT max(n), count(*) FROM busy JOIN daily USING (n)

-- title: a recursive query that ends
-- verdict: passes
-- tables:
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT * FROM n

-- title: months without a gap
-- verdict: passes
-- tables: flights
WITH RECURSIVE m AS (
    SELECT '2013-01-01' AS month UNION ALL SELECT date(month, '+1 month') FROM m WHERE month < '2013-12-01'
)
SELECT month, count(flight_id) FROM m LEFT JOIN flights ON date(flight_date, 'start of month') = month
GROUP BY month ORDER BY month

-- title: a window
-- verdict: passes
-- tables: flights
SELECT flight_id, rank() OVER (PARTITION BY carrier ORDER BY arr_delay DESC) AS place FROM flights ORDER BY flight_id

-- title: a named window with a frame
-- verdict: passes
-- tables: flights
SELECT flight_id, sum(distance) OVER w, count(*) FILTER (WHERE cancelled) OVER w FROM flights
WINDOW w AS (PARTITION BY carrier ORDER BY flight_id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) ORDER BY flight_id

-- title: this month beside the one before
-- verdict: passes
-- tables: flights
SELECT substr(flight_date, 1, 7) AS month, count(*) AS n, lag(count(*), 1, 0) OVER (ORDER BY substr(flight_date, 1, 7))
FROM flights GROUP BY 1 ORDER BY 1

-- title: a running share
-- verdict: passes
-- tables: flights
SELECT carrier, 100.0 * count(*) / sum(count(*)) OVER () FROM flights GROUP BY carrier ORDER BY carrier

-- title: a union with an order
-- verdict: passes
-- tables: airlines airports
SELECT name FROM airlines UNION SELECT name FROM airports ORDER BY name

-- title: what is in one and not in the other
-- verdict: passes
-- tables: airports flights
SELECT dest FROM flights EXCEPT SELECT faa FROM airports

-- title: what is in both
-- verdict: passes
-- tables: airports flights
SELECT dest FROM flights INTERSECT SELECT faa FROM airports

-- title: subqueries in every place
-- verdict: passes
-- tables: airlines flights
SELECT carrier, (SELECT name FROM airlines AS a WHERE a.carrier = f.carrier) AS name FROM flights AS f
WHERE arr_delay > (SELECT avg(arr_delay) FROM flights) AND EXISTS (SELECT 1 FROM airlines)
AND carrier IN (SELECT carrier FROM airlines) AND carrier NOT IN ('XX', 'YY')

-- title: a row value in a list of rows
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights WHERE (carrier, origin) IN (SELECT carrier, origin FROM flights WHERE distance > 2000)

-- title: cases and texts
-- verdict: passes
-- tables: flights
SELECT CASE WHEN arr_delay > 15 THEN 'late' WHEN arr_delay IS NULL THEN 'unknown' ELSE 'on time' END AS kind,
upper(carrier) || '-' || flight AS name, CASE origin WHEN 'JFK' THEN 1 ELSE 0 END FROM flights

-- title: whole and broken division, as the types have it
-- verdict: passes
-- tables:
SELECT 7 / 2, 7.0 / 2, CAST('7' AS NUMERIC) / 2, CAST('7.5' AS NUMERIC) / 2, CAST(7 AS REAL) / 2, 7 % 2, -7 / 2

-- title: casts
-- verdict: passes
-- tables: flights
SELECT CAST(distance AS REAL) / 1.609, CAST(arr_delay AS TEXT), CAST('12abc' AS INTEGER), CAST('3.9' AS BIGINT),
CAST(carrier AS BLOB) FROM flights

-- title: two arguments of max are a greatest
-- verdict: passes
-- tables: flights
SELECT max(arr_delay, dep_delay), min(arr_delay, 0), max(distance) FROM flights GROUP BY flight_id ORDER BY flight_id

-- title: texts taken apart
-- verdict: passes
-- tables: airlines
SELECT substr(name, 1, 3), instr(name, ' '), length(name), lower(name), trim(name, 'I'), replace(name, 'Inc.', ''),
ltrim(name), printf('%05.1f|%s', 3.14159, carrier), hex(carrier), unicode(name), char(65, 66) FROM airlines ORDER BY 1

-- title: patterns
-- verdict: passes
-- tables: airlines
SELECT count(*) FILTER (WHERE name LIKE '%air%'), count(*) FILTER (WHERE name GLOB '*Air*'),
count(*) FILTER (WHERE name NOT LIKE 'A!_%' ESCAPE '!') FROM airlines

-- title: texts put together per group
-- verdict: passes
-- tables: flights
SELECT origin, group_concat(DISTINCT carrier), group_concat(carrier, ';'), count(DISTINCT dest) FROM flights GROUP BY origin

-- title: JSON
-- verdict: passes
-- tables:
SELECT json_extract('{"a": {"b": [1, 2]}}', '$.a.b[1]'), '{"a": 1}' -> 'a', '{"a": "x"}' ->> '$.a', json_type('[1]'),
json_array_length('[1, 2]'), json_object('a', 1)

-- title: is and is not compare nulls as well
-- verdict: passes
-- tables: flights
SELECT count(*) FILTER (WHERE arr_delay IS NULL), count(*) FILTER (WHERE arr_delay IS dep_delay),
count(*) FILTER (WHERE arr_delay IS NOT dep_delay), count(*) FILTER (WHERE tailnum NOTNULL) FROM flights

-- title: null handling
-- verdict: passes
-- tables: flights
SELECT ifnull(arr_delay, 0), coalesce(arr_delay, dep_delay, -1), nullif(carrier, 'UA'), iif(cancelled, 'yes', 'no'),
total(arr_delay), sum(arr_delay) FROM flights GROUP BY flight_id ORDER BY flight_id

-- title: a join by common columns
-- verdict: passes
-- tables: airlines flights
SELECT count(*) FROM flights NATURAL JOIN airlines

-- title: joins of several kinds in parentheses
-- verdict: passes
-- tables: airlines airports flights
SELECT count(*) FROM (flights AS f JOIN airlines AS a ON f.carrier = a.carrier) LEFT JOIN airports AS p ON p.faa = f.dest

-- title: a self join
-- verdict: passes
-- tables: airlines
SELECT a.carrier, b.carrier FROM airlines AS a, airlines AS b WHERE a.carrier < b.carrier AND substr(a.name, 1, 1) = substr(b.name, 1, 1)

-- title: having
-- verdict: passes
-- tables: flights
SELECT carrier, count(*) AS n FROM flights GROUP BY carrier HAVING n > 50 ORDER BY n DESC, carrier

-- title: without regard to case
-- verdict: passes
-- tables: airlines
SELECT name FROM airlines WHERE name = 'envoy air' COLLATE NOCASE ORDER BY name COLLATE NOCASE DESC

-- title: values made by hand
-- verdict: passes
-- tables: flights
WITH wanted(carrier, place) AS (VALUES ('UA', 1), ('DL', 2))
SELECT place, count(*) FROM wanted JOIN flights USING (carrier) GROUP BY place ORDER BY place

-- title: names with spaces and quotes in them
-- verdict: passes
-- tables: flights
SELECT count(*) AS "how ""many""; there are", [f].[carrier] AS `the carrier` FROM flights AS [f] GROUP BY 2 ORDER BY 2

-- title: a text with a quote, a semicolon and a comment in it
-- verdict: passes
-- tables: airlines
SELECT count(*), 'it''s; -- DROP TABLE flights /* no */', 'a\' FROM airlines

-- title: a comment and a semicolon at the end
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights; -- that's all

-- title: bits and numbers
-- verdict: passes
-- tables:
SELECT 6 & 3, 6 | 1, ~6, 1 << 4, 256 >> 2, abs(-3), round(2.567, 1), sign(-2), 1e3, .5, 0x1F, x'4142', 5 == 5, 5 <> 4

-- title: functions of mathematics
-- verdict: passes
-- tables:
SELECT sqrt(2), power(2, 10), ln(10), log10(1000), log(2, 8), exp(1), pi(), floor(2.7), ceil(2.1), mod(7, 3), trunc(2.7)

-- title: the schema's own name
-- verdict: passes
-- tables: flights
SELECT count(*) FROM main.flights

-- title: the first row of each, by its number
-- verdict: passes
-- tables: flights
SELECT carrier, flight_id FROM (
    SELECT carrier, flight_id, row_number() OVER (PARTITION BY carrier ORDER BY flight_id) AS n FROM flights
) WHERE n = 1 ORDER BY carrier

-- title: quarters by arithmetic
-- verdict: passes
-- tables: flights
SELECT 'Q' || ((CAST(strftime('%m', flight_date) AS INTEGER) + 2) / 3) AS quarter, count(*) FROM flights GROUP BY 1 ORDER BY 1

-- title: page three
-- verdict: passes
-- tables: flights
SELECT flight_id FROM flights ORDER BY flight_id LIMIT 10 OFFSET 20
