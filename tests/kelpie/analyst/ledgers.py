"""The tables of ledger.yaml, small enough to reckon by hand: internal accounts, trials, nulls, two currencies."""

import contextlib
import pathlib
import sqlite3

import duckdb

LEDGER_YAML = (pathlib.Path(__file__).parent / "ledger.yaml").read_text(encoding="utf-8")

TABLES = {
    "accounts": "id INTEGER, country VARCHAR, is_internal BOOLEAN",
    "subscriptions": "id INTEGER, account_id INTEGER, plan VARCHAR, amount DECIMAL(9, 2), is_trial BOOLEAN,"
    " started_on DATE, ended_on DATE",
    "invoices": "id INTEGER, account_id INTEGER, subscription_id INTEGER, amount DECIMAL(9, 2), issued_on DATE,"
    " paid_on DATE, due_on DATE",
    "refunds": "id INTEGER, invoice_id INTEGER, amount DECIMAL(9, 2), refunded_on DATE",
    "payouts": "id INTEGER, account_id INTEGER, amount DECIMAL(9, 2), currency VARCHAR, paid_out_on DATE",
    "headcounts": "id INTEGER, people INTEGER, counted_on DATE",
}
ROWS = {
    "accounts": [(1, "DE", False), (2, "DE", False), (3, "FR", False), (4, None, False), (9, "DE", True)],
    "subscriptions": [
        (1, 1, "basic", "10.10", False, "2024-01-31", None),
        (2, 2, "pro", "100.00", False, "2024-02-01", "2024-06-30"),
        (3, 2, "pro", "120.00", False, "2024-06-30", None),  # an upgrade: never both
        (4, 3, "pro", "100.00", True, "2024-03-01", "2024-03-31"),
        (5, 3, "pro", "100.00", False, "2024-03-31", "2025-01-15"),
        (6, 4, "basic", "0.05", False, "2024-12-31", None),
        (9, 9, "pro", "999.99", False, "2024-01-01", None),
    ],
    "invoices": [
        (1, 1, 1, "10.10", "2024-01-31", "2024-02-03", "2024-03-01"),
        (2, 2, 2, "100.00", "2024-02-29", "2024-03-01", "2024-03-31"),
        (3, 2, 2, "100.00", "2024-03-31", None, "2024-04-30"),
        (4, 3, 5, "100.00", "2024-04-30", "2024-04-30", "2024-05-31"),
        (5, 4, None, "0.05", "2024-12-31", "2025-01-01", "2025-01-31"),
        (6, 1, 1, "10.10", "2025-01-31", "2025-02-01", "2025-03-01"),
        (7, 3, 5, "0.10", "2025-02-10", None, "2025-12-31"),
        (8, 3, 5, "0.20", "2025-02-10", None, "2025-12-31"),
        (9, 9, 9, "999.99", "2024-02-01", "2024-02-01", "2024-03-01"),
    ],
    "refunds": [(1, 2, "50.00", "2024-04-02"), (2, 2, "25.00", "2024-04-03"), (3, 5, "0.05", "2025-01-31")],
    "payouts": [
        (1, 1, "5.00", "EUR", "2024-02-01"),
        (2, 1, "7.00", "USD", "2024-02-15"),
        (3, 3, "1.00", "EUR", "2024-03-01"),
    ],
    "headcounts": [(1, 5, "2024-01-31"), (2, 6, "2024-02-28"), (3, 1, "2024-02-28"), (4, 9, "2024-04-30")],
}


def build_ledger(path):
    """A DuckDB file, or a SQLite one if its name says so; where SQLite has no type, dates are texts."""
    lite = path.endswith(".sqlite")
    with contextlib.closing(sqlite3.connect(path) if lite else duckdb.connect(path)) as connection:
        for table, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            for row in ROWS[table]:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        if lite:
            connection.commit()
    return path
