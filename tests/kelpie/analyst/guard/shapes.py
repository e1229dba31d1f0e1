"""Shapes of queries over three small tables, and a shop to ask them of.

Every shape is plain SQL, the same on every engine.
"""

CUSTOMERS = [
    (1, "Ada", "EMEA", "ada@example.org", 500),
    (2, "Bob", "EMEA", None, 0),
    (3, "Cleo", "APAC", "cleo@example.org", 700),
    (4, "Dan", "AMER", "dan@example.org", None),
    (5, "Eve", None, "eve@example.org", 900),
    (6, "Ada", "AMER", "ada@example.org", 500),
]
ORDERS = [
    (n, 1 + n % 7, 10 * (n % 9), ("paid", "open", "void", None)[n % 4], ("", "hm", None)[n % 3]) for n in range(1, 41)
]
REGIONS = [("EMEA", "Ada"), ("APAC", "Zoe"), ("AMER", "Ada")]


def _columns(numbers, texts, order):
    kinds = dict.fromkeys(numbers.split(), "INTEGER") | dict.fromkeys(texts.split(), "VARCHAR")
    return [(name, kinds[name]) for name in order.split()]


TABLES = {
    "customers": (_columns("id credit", "name region email", "id name region email credit"), CUSTOMERS),
    "orders": (_columns("id customer_id amount", "status note", "id customer_id amount status note"), ORDERS),
    "regions": (_columns("", "region manager", "region manager"), REGIONS),
}

SHAPES = {
    "star": "SELECT * FROM customers",
    "star of one": "SELECT o.*, c.name FROM orders AS o JOIN customers AS c ON c.id = o.customer_id",
    "alias": "SELECT c.name, c.region FROM customers AS c WHERE c.credit > 100",
    "qualified by the table": "SELECT customers.name FROM customers WHERE customers.id < 4",
    "or 1=1": "SELECT name FROM customers WHERE region = 'EMEA' OR 1 = 1",
    "not": "SELECT count(*) FROM customers WHERE NOT (region = 'EMEA')",
    "join": "SELECT c.region, sum(o.amount) FROM customers AS c JOIN orders AS o ON o.customer_id = c.id"
    " GROUP BY c.region",
    "left join": "SELECT c.id, count(o.id) FROM customers AS c LEFT JOIN orders AS o ON o.customer_id = c.id"
    " AND o.status = 'paid' GROUP BY c.id",
    "right side alone": "SELECT o.id FROM orders AS o LEFT JOIN customers AS c ON c.id = o.customer_id"
    " WHERE c.id IS NULL",
    "using": "SELECT region, manager, name FROM customers JOIN regions USING (region)",
    "comma": "SELECT c.name, r.manager FROM customers c, regions r WHERE c.region = r.region",
    "self join": "SELECT a.id, b.id FROM customers a JOIN customers b ON a.name = b.name AND a.id < b.id",
    "in parentheses": "SELECT count(*) FROM (customers AS c JOIN regions AS r ON c.region = r.region)"
    " JOIN orders AS o ON o.customer_id = c.id",
    "cte": "WITH good AS (SELECT id, name FROM customers WHERE credit > 100) SELECT g.name, o.amount FROM good AS g"
    " JOIN orders AS o ON o.customer_id = g.id",
    "cte of the table's name": "WITH orders AS (SELECT customer_id, amount FROM orders WHERE amount > 20)"
    " SELECT customer_id, sum(amount) FROM orders GROUP BY customer_id",
    "cte over a star": "WITH c AS (SELECT * FROM customers) SELECT id, region FROM c WHERE id > 1",
    "recursive": "WITH RECURSIVE chain AS (SELECT id, 1 AS depth FROM customers WHERE id = 1 UNION ALL"
    " SELECT o.customer_id, chain.depth + 1 FROM chain JOIN orders AS o ON o.id = chain.id WHERE chain.depth < 4)"
    " SELECT * FROM chain",
    "derived": "SELECT region, n FROM (SELECT region, count(*) AS n FROM customers GROUP BY region) AS t WHERE n > 0",
    "derived star": "SELECT t.id FROM (SELECT * FROM orders) AS t WHERE t.status = 'open'",
    "union": "SELECT id, region AS word FROM customers UNION ALL SELECT id, status FROM orders",
    "union of stars": "SELECT * FROM customers WHERE id < 3 UNION SELECT * FROM customers WHERE id > 2",
    "except": "SELECT customer_id FROM orders EXCEPT SELECT id FROM customers",
    "exists": "SELECT name FROM customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.id"
    " AND o.status = 'open')",
    "not exists": "SELECT id FROM orders AS o WHERE NOT EXISTS"
    " (SELECT * FROM customers AS c WHERE c.id = o.customer_id)",
    "scalar": "SELECT o.id, (SELECT max(c.credit) FROM customers AS c) AS most FROM orders AS o",
    "correlated": "SELECT c.id, (SELECT sum(o.amount) FROM orders AS o WHERE o.customer_id = c.id) AS total"
    " FROM customers AS c",
    "in": "SELECT id, amount FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE region <> 'APAC')",
    "not in": "SELECT id FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)",
    "having": "SELECT customer_id FROM orders GROUP BY customer_id"
    " HAVING sum(amount) > (SELECT min(credit) FROM customers)",
    "window": "SELECT id, rank() OVER (PARTITION BY region ORDER BY credit DESC, id) AS place FROM customers",
    "distinct": "SELECT DISTINCT name, region FROM customers",
    "count of star": "SELECT count(*) FROM customers JOIN orders ON orders.customer_id = customers.id",
    "case": "SELECT sum(CASE WHEN c.region = 'EMEA' THEN o.amount ELSE 0 END) FROM orders o JOIN customers c"
    " ON c.id = o.customer_id",
    "order and limit": "SELECT id FROM customers ORDER BY credit DESC, id LIMIT 3",
}

OF_THE_TABLE_S_NAME = "cte of the table's name"  # SQLite has it read itself, and refuses

FILTERS = {
    "customers": ["region = 'EMEA'", "region <> 'EMEA' OR region IS NULL", "credit >= 500", "id IN (1, 3, 5)"],
    "orders": ["status = 'paid'", "amount > 20", "coalesce(note, '') = ''", "id BETWEEN 5 AND 25"],
    "regions": ["manager = 'Ada'", "region LIKE 'A%'"],
}


def shapes(dialect):
    return {name: sql for name, sql in SHAPES.items() if dialect != "sqlite" or name != OF_THE_TABLE_S_NAME}


def seen_of(world, rules):
    """The tables as they would be if nothing else were there: rows that may not be seen gone, masked columns empty.

    Which rows a filter lets through is asked of the same engine.
    """
    seen = {}
    for name, (columns, rows) in TABLES.items():
        about = [rule for rule in rules if rule.table == name]
        where = " AND ".join(f"({rule.rows})" for rule in about if rule.rows) or "1 = 1"
        kept = world.ask(f"SELECT * FROM {name} WHERE {where}")
        masked = {column for rule in about for column in rule.mask}
        names = [column for column, _ in columns]
        seen[name] = (
            columns,
            [
                tuple(None if column in masked else value for column, value in zip(names, row, strict=True))
                for row in kept
            ],
        )
        assert len(kept) <= len(rows)
    return seen
