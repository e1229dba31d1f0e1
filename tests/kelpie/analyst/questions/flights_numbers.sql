-- Questions with one number as their answer: the SQL that gives it, and how the answer writes it.

-- title: How late was JetBlue in August?
-- written: {:,.1f} minutes
SELECT avg(arr_delay)
FROM flights
WHERE carrier = 'B6' AND month(flight_date) = 8

-- title: flights to Boston since September
-- written: {:,}
SELECT count(*)
FROM flights
WHERE dest = 'BOS' AND month(flight_date) >= 9

-- title: How many flights were there?
-- written: {:,}
SELECT count(*)
FROM flights

-- title: How many flights went to Los Angeles in July?
-- written: {:,}
SELECT count(*)
FROM flights
WHERE dest = 'LAX' AND month(flight_date) = 7

-- title: What share of flights was cancelled?
-- written: {:.1%}
SELECT avg(cancelled::INT)
FROM flights

-- title: cancellation rate of JetBlue in the last quarter
-- written: {:.1%}
SELECT avg(cancelled::INT)
FROM flights
WHERE carrier = 'B6' AND month(flight_date) > 9

-- title: How many flights from JFK to Miami on July 4?
-- written: {:,}
SELECT count(*)
FROM flights
WHERE origin = 'JFK' AND dest = 'MIA' AND flight_date = '2013-07-04'

-- title: What was UA's average departure delay in the first half of 2013?
-- written: {:,.1f} minutes
SELECT avg(dep_delay)
FROM flights
WHERE carrier = 'UA' AND month(flight_date) <= 6

-- title: total distance flown between March and May
-- written: {:,} miles
SELECT sum(distance)
FROM flights
WHERE NOT cancelled AND month(flight_date) IN (3, 4, 5)

-- title: percentage of late flights excluding United and Delta
-- written: {:.1%}
SELECT avg((arr_delay > 15)::INT)
FROM flights
WHERE carrier NOT IN ('UA', 'DL')

-- title: average air time of Boeing planes since October
-- written: {:,.0f} minutes
SELECT avg(air_time)
FROM flights JOIN planes USING (tailnum)
WHERE manufacturer = 'BOEING' AND month(flight_date) >= 10

-- title: how many flights were cancelled on Mondays
-- written: {:,}
SELECT count(*)
FROM flights
WHERE cancelled AND dayname(flight_date) = 'Monday'
