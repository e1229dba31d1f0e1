"""Compiled SQL against plain Python over random small tables: the same rows, in the same order, on two engines."""

import datetime as dt
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.kelpie.analyst.compile.naive import FLOWS, FORMULAS, MODEL, STOCKS, TABLES, Naive

from kelpie.analyst.compile import Coverage, Days, compile_query
from kelpie.analyst.compile.windows import STEPS
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import measures_of, metric_query
from kelpie.analyst.semantic.reading import read_model
from kelpie.errors import InvalidInput, LimitExceeded

READ = read_model(MODEL)
# Days close together, at both ends of months, weeks and years, around a leap day and a year later: what is compared
# meets, and what may not be counted twice lies beside it.
_NEAR = ("12-28", "12-31", "01-01", "01-08", "01-31", "02-01", "02-28", "03-01", "03-03", "03-31", "04-01")
POOL = [dt.date.fromisoformat(f"{year}-{day}") for year in (2023, 2024, 2025) for day in _NEAR][2:]
POOL += [dt.date(2024, 2, 29), dt.date(2024, 12, 30), dt.date(2024, 6, 30), dt.date(2024, 7, 1)]
days = st.sampled_from([*sorted(POOL)[3:-3], *[dt.date(2024, 2, 29)] * 3])
amounts = st.sampled_from([None, *(Decimal(quarters) / 4 for quarters in (-8, 0, 1, 2, 10, 40, 41, 80, 121))])
customer_ids = st.sampled_from([1, 2, 3, 4, 4, None, 9])  # 9 is nobody


def rows(**columns):
    """Some rows of a table."""
    row = st.fixed_dictionaries({"customer_id": customer_ids, **columns})
    return st.lists(row, min_size=4, max_size=12).map(
        lambda found: [{"id": number, **one} for number, one in enumerate(found)]
    )


data = st.fixed_dictionaries(
    {
        "customers": st.tuples(
            *(
                st.fixed_dictionaries(
                    {
                        "id": st.just(n),
                        "country": st.sampled_from(["DE", "FR", None]),
                        "size": st.sampled_from([1, 2, None]),
                    }
                )
                for n in (1, 2, 3, 4)
            )
        ).map(list),
        "invoices": rows(amount=amounts, issued_on=days, paid_on=st.one_of(st.none(), days)),
        "refunds": rows(amount=amounts, refunded_on=days),
        "plans": rows(amount=amounts, begins_on=days, ends_on=st.one_of(st.none(), days)),
        "seats": rows(used=st.one_of(st.none(), st.integers(0, 9)), counted_on=days),
    }
)
filters = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "dimension": st.just("country"),
                "values": st.sampled_from([["DE"], ["DE", None], ["FR"], [None]]),
                "op": st.sampled_from(["in", "not_in"]),
            }
        ),
        st.fixed_dictionaries(
            {"dimension": st.just("size"), "values": st.just([1]), "op": st.sampled_from(["in", "not_in"])}
        ),
    ),
    max_size=1,
)


@st.composite
def queries(draw):
    names = draw(st.lists(st.sampled_from([*FLOWS, *STOCKS, *FORMULAS]), min_size=1, max_size=3, unique=True))
    query = {
        "metrics": names,
        "dimensions": draw(st.sampled_from([[], ["country"], ["size", "country"]])),
        "filters": draw(filters),
    }
    bases = {base for name in names for base in FORMULAS.get(name, ([name],))[0]}
    if any(FLOWS.get(base, ("",))[0] == "invoices" for base in bases):
        query["time"] = draw(st.sampled_from(["issued", "paid"]))
    bounds = sorted(draw(st.tuples(days, days)))
    whole = draw(st.booleans())  # whole months, or any days
    if whole:
        bounds = [bounds[0].replace(day=1), (bounds[1].replace(day=28) + dt.timedelta(days=4)).replace(day=1)]
        bounds[1] -= dt.timedelta(days=1)
    for name, bound in zip(("time_from", "time_to"), bounds, strict=True):
        if draw(st.integers(0, 3)):
            query[name] = bound.isoformat()
    grain = draw(st.sampled_from([None, None, None, None, *STEPS, "day"]))
    if grain:
        query["grain"] = grain
    compared = draw(st.sampled_from([None, "previous_period", "previous_year", "period"]))
    if compared == "period" and not grain:
        other = sorted(draw(st.tuples(days, days)))
        query["compare"] = {"with": "period", "time_from": other[0].isoformat(), "time_to": other[1].isoformat()}
    elif compared and compared != "period":
        query["compare"] = {"with": compared}
    shared = [*query["dimensions"], *(rule["dimension"] for rule in query["filters"])]
    if shared and draw(st.booleans()):
        query["share"] = draw(st.lists(st.sampled_from(shared), min_size=1, max_size=2, unique=True))
    arrange(draw, query)
    return query


