-- What people and models really ask. `tables` are those the guard must report; each of these runs on the engine.

-- title: everything of a table
-- verdict: passes
-- tables: airlines
SELECT * FROM airlines

-- title: a count
-- verdict: passes
-- tables: flights
SELECT COUNT(*) FROM flights

-- title: a ranking with a join
-- verdict: passes
-- tables: airlines flights
SELECT a.name, AVG(f.arr_delay) AS delay FROM flights AS f JOIN airlines AS a ON f.carrier = a.carrier
WHERE f.flight_date BETWEEN DATE '2013-06-01' AND '2013-08-31' GROUP BY a.name ORDER BY delay DESC, a.name LIMIT 5

-- title: a time series
-- verdict: passes
-- tables: flights
SELECT DATE_FORMAT(flight_date, '%Y-%m') AS month, SUM(cancelled) AS cancelled, COUNT(*) FROM flights GROUP BY month ORDER BY month

-- title: formats of dates
-- verdict: passes
-- tables: flights
SELECT DATE_FORMAT(MAX(flight_date), '%W %e. %M %Y'), DATE_FORMAT(MAX(flight_date), '%x-%v'), DATE_FORMAT(MAX(flight_date), '%j %a %b %c %d %D'),
DATE_FORMAT('2013-01-02 15:04:05', '%H:%i:%s %h %p %r %T %f %%'), TIME_FORMAT('15:04:05', '%k') FROM flights

-- title: dates read from texts
-- verdict: passes
-- tables:
SELECT STR_TO_DATE('02.01.2013', '%d.%m.%Y'), CAST('2013-01-02' AS DATE), MAKEDATE(2013, 32), TIMESTAMP '2013-01-02 03:04:05',
CAST('2013-01-02 03:04:05' AS DATETIME), CAST('03:04:05.6' AS TIME)

-- title: days between, days added, parts of days
-- verdict: passes
-- tables: flights
SELECT DATEDIFF(MAX(flight_date), MIN(flight_date)), MAX(flight_date) + INTERVAL 1 MONTH, DATE_ADD(MAX(flight_date), INTERVAL 7 DAY),
DATE_SUB(MAX(flight_date), INTERVAL 1 QUARTER), TIMESTAMPDIFF(MONTH, MIN(flight_date), MAX(flight_date)), EXTRACT(YEAR FROM MAX(flight_date)),
YEAR(MAX(flight_date)), QUARTER(MAX(flight_date)), WEEK(MAX(flight_date), 3), DAYOFWEEK(MAX(flight_date)), WEEKDAY(MAX(flight_date)),
LAST_DAY(MAX(flight_date)), TO_DAYS(MAX(flight_date)), DAYNAME(MAX(flight_date)) FROM flights

-- title: intervals that are no whole numbers, and of two units
-- verdict: passes
-- tables:
SELECT DATE_ADD('2013-01-01', INTERVAL 1.5 DAY), DATE_ADD('2013-01-01 00:00:00', INTERVAL '1:30' HOUR_MINUTE),
'2013-01-01' - INTERVAL '1-2' YEAR_MONTH, DATE_ADD('2013-01-31', INTERVAL -1 MONTH), ADDDATE('2013-01-01', 31),
TIMESTAMPADD(MINUTE, 90, '2013-01-01'), UNIX_TIMESTAMP('2013-01-01') - UNIX_TIMESTAMP('2012-12-31'),
FROM_UNIXTIME(1000000000) - INTERVAL 1 DAY

-- title: common table expressions that build on each other
-- verdict: passes
-- tables: flights
WITH daily AS (SELECT flight_date, COUNT(*) AS n FROM flights GROUP BY 1), busy AS (SELECT * FROM daily WHERE n > 2)
SELECT MAX(n), COUNT(*) FROM busy JOIN daily USING (n)

-- title: a recursive query that ends
-- verdict: passes
-- tables:
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT * FROM n

-- title: months without a gap
-- verdict: passes
-- tables: flights
WITH RECURSIVE m(month) AS (
    SELECT CAST('2013-01-01' AS DATE) UNION ALL SELECT month + INTERVAL 1 MONTH FROM m WHERE month < '2013-12-01'
)
SELECT month, COUNT(f.flight_id) FROM m LEFT JOIN flights AS f ON f.flight_date BETWEEN month AND LAST_DAY(month)
GROUP BY month ORDER BY month

-- title: a window
-- verdict: passes
-- tables: flights
SELECT flight_id, RANK() OVER (PARTITION BY carrier ORDER BY arr_delay DESC) AS place FROM flights ORDER BY flight_id

-- title: a named window with a frame
-- verdict: passes
-- tables: flights
SELECT flight_id, SUM(distance) OVER w, LAG(distance, 1) OVER w2, FIRST_VALUE(distance) OVER w FROM flights
WINDOW w AS (PARTITION BY carrier ORDER BY flight_id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW),
w2 AS (PARTITION BY carrier ORDER BY flight_id) ORDER BY flight_id

