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
WHERE f.flight_date BETWEEN DATE '2013-06-01' AND DATE '2013-08-31'
GROUP BY a.name ORDER BY delay DESC NULLS LAST, a.name LIMIT 5

-- title: a time series
-- verdict: passes
-- tables: flights
SELECT date_trunc('month', flight_date) AS month, count(*) FILTER (WHERE cancelled) AS cancelled
FROM flights GROUP BY 1 ORDER BY 1

-- title: formats of dates
-- verdict: passes
-- tables: flights
SELECT to_char(max(flight_date), 'YYYY-MM'), to_char(max(flight_date), 'FMMonth DD'), to_char(max(flight_date), 'IYYY-"W"IW'),
to_char(max(flight_date), 'Dy D Q J CC'), to_char(TIMESTAMP '2013-01-02 15:04:05.678', 'HH12:MI:SS.MS AM HH24 SSSS')
FROM flights

-- title: formats of numbers
-- verdict: passes
-- tables: flights
SELECT to_char(sum(distance), 'FM999,999,999'), to_char(avg(distance), '99999D99'), to_number('1,234.5', '9G999D9'),
to_char(0.5, 'FM990D0%') FROM flights

-- title: dates read from texts
-- verdict: passes
-- tables:
SELECT to_date('02.01.2013', 'DD.MM.YYYY'), to_timestamp('2013-01-02 15:04', 'YYYY-MM-DD HH24:MI')::timestamp,
make_date(2013, 1, 2), '2013-01-02'::date, date(TIMESTAMP '2013-01-02 03:04:05'), CAST('2013-01-02 03:04:05' AS timestamp)

-- title: days between, days added, parts of days
-- verdict: passes
-- tables: flights
SELECT max(flight_date) - min(flight_date), max(flight_date) + INTERVAL '1 month', max(flight_date) + 7,
extract(dow FROM max(flight_date)), date_part('year', min(flight_date)), age(max(flight_date), min(flight_date)),
extract(epoch FROM INTERVAL '2 days 03:00') FROM flights

-- title: intervals in words
-- verdict: passes
-- tables: flights
SELECT min(flight_date) + INTERVAL '1 year 2 months -3 days', min(flight_date) - INTERVAL '36 hours',
justify_hours(INTERVAL '50 hours'), make_interval(days => 10) FROM flights

-- title: a time zone
-- verdict: passes
-- tables:
SELECT TIMESTAMP '2013-07-01 12:00:00' AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York'

-- title: common table expressions that build on each other
-- verdict: passes
-- tables: flights
WITH daily AS MATERIALIZED (SELECT flight_date, count(*) AS n FROM flights GROUP BY 1),
     busy AS NOT MATERIALIZED (SELECT * FROM daily WHERE n > 2)
SELECT max(n), count(*) FROM busy JOIN daily USING (n)

-- title: a common table expression that covers an allowed name
-- verdict: passes
-- tables: flights
WITH flights AS (SELECT carrier FROM flights WHERE NOT cancelled) SELECT count(*) FROM flights

-- title: a recursive query that ends
-- verdict: passes
-- tables:
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT * FROM n

-- title: months without a gap
-- verdict: passes
-- tables: flights
WITH RECURSIVE m(month) AS (
    SELECT DATE '2013-01-01' UNION ALL SELECT (month + INTERVAL '1 month')::date FROM m WHERE month < DATE '2013-12-01'
)
SELECT month, count(f.flight_id) FROM m LEFT JOIN flights AS f ON date_trunc('month', f.flight_date) = month
GROUP BY month ORDER BY month

-- title: a window
-- verdict: passes
-- tables: flights
SELECT flight_id, rank() OVER (PARTITION BY carrier ORDER BY arr_delay DESC NULLS LAST) AS place FROM flights ORDER BY flight_id

-- title: a named window with a frame
-- verdict: passes
-- tables: flights
SELECT flight_id, sum(distance) OVER w, lag(distance, 1, 0) OVER w, first_value(distance) OVER w FROM flights
WINDOW w AS (PARTITION BY carrier ORDER BY flight_id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) ORDER BY flight_id

-- title: a moving sum over days
-- verdict: passes
-- tables: flights
SELECT flight_date, sum(count(*)) OVER (ORDER BY flight_date RANGE BETWEEN INTERVAL '6 days' PRECEDING AND CURRENT ROW)
FROM flights GROUP BY flight_date ORDER BY flight_date

-- title: the latest of each
-- verdict: passes
-- tables: flights
SELECT DISTINCT ON (carrier) carrier, flight_id FROM flights ORDER BY carrier, flight_date DESC, flight_id

-- title: a running share
-- verdict: passes
-- tables: flights
SELECT carrier, round(100.0 * count(*) / sum(count(*)) OVER (), 2) FROM flights GROUP BY carrier ORDER BY carrier

