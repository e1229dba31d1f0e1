"""A small catalog with every kind of thing in it, and what a question comes to. No database: reading is fast.

A library: loans and fines happen, books and members are there, fines come in two currencies, and its year begins in
April. The data end on a Wednesday in the middle of things: 2024-09-18.
"""

import msgspec

from kelpie.analyst.catalog import (
    Catalog,
    CatalogDefault,
    CatalogDimension,
    CatalogFiscal,
    CatalogMetric,
    CatalogPeriod,
    CatalogRefusal,
    CatalogTime,
    CatalogValue,
    CatalogVerified,
)
from kelpie.analyst.planner.asked import Intent, Refused, Unclear
from kelpie.analyst.planner.knowledge import know
from kelpie.analyst.planner.reading.reading import Context
from kelpie.analyst.planner.reading.understanding import understand

GRAINS = ["day", "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year"]
FIRST, LAST = "2021-01-04", "2024-09-18"


def axis(name, label, *synonyms, last=LAST):
    return CatalogTime(name=name, label=label, grains=GRAINS, first=FIRST, last=last, synonyms=list(synonyms))


def metric(name, label, *synonyms, **more):
    dated = {"first": FIRST, "last": LAST}
    return CatalogMetric(name=name, label=label, synonyms=list(synonyms), **dated | more)


def values(*names, **also):
    return [CatalogValue(name, also.get(name, [])) for name in names]


LIBRARY = Catalog(
    semantic_model_id="semantic-model-1",
    label="a library",
    metrics=[
        metric(
            "loans", "number of loans", "loan", "loans", "checkouts", "borrowed books", "books borrowed",
            times=["lent"], aggregation="count", counts="loans", direction="higher_is_better",
        ),
        metric(
            "returns", "number of returns", "returned books", "returns", times=["returned"], aggregation="count",
            counts="loans",
        ),
        metric(
            "requests", "number of requests", "request", "requests", times=["asked", "granted"], time_default=False,
            aggregation="count", counts="requests", not_by=["genre"],
        ),
        metric(
            "fines", "fines", "fine", "penalties", times=["fined"], separate_by=["currency"], aggregation="sum",
            format=",.2f", counts="fines", not_by=["genre"], direction="higher_is_worse",
        ),
        metric(
            "sales", "book sales", "sales", "income", times=["sold", "posted"], unit="EUR", format=",.2f",
            aggregation="sum", counts="sales", direction="higher_is_better",
        ),
        metric("donations", "donations", "donation", "income", times=["given"], unit="EUR", aggregation="sum",
               counts="gifts"),
        metric("members", "active members", "members", "member", "readers", kind="stock", aggregation="count",
               counts="memberships", direction="higher_is_better"),
        metric("stock", "books in stock", "stock", "inventory", kind="stock", aggregation="sum", counts="books"),
        metric("late_share", "share of late returns", "late returns", "percentage of late returns",
               "share of returns late", kind="ratio", times=["returned"], aggregation="share", format=".1%",
               direction="higher_is_worse", support="returns", support_few=20, counts="loans"),
        metric("loan_days", "average days on loan", "days on loan", "loan length", kind="ratio", times=["returned"],
               aggregation="average", unit="days", format=",.1f", counts="loans"),
        metric("loans_per_member", "loans per member", "average loans per member", kind="formula",
               definition="loans / members", aggregation="average", format=",.1f", times=["lent"]),
    ],
    dimensions=[
        CatalogDimension(
            name="branch", label="branch", plural="branches", synonyms=["library", "location"],
            values=values("North", "South", "Old Town", "Harbour Square", North=["uptown"]),
        ),
        CatalogDimension(
            name="genre", label="genre", plural="genres", synonyms=["category", "kind of book"],
            values=values("Crime", "Poetry", "Science fiction", "Children", "Travel", Crime=["thrillers", "thriller"]),
        ),
        CatalogDimension(
            name="pickup", label="pickup branch", plural="pickup branches", synonyms=["location"],
            cues=["picked up at"],
            values=values("North", "South", "Old Town"),
        ),
        CatalogDimension(
            name="member", label="member name", plural="member names", synonyms=["member", "reader"], complete=False,
        ),
        CatalogDimension(name="currency", label="currency", plural="currencies", values=values("EUR", "CHF")),
        CatalogDimension(
            name="channel", label="channel", plural="channels", cues=["via", "through"],
            values=values("desk", "online", "monthly", desk=["counter"]),
        ),
        CatalogDimension(
            name="staff", label="staff loan", plural="staff loans", type="boolean", synonyms=["staff", "test loans"],
        ),
        CatalogDimension(
            name="hour", label="hour", plural="hours", type="number", values=[CatalogValue(n) for n in range(8, 20)],
        ),
    ],
    times=[
        axis("lent", "day of the loan", "lent", "lending date"),
        axis("returned", "day of return", "returned", "return date"),
        axis("asked", "day of request", "asked", "placed"),
        axis("granted", "day it was granted", "granted", "fulfilled"),
        axis("fined", "day of the fine"),
        axis("sold", "day of sale", "sold"),
        axis("posted", "day of posting", "posted", "booked", last="2024-09-10"),
        axis("given", "day of the gift"),
    ],
    fiscal=CatalogFiscal(year_begins=4, named_by="begin", default="ask"),
    defaults=[CatalogDefault(dimension="staff", note="Loans of the staff are left out.")],
    verified=[
        CatalogVerified(name="lost_books", questions=["How many books went missing?", "How many books were lost?"]),
        CatalogVerified(name="lost_last_year", questions=["How many books were lost?"]),
    ],
    periods=[
        CatalogPeriod(name="summer", label="summer", from_month=6, to_month=8),
        CatalogPeriod(name="fall", label="fall", from_month=9, to_month=11),
    ],
    refusals=[CatalogRefusal(words=["salary", "wages"], reason="The data know nothing of pay.")],
    background=["our", "library", "the city"],
    examples=["loans by branch"],
    nouns=[
        "loan", "loans", "member", "members", "request", "requests", "fine", "fines", "book", "books", "sale", "sales",
    ],
)  # fmt: skip
KNOWN = know(LIBRARY)