-- title: this month beside the one before
-- verdict: passes
-- tables: flights
SELECT month, n, LAG(n) OVER (ORDER BY month) AS before_it, n - LAG(n) OVER (ORDER BY month) AS change_of_it
FROM (SELECT MONTH(flight_date) AS month, COUNT(*) AS n FROM flights GROUP BY 1) AS monthly ORDER BY month

-- title: a running share
-- verdict: passes
-- tables: flights
SELECT carrier, ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (), 2) FROM flights GROUP BY carrier ORDER BY carrier

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
WHERE arr_delay > (SELECT AVG(arr_delay) FROM flights) AND EXISTS (SELECT 1 FROM airlines)
AND carrier IN (SELECT carrier FROM airlines) AND carrier NOT IN ('XX', 'YY') AND arr_delay >= ALL (SELECT 0)
AND carrier = ANY (SELECT carrier FROM airlines)

-- title: cases and texts
-- verdict: passes
-- tables: flights
SELECT CASE WHEN arr_delay > 15 THEN 'late' WHEN arr_delay IS NULL THEN 'unknown' ELSE 'on time' END AS kind,
CONCAT(UPPER(carrier), '-', flight) AS name, IF(cancelled, 'yes', 'no'), CASE origin WHEN 'JFK' THEN 1 ELSE 0 END FROM flights

-- title: whole and broken division
-- verdict: passes
-- tables:
SELECT 7 / 2, 7 DIV 2, 7 MOD 2, 7 % 2, -7 DIV 2, MOD(7, 3), CAST(7 AS DECIMAL(10, 4)) / 2, 1 / 0

-- title: casts
-- verdict: passes
-- tables:
SELECT CAST('12' AS SIGNED), CAST('12' AS UNSIGNED), CAST(3.7 AS SIGNED), CAST('3.14159' AS DECIMAL(10, 2)), CAST(5 AS CHAR), CAST('abc' AS CHAR(3)),
CONVERT('12', SIGNED), CONVERT('abc' USING utf8mb4), CAST('a' AS BINARY), BINARY 'a', CAST(1 AS DOUBLE) / 3, CAST('12' AS INTEGER)

-- title: texts taken apart
-- verdict: passes
-- tables: airlines
SELECT SUBSTRING_INDEX(name, ' ', 1), CHAR_LENGTH(name), LENGTH('ä'), SUBSTRING(name, 1, 3), SUBSTRING(name FROM 2 FOR 3), SUBSTR(name, 2), MID(name, 2, 3),
POSITION('a' IN name), LOCATE('a', name, 3), INSTR(name, 'a'), TRIM(BOTH 'I' FROM name), TRIM(name), LEFT(name, 2), RIGHT(name, 2),
REPLACE(name, 'Inc.', ''), LPAD(carrier, 4, '0'), CONCAT_WS('-', carrier, NULL, name), REVERSE(carrier), INSERT(name, 1, 2, 'xx'),
FIND_IN_SET('b', 'a,b'), FIELD('b', 'a', 'b'), ELT(2, 'a', 'b'), FORMAT(1234567.891, 2), HEX(carrier), ASCII(carrier), MD5(name), REPEAT('a', 3)
FROM airlines ORDER BY carrier

-- title: patterns
-- verdict: passes
-- tables: airlines
SELECT SUM(name LIKE '%Air%'), SUM(name REGEXP '^A'), SUM(name NOT REGEXP '^A'), SUM(name RLIKE 'Lines?'), SUM(name NOT LIKE 'A|_%' ESCAPE '|'),
SUM(name LIKE BINARY '%air%'), SUM(name LIKE '%\_%'), MAX(REGEXP_REPLACE(name, '[aeiou]', '')), MAX(REGEXP_SUBSTR(name, 'A.')) FROM airlines

-- title: texts put together per group
-- verdict: passes
-- tables: flights
SELECT origin, GROUP_CONCAT(DISTINCT carrier ORDER BY carrier DESC SEPARATOR '; '), GROUP_CONCAT(DISTINCT dest ORDER BY dest), COUNT(DISTINCT carrier, dest)
FROM flights GROUP BY origin ORDER BY origin

-- title: JSON
-- verdict: passes
-- tables: airlines
SELECT JSON_EXTRACT('{"a": {"b": [1, 2]}}', '$.a.b[1]'), JSON_UNQUOTE(JSON_EXTRACT('{"a": "x"}', '$.a')), JSON_VALUE('{"a": 1}', '$.a'),
JSON_LENGTH('[1, 2]'), JSON_OBJECT('n', COUNT(*)), JSON_CONTAINS('[1, 2]', '1'), JSON_TYPE('[1]') FROM airlines

-- title: the null-safe comparison
-- verdict: passes
-- tables: flights
SELECT SUM(arr_delay IS NULL), SUM(arr_delay <=> dep_delay), SUM(NOT arr_delay <=> NULL), SUM(cancelled IS TRUE), SUM((arr_delay > 0) IS UNKNOWN),
SUM(ISNULL(arr_delay)) FROM flights

