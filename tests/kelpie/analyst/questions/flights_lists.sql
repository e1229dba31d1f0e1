-- Questions with a list as their answer: the SQL that gives the first column of the table, in its order.

-- title: Top 3 destinations by number of flights
-- written: list
SELECT coalesce(name, dest)
FROM flights LEFT JOIN airports ON dest = faa
GROUP BY 1
ORDER BY count(*) DESC, 1 LIMIT 3

-- title: Which three carriers had the fewest flights?
-- written: list
SELECT name
FROM flights JOIN airlines USING (carrier)
GROUP BY 1
ORDER BY count(*), 1 LIMIT 3

-- title: Which airlines were the most punctual?
-- written: list
SELECT name
FROM flights JOIN airlines USING (carrier)
GROUP BY 1
ORDER BY avg(arr_delay), 1 LIMIT 5

-- title: best carriers by arrival delay in May
-- written: list
SELECT name
FROM flights JOIN airlines USING (carrier)
WHERE month(flight_date) = 5
GROUP BY 1
ORDER BY avg(arr_delay), 1 LIMIT 5

-- title: Compare United, Delta and JetBlue by share of late flights
-- written: list
SELECT name
FROM flights JOIN airlines USING (carrier)
WHERE carrier IN ('UA', 'DL', 'B6')
GROUP BY 1
ORDER BY avg((arr_delay > 15)::INT) DESC, 1

-- title: flights per weekday
-- written: list
SELECT dayname(flight_date)
FROM flights
GROUP BY 1
ORDER BY count(*) DESC, 1

-- title: number of flights by hour
-- written: list
SELECT hour
FROM flights
GROUP BY 1
ORDER BY 1

-- title: Which month had the most cancellations?
-- written: list
SELECT strftime(date_trunc('month', flight_date), '%B %Y')
FROM flights
GROUP BY date_trunc('month', flight_date)
ORDER BY count(*) FILTER (WHERE cancelled) DESC, date_trunc('month', flight_date)
