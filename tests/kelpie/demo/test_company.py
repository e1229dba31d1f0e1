"""The made-up company: the same rows on every machine, and what must hold among customers, subscriptions and money."""

import hashlib

import duckdb
import pytest

from kelpie.demo.company import build_company, semantic_model_yaml

# All rows of a table as one number that no order changes.
FINGERPRINT = "SELECT count(*), sum(('0x' || left(md5(CAST(t AS VARCHAR)), 12))::BIGINT)::VARCHAR FROM {} AS t"
TABLES = ("customers", "plans", "subscriptions", "invoices", "refunds", "payouts", "daily_usage", "feature_usage")
EXPECTED = "1e7575581556f7d3d7685da893450ca8cb45c373dcf24da47f238e92571f4689"  # SHA-256 over all fingerprints
MONTHS = "range(DATE '2022-11-01', DATE '2025-11-01', INTERVAL 1 MONTH)"


@pytest.fixture
def ask(company_path):
    with duckdb.connect(company_path, read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


def fingerprints(connection):
    return {table: connection.execute(FINGERPRINT.format(table)).fetchone() for table in TABLES}


def test_every_machine_makes_the_same_rows(company_path):
    with duckdb.connect(company_path, read_only=True) as connection:
        found = fingerprints(connection)
    text = "\n".join(f"{table} {count} {number}" for table, (count, number) in sorted(found.items()))
    assert hashlib.sha256(text.encode()).hexdigest() == EXPECTED, text


def test_a_second_build_is_equal_and_replaces_the_first_whole(company_path, tmp_path):
    path = tmp_path / "company.duckdb"
    path.write_bytes(b"what was there before")
    said = []
    build_company(str(path), said.append)
    assert said[-1] == f"The company Tidewater in {path}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["company.duckdb"]
    with duckdb.connect(str(path), read_only=True) as second, duckdb.connect(company_path, read_only=True) as first:
        assert fingerprints(second) == fingerprints(first)


def test_keys_and_comments_are_stated(ask):
    kinds = ask("SELECT constraint_type, count(*) FROM duckdb_constraints() GROUP BY 1")
    assert dict(kinds)["PRIMARY KEY"] == len(TABLES)
    assert dict(kinds)["FOREIGN KEY"] == 8
    assert ask("SELECT comment FROM duckdb_columns() WHERE column_name = 'is_trial'") == [
        ("A trial is free, whatever its monthly_amount says.",)
    ]
    assert ask("SELECT data_type FROM duckdb_columns() WHERE column_name = 'amount' AND NOT internal GROUP BY 1") == [
        ("DECIMAL(12,2)",)
    ]


def test_the_data_end_on_one_day_that_ends_no_month(ask):
    last_days = {
        "customers": "signed_up_on", "subscriptions": "started_on", "refunds": "refunded_on",
        "daily_usage": "usage_date", "feature_usage": "usage_date",
    }  # fmt: skip
    for table, column in last_days.items():
        assert ask(f"SELECT max({column}) = DATE '2025-11-18' FROM {table}") == [(True,)], table
    for column in ("issued_on", "recorded_on", "paid_on"):
        assert ask(f"SELECT max({column}) = DATE '2025-11-18' FROM invoices") == [(True,)], column
    assert ask("SELECT max(ended_on) = DATE '2025-11-18' FROM subscriptions WHERE NOT is_trial") == [(True,)]
    assert ask("SELECT max(paid_out_on) <= DATE '2025-11-18' FROM payouts") == [(True,)]


# What must hold of every row: a name, and SQL that counts the rows that break it.
BROKEN = {
    "a subscription lasts at least a day": "FROM subscriptions WHERE ended_on <= started_on",
    "an end has a reason and a reason an end": "FROM subscriptions WHERE (ended_on IS NULL) <> (end_reason IS NULL)",
    "no customer has two subscriptions at once": """FROM subscriptions a JOIN subscriptions b
        ON a.customer_id = b.customer_id AND a.subscription_id < b.subscription_id
        WHERE a.started_on < coalesce(b.ended_on, '2999-01-01')
        AND b.started_on < coalesce(a.ended_on, '2999-01-01')""",
    "a change of plan begins on the day the other row ends": """FROM subscriptions a LEFT JOIN subscriptions b
        ON a.customer_id = b.customer_id AND b.started_on = a.ended_on AND b.start_reason = a.end_reason
        WHERE a.end_reason IN ('upgrade', 'downgrade') AND b.subscription_id IS NULL""",
    "an upgrade is to a higher plan": """FROM subscriptions a JOIN subscriptions b
        ON a.customer_id = b.customer_id AND b.started_on = a.ended_on
        WHERE (a.end_reason = 'upgrade' AND b.plan_id <= a.plan_id)
        OR (a.end_reason = 'downgrade' AND b.plan_id >= a.plan_id)""",
    "only trials convert or expire": "FROM subscriptions WHERE is_trial <> (start_reason = 'trial') OR (NOT is_trial"
    " AND end_reason IN ('converted', 'expired')) OR (is_trial AND end_reason NOT IN ('converted', 'expired'))",
    "a conversion is followed by a first paid subscription": """FROM subscriptions a LEFT JOIN subscriptions b
        ON a.customer_id = b.customer_id AND b.started_on = a.ended_on AND b.start_reason = 'new'
        WHERE a.end_reason = 'converted' AND b.subscription_id IS NULL""",
    "trials are never invoiced": "FROM invoices JOIN subscriptions USING (subscription_id) WHERE is_trial",
    "an invoice lies within its subscription": """FROM invoices JOIN subscriptions USING (subscription_id)
        WHERE issued_on < started_on OR issued_on >= coalesce(ended_on, '2999-01-01')""",
    "an invoice names its subscription's customer": """FROM invoices i JOIN subscriptions s USING (subscription_id)
        WHERE i.customer_id <> s.customer_id""",
    "an invoice is for a month or a year": """FROM invoices JOIN subscriptions USING (subscription_id)
        WHERE amount <> monthly_amount * (CASE billing_interval WHEN 'annual' THEN 12 ELSE 1 END)""",
    "days of an invoice are in order": "FROM invoices WHERE NOT (issued_on <= recorded_on AND issued_on < due_on"
    " AND recorded_on <= coalesce(paid_on, recorded_on) AND recorded_on <= '2025-11-18')",
    "the status says what the days say": "FROM invoices WHERE (status = 'paid') <> (paid_on IS NOT NULL)"
    " OR (status = 'overdue' AND due_on >= '2025-11-18') OR (status = 'open' AND due_on < '2025-11-18')",
    "refunds are of paid invoices, later": "FROM refunds JOIN invoices USING (invoice_id)"
    " WHERE paid_on IS NULL OR refunded_on <= paid_on",
    "refunds are no more than the invoice": """FROM (
        SELECT invoice_id, sum(r.amount) AS back, any_value(i.amount) AS paid
        FROM refunds r JOIN invoices i USING (invoice_id) GROUP BY 1) WHERE back > paid""",
    "one day of usage for each day of each subscription": """FROM (SELECT s.subscription_id,
        coalesce(ended_on, '2025-11-19') - started_on AS days, count(usage_id) AS rows,
        count(DISTINCT usage_date) AS used
        FROM subscriptions s LEFT JOIN daily_usage USING (subscription_id) GROUP BY ALL)
        WHERE days <> rows OR days <> used""",
    "a partner is paid in one currency": """FROM (SELECT partner FROM payouts GROUP BY 1
        HAVING count(DISTINCT currency) > 1)""",
}  # fmt: skip


@pytest.mark.parametrize("sql", BROKEN.values(), ids=BROKEN)
def test_it_holds_of_every_row(ask, sql):
    assert ask(f"SELECT count(*) {sql}") == [(0,)]


# Traps that the data must really hold, or nobody would notice who falls into them.
TRAPS = {
    "trials that never convert": "FROM subscriptions WHERE end_reason = 'expired' AND monthly_amount > 0",
    "invoices back-dated into another month": "FROM invoices WHERE date_trunc('month', recorded_on)"
    " > date_trunc('month', issued_on)",
    "refunds in a later month than their invoice": "FROM refunds JOIN invoices USING (invoice_id)"
    " WHERE date_trunc('month', refunded_on) > date_trunc('month', issued_on)",
    "invoices with two refunds": "FROM (SELECT invoice_id FROM refunds GROUP BY 1 HAVING count(*) > 1)",
    "internal accounts with invoices": "FROM invoices JOIN customers USING (customer_id) WHERE is_internal",
    "internal accounts that churned": "FROM subscriptions JOIN customers USING (customer_id)"
    " WHERE is_internal AND end_reason = 'churned'",
    "unknown regions": "FROM customers WHERE region IS NULL",
    "unknown industries": "FROM customers WHERE industry IS NULL",
    "names with commas": "FROM customers WHERE name LIKE '%,%'",
    "names with quotes": "FROM customers WHERE name LIKE '%\"%' OR name LIKE '%''%'",
    "customers who came back": "FROM subscriptions WHERE start_reason = 'reactivation'",
    "void invoices": "FROM invoices WHERE status = 'void'",
    "invoices paid after they were due": "FROM invoices WHERE paid_on > due_on",
}


@pytest.mark.parametrize("sql", TRAPS.values(), ids=TRAPS)
def test_it_holds_what_makes_numbers_go_wrong(ask, sql):
    ((count,),) = ask(f"SELECT count(*) {sql}")
    assert count >= 1


def test_customers_at_an_end_are_those_at_the_start_and_what_came_and_went(ask):
    """What the churn rate of the semantic model stands on, for every month and plan."""
    broken = ask(f"""
        WITH months AS (SELECT unnest({MONTHS})::DATE AS first), paid AS (
            SELECT * FROM subscriptions WHERE NOT is_trial)
        SELECT first, plan_id,
            count(*) FILTER (WHERE started_on < first AND coalesce(ended_on >= first, true)) AS opening,
            count(*) FILTER (WHERE started_on < first + INTERVAL 1 MONTH
                AND coalesce(ended_on >= first + INTERVAL 1 MONTH, true)) AS closing,
            count(*) FILTER (WHERE date_trunc('month', started_on) = first) AS came,
            count(*) FILTER (WHERE date_trunc('month', ended_on) = first) AS went
        FROM months CROSS JOIN paid GROUP BY ALL HAVING opening <> closing - came + went""")
    assert broken == []


def test_money_of_quarters_is_the_money_of_their_months_to_the_cent(ask):
    for grain in ("month", "quarter"):
        ((total,),) = ask(f"""SELECT sum(net) FROM (
            SELECT date_trunc('{grain}', day) AS period, sum(amount) AS net FROM (
                SELECT issued_on AS day, amount FROM invoices WHERE status <> 'void'
                UNION ALL SELECT refunded_on, -amount FROM refunds) GROUP BY 1)""")
        assert (
            total
            == ask("""SELECT (SELECT sum(amount) FROM invoices WHERE status <> 'void')
            - (SELECT sum(amount) FROM refunds)""")[0][0]
        )


def test_the_semantic_model_comes_with_the_package():
    assert semantic_model_yaml().startswith("# The semantic model of the demo's made-up company")