-- title: medians and quantiles
-- verdict: passes
-- tables: flights
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY arr_delay), percentile_disc(0.9) WITHIN GROUP (ORDER BY arr_delay),
mode() WITHIN GROUP (ORDER BY carrier), stddev_samp(arr_delay), corr(dep_delay, arr_delay), regr_slope(arr_delay, dep_delay)
FROM flights

-- title: a union with an order
-- verdict: passes
-- tables: airlines airports
SELECT name FROM airlines UNION SELECT name FROM airports ORDER BY name

-- title: what is in one and not in the other
-- verdict: passes
-- tables: airports flights
(SELECT dest FROM flights) EXCEPT (SELECT faa FROM airports)

-- title: what is in both
-- verdict: passes
-- tables: airports flights
SELECT dest FROM flights INTERSECT SELECT faa FROM airports

-- title: subqueries in every place
-- verdict: passes
-- tables: airlines flights
SELECT carrier, (SELECT name FROM airlines AS a WHERE a.carrier = f.carrier) AS name FROM flights AS f
WHERE arr_delay > (SELECT avg(arr_delay) FROM flights) AND EXISTS (SELECT 1 FROM airlines)
AND carrier IN (SELECT carrier FROM airlines) AND carrier = ANY (ARRAY['UA', 'DL', 'AA'])
AND arr_delay >= ALL (SELECT 0)

-- title: lists
-- verdict: passes
-- tables: airports flights
SELECT origin, array_agg(DISTINCT carrier ORDER BY carrier), string_agg(DISTINCT dest, ', ' ORDER BY dest),
array_to_string(array_agg(DISTINCT carrier), ';'), (array_agg(DISTINCT carrier ORDER BY carrier))[1],
cardinality(ARRAY(SELECT faa FROM airports)) FROM flights GROUP BY origin ORDER BY origin

-- title: cases and texts
-- verdict: passes
-- tables: flights
SELECT CASE WHEN arr_delay > 15 THEN 'late' WHEN arr_delay IS NULL THEN 'unknown' ELSE 'on time' END AS kind,
upper(carrier) || '-' || flight AS name, CASE origin WHEN 'JFK' THEN 1 ELSE 0 END FROM flights

-- title: whole and broken division
-- verdict: passes
-- tables:
SELECT 7 / 2, 7.0 / 2, 7::numeric / 2, 7 % 2, -7 / 2, div(7, 2), mod(7, 3), 7::double precision / 2

-- title: powers bind weaker than a minus
-- verdict: passes
-- tables:
SELECT -2 ^ 2, 2 ^ 3 ^ 2, |/ 16, ||/ 27, power(2, 10), -(2 ^ 2)

-- title: types keep their precision
-- verdict: passes
-- tables:
SELECT (1.0 / 3)::numeric(10, 2), (1.0 / 3)::real, (1.0 / 3)::float, (1.0 / 3)::float4, (1.0 / 3)::float8,
(1.0 / 3)::decimal, 'abc'::varchar(2), 'abc'::char(5) || '|', 3.7::int, 3.2::smallint, 300::bigint, 't'::bool,
'12:34:56.789'::time, 'a'::text, '{1,2}'::int[], '1.5'::money

-- title: texts taken apart
-- verdict: passes
-- tables: airlines
SELECT split_part(name, ' ', 1), length(name), substring(name FROM 1 FOR 3), substring(name, 2), substring(name FROM '\w+'),
position('a' IN name), trim(BOTH 'I' FROM name), ltrim(name), overlay(name PLACING 'xx' FROM 1 FOR 2), left(name, 2),
regexp_replace(name, '\s+', ' ', 'g'), replace(name, 'Inc.', ''), lpad(carrier, 4, '0'), initcap(lower(name)),
concat_ws('-', carrier, NULL, name), format('%s: %s', carrier, name), strpos(name, 'a'), reverse(carrier), md5(name)
FROM airlines ORDER BY carrier

-- title: patterns
-- verdict: passes
-- tables: airlines
SELECT count(*) FILTER (WHERE name LIKE '%Air%'), count(*) FILTER (WHERE name ILIKE '%air%'),
count(*) FILTER (WHERE name ~ '^A'), count(*) FILTER (WHERE name ~* 'air'), count(*) FILTER (WHERE name !~ '^A'),
count(*) FILTER (WHERE name SIMILAR TO '%(Air|Jet)%'), count(*) FILTER (WHERE name NOT LIKE 'A!_%' ESCAPE '!')
FROM airlines

-- title: JSON
-- verdict: passes
-- tables: airlines
SELECT '{"a": {"b": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 1, '{"a": 1}'::jsonb #>> '{a}', '{"a": 1}'::jsonb @> '{"a": 1}',
jsonb_build_object('n', count(*)), jsonb_array_length('[1, 2]'::jsonb), json_agg(carrier ORDER BY carrier),
'{"a": 1}'::jsonb ? 'a' FROM airlines