def arrange(draw, query):
    asked = metric_query(query)
    columns = [column for name in query["metrics"] for column in measures_of(asked, name)]
    if draw(st.integers(0, 7)) == 0:
        query["having"] = [
            {
                "metric": draw(st.sampled_from(columns)),
                "op": draw(st.sampled_from(["gt", "gte", "lt", "lte", "eq", "ne"])),
                "value": draw(st.sampled_from([0.0, 0.5, 1.0, 12.25])),
            }
        ]
    if draw(st.booleans()):
        query["order"] = [{"by": draw(st.sampled_from(columns)), "direction": draw(st.sampled_from(["asc", "desc"]))}]
    if draw(st.integers(0, 3)) == 0:
        query["limit"] = draw(st.integers(1, 4))


def covered(tables):
    """The first and last day on each axis and of each stock."""

    def span(table, column):
        known = [row[column] for row in tables[table] if row[column] is not None]
        return (min(known), max(known)) if known else None

    axes = {
        "issued": span("invoices", "issued_on"),
        "paid": span("invoices", "paid_on"),
        "refunded": span("refunds", "refunded_on"),
    }
    last = max(days[1] for days in axes.values() if days)
    begins = span("plans", "begins_on")[0]
    return axes | {"mrr": (begins, last), "subscribers": (begins, last), "seats_used": span("seats", "counted_on")}


def filled(database, tables):
    kinds = {"id": "INTEGER", "customer_id": "INTEGER", "country": "VARCHAR(9)", "size": "INTEGER", "used": "INTEGER"}
    database.fill(
        {
            table: (
                {name: kinds.get(name, "DATE" if name.endswith("_on") else "DECIMAL(9, 2)") for name in columns},
                [[row[name] for name in columns] for row in tables[table]],
            )
            for table, columns in TABLES.items()
        }
    )


def shown(cell):
    """What an engine's cell has to equal."""
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, Decimal | Fraction | int | float):
        return pytest.approx(float(cell), rel=1e-9, abs=1e-12)
    return cell


# What a query may be refused for here: it lacks a day, has no whole, or is too much.
REFUSED = re.compile(r"needs time_from|has no share|SQL|at most")


def check(database, tables, asked):
    """Each of the queries `asked` over the same rows."""
    known = covered(tables)
    assume(known["paid"] is not None)
    coverage = Coverage(
        axes={name: Days(*known[name]) for name in ("issued", "paid", "refunded")},
        stocks={name: Days(*known[name]) for name in STOCKS},
    )
    filled(database, tables)
    for query in asked:
        try:
            compiled = compile_query(READ, metric_query(query), database.dialect, coverage)
        except (InvalidInput, LimitExceeded) as refused:
            if not REFUSED.search(str(refused)):
                raise
            continue
        found = database.run(guard(compiled.sql, READ.tables, dialect=database.dialect).sql)
        expected = Naive(tables, known).answer(query)
        names = [*query["dimensions"], *filter(None, [query.get("grain")]), *Naive.columns(_asked(query))]
        assert [column.name for column in compiled.columns] == names
        assert found == [[shown(cell) for cell in row] for row in expected], f"{query}\n{compiled.sql}"


def _asked(query):
    naive = Naive({"customers": []}, {})
    naive.query = query
    return naive


CALM = {"deadline": None, "suppress_health_check": list(HealthCheck)}
several = st.lists(queries(), min_size=8, max_size=12)


@settings(max_examples=12, **CALM)
@given(tables=data, asked=several)
def test_duckdb_gives_the_rows_of_plain_python(duckdb_database, tables, asked):
    check(duckdb_database, tables, asked)


@settings(max_examples=18, **CALM)
@given(tables=data, asked=several)
def test_sqlite_gives_the_rows_of_plain_python(sqlite_database, tables, asked):
    check(sqlite_database, tables, asked)


@settings(max_examples=5, **CALM)
@given(tables=data, asked=several)
def test_postgres_gives_the_rows_of_plain_python(postgres_database, tables, asked):
    check(postgres_database, tables, asked)


@settings(max_examples=5, **CALM)
@given(tables=data, asked=several)
def test_mariadb_gives_the_rows_of_plain_python(mysql_database, tables, asked):
    check(mysql_database, tables, asked)