def ask(question, *answers, **context):
    """What the question turns out to be; `answers` are what was said when asked back."""
    return understand(question, Context(KNOWN, answers=list(answers), **context))


def query(question, *answers, **context):
    """The query it comes to, as plain data without the metrics' own order; fails with what was said instead."""
    asked = ask(question, *answers, **context)
    assert isinstance(asked, Intent), asked
    return msgspec.to_builtins(asked.query(None))


def line(asked):
    """What a question turned out to be, on one line, for people to review."""
    if isinstance(asked, Refused):
        return f"REFUSED {asked.reason}"
    if isinstance(asked, Unclear):
        return f"ASKED {asked.question} {' | '.join(asked.options)}"
    if not isinstance(asked, Intent):
        return f"{type(asked).__name__.upper()} {asked}"
    wanted = asked.query(None)
    parts = [" + ".join(wanted.metrics)]
    by = [*wanted.dimensions, *([wanted.grain] if wanted.grain else [])]
    parts += [f"by {', '.join(by)}"] if by else []
    rules = [f"{r.dimension} {r.op} {'/'.join(map(str, r.values))}" for r in wanted.filters]
    parts += [f"where {' and '.join(rules)}"] if rules else []
    parts += [f"{wanted.time_from} to {wanted.time_to}"] if wanted.time_from else []
    parts += [f"dated {wanted.time}"] if wanted.time else []
    if wanted.compare is not None:
        days = f" {wanted.compare.time_from} to {wanted.compare.time_to}" if wanted.compare.time_from else ""
        parts.append(f"against {wanted.compare.with_}{days}")
    parts += [f"share of {', '.join(wanted.share)}"] if wanted.share else []
    parts += [f"having {c.metric} {c.op} {c.value:g}" for c in wanted.having]
    if asked.superlative:
        (order,) = wanted.order
        parts.append(f"{asked.superlative}: {order.by} {order.direction}{f', {wanted.limit}' if wanted.limit else ''}")
    parts += [f"as a {asked.show}"] if asked.show else []
    return "; ".join(parts)