-- title: null handling
-- verdict: passes
-- tables: flights
SELECT IFNULL(arr_delay, 0), COALESCE(arr_delay, dep_delay, -1), NULLIF(carrier, 'UA'), GREATEST(arr_delay, dep_delay), LEAST(distance, 500)
FROM flights ORDER BY flight_id

-- title: nulls last, as MySQL has to say it
-- verdict: passes
-- tables: flights
SELECT flight_id, arr_delay FROM flights ORDER BY arr_delay IS NULL, arr_delay, flight_id LIMIT 20

-- title: logic in its own signs
-- verdict: passes
-- tables:
SELECT 1 && 0, 1 || 0, !0, 1 XOR 1, NOT 1, 1 AND 0 OR 1, TRUE, FALSE, 5 <> 4, 5 != 4

-- title: joins of several kinds
-- verdict: passes
-- tables: airlines airports flights
SELECT COUNT(*) FROM (flights AS f JOIN airlines AS a ON f.carrier = a.carrier) LEFT JOIN airports AS p ON p.faa = f.dest
CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS twice

-- title: a join by common columns
-- verdict: passes
-- tables: airlines flights
SELECT COUNT(*) FROM flights NATURAL JOIN airlines

-- title: a right join
-- verdict: passes
-- tables: airports flights
SELECT p.faa, COUNT(f.flight_id) FROM flights AS f RIGHT JOIN airports AS p ON p.faa = f.dest GROUP BY p.faa ORDER BY p.faa

-- title: a self join
-- verdict: passes
-- tables: airlines
SELECT a.carrier, b.carrier FROM airlines a, airlines b WHERE a.carrier < b.carrier AND LEFT(a.name, 1) = LEFT(b.name, 1)

-- title: totals and subtotals
-- verdict: passes
-- tables: flights
SELECT origin, carrier, COUNT(*) FROM flights GROUP BY origin, carrier WITH ROLLUP

-- title: having an alias
-- verdict: passes
-- tables: flights
SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier HAVING n > 50 ORDER BY n DESC, carrier

-- title: a deviation and a variance
-- verdict: passes
-- tables: flights
SELECT ROUND(STDDEV_SAMP(arr_delay), 6), ROUND(STD(arr_delay), 6), ROUND(VAR_POP(arr_delay), 6), BIT_OR(hour), MIN(flight_date) FROM flights

-- title: names with spaces and quotes in them
-- verdict: passes
-- tables: flights
SELECT COUNT(*) AS `how ``many``; there are`, `the f`.`carrier` AS "the carrier" FROM `flights` AS `the f` GROUP BY 2 ORDER BY 2

-- title: texts with quotes, semicolons, comments and backslashes in them
-- verdict: passes
-- tables: airlines
SELECT COUNT(*), 'it''s; -- DROP TABLE flights /* no */', "it's", "a ""b""", 'a\'b', 'a\\', 'a\tb\nc', 'a' 'b', '\Z', 'a\%b' FROM airlines

-- title: comments of three kinds and a semicolon at the end
-- verdict: passes
-- tables: flights
SELECT COUNT(*) /* that's */ FROM flights # really
WHERE 1 = 1; -- all

-- title: a minus behind a minus is no comment
-- verdict: passes
-- tables:
SELECT 5--1, 5 - -1, 5-- 1
+ 2

-- title: bits and numbers
-- verdict: passes
-- tables:
SELECT 6 & 3, 6 | 1, 6 ^ 3, ~6 & 15, 1 << 4, 256 >> 2, ABS(-3), ROUND(2.567, 1), SIGN(-2), 1e3, .5, TRUNCATE(2.79, 1), CEIL(2.1), FLOOR(-2.1), SQRT(2),
LN(10), LOG10(1000), LOG(2, 8), EXP(1), PI(), POWER(2, 10), CONV('ff', 16, 10), BIN(5), CRC32('a'), b'101' + 0

-- title: a text in another collation
-- verdict: passes
-- tables: airlines
SELECT name FROM airlines WHERE name COLLATE utf8mb4_bin LIKE '%air%' OR name = 'ENVOY AIR' COLLATE utf8mb4_general_ci ORDER BY name

-- title: rows compared as a whole
-- verdict: passes
-- tables: flights
SELECT COUNT(*) FROM flights WHERE (carrier, origin) IN (SELECT carrier, origin FROM flights WHERE distance > 2000) AND (hour, distance) > (6, 300)

-- title: page three, in the short form
-- verdict: passes
-- tables: flights
SELECT flight_id FROM flights ORDER BY flight_id LIMIT 20, 10

-- title: values made by hand
-- verdict: passes
-- tables: flights
SELECT place, COUNT(*) FROM (SELECT 'UA' AS carrier, 1 AS place UNION ALL SELECT 'DL', 2) AS wanted JOIN flights USING (carrier) GROUP BY place ORDER BY place

-- title: from nowhere
-- verdict: passes
-- tables:
SELECT 1 + 1 AS two
