"""The demo's second warehouse: a made-up SaaS company, Tidewater, from 2022-11-01 to 2025-11-18, as one DuckDB file.

Nothing is fetched: `company_life` makes the same rows on every machine. They hold what makes numbers go wrong in
real companies: trials that never convert, changes of plan, back-dated invoices, refunds months later, test accounts.
"""

import csv
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from kelpie.demo import company_life as life
from kelpie.errors import MissingExtra
from umi.dst import Rng

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[str], None]

SEMANTIC_MODEL = "company.yaml"

_FEATURES = ("dashboards", "reports", "automations", "API", "mobile app")

# Types are stated; the order is that of the foreign keys.
_TABLES = {
    "customers": """
        customer_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, country VARCHAR, region VARCHAR,
        industry VARCHAR, company_size VARCHAR NOT NULL, acquisition_channel VARCHAR NOT NULL,
        signed_up_on DATE NOT NULL, is_internal BOOLEAN NOT NULL""",
    "plans": """
        plan_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, monthly_price DECIMAL(12, 2) NOT NULL,
        annual_price DECIMAL(12, 2) NOT NULL""",
    "subscriptions": """
        subscription_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
        plan_id INTEGER NOT NULL REFERENCES plans (plan_id), is_trial BOOLEAN NOT NULL,
        billing_interval VARCHAR NOT NULL, seats INTEGER NOT NULL, monthly_amount DECIMAL(12, 2) NOT NULL,
        started_on DATE NOT NULL, start_reason VARCHAR NOT NULL, ended_on DATE, end_reason VARCHAR""",
    "invoices": """
        invoice_id INTEGER PRIMARY KEY, invoice_number VARCHAR NOT NULL UNIQUE,
        customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
        subscription_id INTEGER NOT NULL REFERENCES subscriptions (subscription_id), issued_on DATE NOT NULL,
        recorded_on DATE NOT NULL, due_on DATE NOT NULL, paid_on DATE, amount DECIMAL(12, 2) NOT NULL,
        status VARCHAR NOT NULL""",
    "refunds": """
        refund_id INTEGER PRIMARY KEY, invoice_id INTEGER NOT NULL REFERENCES invoices (invoice_id),
        refunded_on DATE NOT NULL, amount DECIMAL(12, 2) NOT NULL, reason VARCHAR""",
    "payouts": """
        payout_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
        partner VARCHAR NOT NULL, paid_out_on DATE NOT NULL, amount DECIMAL(12, 2) NOT NULL,
        currency VARCHAR NOT NULL""",
    "daily_usage": """
        usage_id INTEGER PRIMARY KEY, usage_date DATE NOT NULL,
        subscription_id INTEGER NOT NULL REFERENCES subscriptions (subscription_id), active_users INTEGER NOT NULL,
        storage_mb INTEGER NOT NULL""",
    "feature_usage": """
        feature_usage_id INTEGER PRIMARY KEY, usage_date DATE NOT NULL,
        subscription_id INTEGER NOT NULL REFERENCES subscriptions (subscription_id), feature VARCHAR NOT NULL,
        events INTEGER NOT NULL""",
}
_COMMENTS = {
    "customers": "Everybody who ever signed up; whether they pay is in subscriptions.",
    "customers.region": "Sales region; null where the country is not known.",
    "customers.company_size": "Number of employees, as a range.",
    "customers.is_internal": "Test accounts of our own: in no report.",
    "plans.monthly_price": "US dollars a seat and month when billed monthly.",
    "plans.annual_price": "US dollars a seat and month when billed annually.",
    "subscriptions": "Trials and paid subscriptions. A change of plan ends one row and begins the next on that day.",
    "subscriptions.is_trial": "A trial is free, whatever its monthly_amount says.",
    "subscriptions.monthly_amount": "US dollars a month; for a trial, what it would cost; annual prices divided by 12.",
    "subscriptions.start_reason": "trial, new, reactivation, upgrade or downgrade.",
    "subscriptions.ended_on": "The first day on which it no longer holds; null while it does.",
    "subscriptions.end_reason": "converted or expired (trials), churned, upgrade or downgrade.",
    "invoices": "In US dollars. Void ones count for nothing.",
    "invoices.issued_on": "The date on the invoice.",
    "invoices.recorded_on": "The day it was entered into the books; weeks later for a back-dated one.",
    "invoices.paid_on": "The day the money came in, whole; null if it has not.",
    "invoices.status": "paid, open, overdue or void, as of the data's last day.",
    "refunds": "Money given back on paid invoices, often in a later month; an invoice may have several.",
    "payouts": "Commissions to partners for customers they brought, each in the partner's currency.",
    "daily_usage": "One row for each day of each subscription, trials included.",
    "daily_usage.storage_mb": "What is stored at the day's end, in megabytes.",
    "feature_usage": "Events by feature, on days a feature was used.",
}