-- title: is distinct from compares nulls as well
-- verdict: passes
-- tables: flights
SELECT count(*) FILTER (WHERE arr_delay IS NULL), count(*) FILTER (WHERE arr_delay IS NOT DISTINCT FROM dep_delay),
count(*) FILTER (WHERE cancelled IS TRUE), count(*) FILTER (WHERE (arr_delay > 0) IS UNKNOWN),
num_nonnulls(max(arr_delay), NULL) FROM flights

-- title: null handling
-- verdict: passes
-- tables: flights
SELECT coalesce(arr_delay, dep_delay, -1), nullif(carrier, 'UA'), greatest(arr_delay, dep_delay), least(arr_delay, 0)
FROM flights ORDER BY flight_id

-- title: joins of several kinds in parentheses
-- verdict: passes
-- tables: airlines airports flights
SELECT count(*) FROM (flights AS f JOIN airlines AS a ON f.carrier = a.carrier) LEFT JOIN airports AS p ON p.faa = f.dest
CROSS JOIN (VALUES (1), (2)) AS twice(n)

-- title: a join by common columns
-- verdict: passes
-- tables: airlines flights
SELECT count(*) FROM flights NATURAL JOIN airlines

-- title: a full join
-- verdict: passes
-- tables: airports flights
SELECT p.faa, count(f.flight_id) FROM flights AS f FULL JOIN airports AS p ON p.faa = f.dest GROUP BY p.faa ORDER BY p.faa

-- title: a self join
-- verdict: passes
-- tables: airlines
SELECT a.carrier, b.carrier FROM airlines a, airlines b WHERE a.carrier < b.carrier AND left(a.name, 1) = left(b.name, 1)

-- title: totals and subtotals
-- verdict: passes
-- tables: flights
SELECT origin, carrier, grouping(origin, carrier), count(*) FROM flights GROUP BY ROLLUP (origin, carrier)
ORDER BY origin NULLS LAST, carrier NULLS LAST

-- title: grouping sets and cubes
-- verdict: passes
-- tables: flights
SELECT origin, dest, count(*) FROM flights GROUP BY GROUPING SETS ((origin), (dest), ())
UNION ALL SELECT origin, dest, count(*) FROM flights GROUP BY CUBE (origin, dest)

-- title: having
-- verdict: passes
-- tables: flights
SELECT carrier, count(*) AS n FROM flights GROUP BY carrier HAVING count(*) > 50 ORDER BY n DESC, carrier

-- title: values made by hand
-- verdict: passes
-- tables: flights
SELECT place, count(*) FROM (VALUES ('UA', 1), ('DL', 2)) AS wanted(carrier, place) JOIN flights USING (carrier)
GROUP BY place ORDER BY place

-- title: names with spaces and quotes in them
-- verdict: passes
-- tables: flights
SELECT count(*) AS "how ""many""; there are", "The F".carrier FROM flights AS "The F" GROUP BY 2 ORDER BY 2

-- title: an unquoted name in capitals is one in lower case
-- verdict: passes
-- tables: flights
SELECT COUNT(*) FROM FLIGHTS AS F WHERE f.Carrier = 'UA'

-- title: a text with a quote, a semicolon, a comment and a backslash in it
-- verdict: passes
-- tables: airlines
SELECT count(*), 'it''s; -- DROP TABLE flights /* no */', 'a\', $$it's$$, $tag$ a\b $tag$ FROM airlines

-- title: a comment and a semicolon at the end
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights; /* that's /* really */ all */

-- title: bits and numbers
-- verdict: passes
-- tables:
SELECT 6 & 3, 6 | 1, 6 # 3, ~6, 1 << 4, 256 >> 2, abs(-3), round(2.567, 1), sign(-2), 1e3, .5, trunc(2.7), ceil(2.1),
floor(-2.1), sqrt(2), ln(10), log(100), exp(1), pi(), width_bucket(5, 0, 10, 4), to_hex(255), gcd(12, 18)

-- title: buckets of time
-- verdict: passes
-- tables: flights
SELECT date_bin('7 days', flight_date, TIMESTAMP '2013-01-01') AS week, count(*) FROM flights GROUP BY 1 ORDER BY 1

-- title: rows compared as a whole
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights WHERE (carrier, origin) IN (SELECT carrier, origin FROM flights WHERE distance > 2000)
AND (hour, distance) > (6, 300) AND (flight_date, flight_date) OVERLAPS (DATE '2013-01-01', DATE '2013-06-30')

-- title: page three
-- verdict: passes
-- tables: flights
SELECT flight_id FROM flights ORDER BY flight_id OFFSET 20 LIMIT 10

-- title: between in any order
-- verdict: passes
-- tables: flights
SELECT count(*) FROM flights WHERE distance BETWEEN SYMMETRIC 900 AND 300
