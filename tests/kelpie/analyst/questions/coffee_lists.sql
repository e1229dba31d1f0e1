-- Questions with a list as their answer: the SQL that gives the first column of the table, in its order.

-- title: Which district had the best turnover in the festival 2023?
-- written: list
SELECT quarter
FROM orders JOIN shops ON shop_no = no
WHERE ordered_at >= '2023-08-01' AND ordered_at < '2023-10-01'
GROUP BY 1
ORDER BY sum(paid) DESC, 1

-- title: Worst two drinks by average bill
-- written: list
SELECT drink
FROM orders
GROUP BY 1
ORDER BY avg(paid), 1 LIMIT 2

-- title: cups by beverage last month
-- written: list
SELECT drink
FROM orders
WHERE strftime(ordered_at, '%Y-%m') = '2024-04'
GROUP BY 1
ORDER BY sum(cups) DESC, 1

-- title: Which month had the highest revenue in 2023?
-- written: list
SELECT strftime(date_trunc('month', ordered_at), '%B %Y')
FROM orders
WHERE year(ordered_at) = 2023
GROUP BY date_trunc('month', ordered_at)
ORDER BY sum(paid) DESC
