-- Questions with one number as their answer: the SQL that gives it, and how the answer writes it.

-- title: How many cups of mocha were sold in Porty in May 2023?
-- written: {:,}
SELECT sum(cups)
FROM orders
WHERE drink = 'mocha' AND shop_no = 2 AND strftime(ordered_at, '%Y-%m') = '2023-05'

-- title: total sales in 2024
-- written: {:,.2f} GBP
SELECT sum(paid)
FROM orders
WHERE year(ordered_at) = 2024

-- title: What share of orders were large orders in Edinburgh?
-- written: {:.1%}
SELECT avg((cups > 3)::INT)
FROM orders

-- title: average order value, except in Leith
-- written: {:,.2f} GBP
SELECT avg(paid)
FROM orders
WHERE shop_no <> 1