def semantic_model_yaml() -> str:
    """The semantic model that goes with the warehouse."""
    return resources.files("kelpie.demo").joinpath(SEMANTIC_MODEL).read_text(encoding="utf-8")


def build_company(duckdb_path: str, progress: Progress) -> None:
    """Write the warehouse to `duckdb_path`, whole or not at all, replacing what is there. Takes seconds; blocks.

    Raises MissingExtra without duckdb.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("the demo's warehouse", "analyst") from error
    folder = os.path.dirname(os.path.abspath(duckdb_path))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        building = os.path.join(work, "building.duckdb")
        with duckdb.connect(building) as connection:
            for table, rows in _rows().items():
                progress(f"Making {table} …")
                connection.execute(f"CREATE TABLE {table} ({_TABLES[table]})")
                _load(connection, table, rows, os.path.join(work, f"{table}.csv"))
            for place, comment in _COMMENTS.items():
                what = "COLUMN" if "." in place else "TABLE"
                connection.execute(f"COMMENT ON {what} {place} IS '{comment.replace(chr(39), chr(39) * 2)}'")
        os.replace(building, duckdb_path)
    progress(f"The company Tidewater in {duckdb_path}")


def _rows() -> dict[str, Iterable[Sequence[Any]]]:
    customers = life.customers()
    subscriptions = life.subscriptions(customers)
    owners = {subscription.subscription_id: subscription for subscription in subscriptions}
    invoices = life.invoices(subscriptions)
    numbers = {invoice: number for number, invoice in enumerate(invoices, 1)}
    refunds = life.refunds(invoices, owners)
    payouts = life.payouts(customers, invoices)
    return {
        "customers": customers,
        "plans": [(p.plan_id, p.name, _money(p.monthly_cents), _money(p.annual_cents)) for p in life.PLANS],
        "subscriptions": [(*s[:6], _money(s.monthly_cents), *s[7:]) for s in subscriptions],
        "invoices": [
            (n, f"INV-{i.recorded_on.year}-{n:05d}", *i[:6], _money(i.amount_cents), i.status)
            for i, n in numbers.items()
        ],
        "refunds": [
            (n, numbers[r.invoice], r.refunded_on, _money(r.amount_cents), r.reason) for n, r in enumerate(refunds, 1)
        ],
        "payouts": [(n, *p[:3], _money(p.amount_cents), p.currency) for n, p in enumerate(payouts, 1)],
        "daily_usage": _numbered(_daily_usage(subscriptions)),
        "feature_usage": _numbered(_feature_usage(subscriptions)),
    }


def _daily_usage(subscriptions: Sequence[life.Subscription]) -> Iterator[tuple[Any, ...]]:
    stored: dict[int, int] = {}  # by customer: it stays when a plan changes
    for subscription in subscriptions:
        days = _days(subscription)
        chance = Rng(f"tidewater-usage/{subscription.subscription_id}").bytes(len(days))
        storage = stored.get(subscription.customer_id, 200)
        for day, drawn in zip(days, chance, strict=True):
            # A third to nine tenths of the seats on a weekday, a tenth of that at weekends.
            users = subscription.seats * (85 + drawn * 145 // 255) // 255
            storage += drawn * subscription.seats // 256
            yield day, subscription.subscription_id, users if day.weekday() < 5 else users // 10, storage
        stored[subscription.customer_id] = storage


def _feature_usage(subscriptions: Sequence[life.Subscription]) -> Iterator[tuple[Any, ...]]:
    for subscription in subscriptions:
        days = _days(subscription)
        rng = Rng(f"tidewater-features/{subscription.subscription_id}")
        used = sorted({min(rng.randint(0, 4), rng.randint(0, 4)) for _ in range(3)})
        chance = rng.bytes(2 * len(days))
        for number, day in enumerate(days):
            drawn, amount = chance[2 * number], chance[2 * number + 1]
            if drawn < (150 if day.weekday() < 5 else 15):
                feature = _FEATURES[used[drawn % len(used)]]
                yield day, subscription.subscription_id, feature, 1 + amount * subscription.seats // 16


def _days(subscription: life.Subscription) -> list[dt.date]:
    before = subscription.ended_on or life.LAST_DAY + dt.timedelta(days=1)
    start = subscription.started_on
    return [start + dt.timedelta(days=n) for n in range((before - start).days)]


def _numbered(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    # By day, as they would have come in.
    return ((number, *row) for number, row in enumerate(sorted(rows), 1))


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _load(connection: "DuckDBPyConnection", table: str, rows: Iterable[Sequence[Any]], csv_path: str) -> None:
    with open(csv_path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    stated = ", ".join(f"'{name}': '{kind}'" for name, kind, *_ in described)
    source = csv_path.replace("'", "''")
    connection.execute(
        f"INSERT INTO {table} SELECT * FROM read_csv('{source}', header = false, quote = '\"', columns = {{{stated}}})"
    )
