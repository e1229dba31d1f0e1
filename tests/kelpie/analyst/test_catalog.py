"""What list_metrics tells: words of the model, values and days of the data, and what the asker may not see."""

import msgspec
import pytest
from tests.kelpie.analyst.ledgers import LEDGER_YAML, build_ledger

from kelpie.analyst.access.access import Access
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.catalog import read_catalog
from kelpie.analyst.catalog_build import build_catalog
from kelpie.analyst.compile import coverage_of
from kelpie.analyst.semantic.coverage import find_coverage
from kelpie.analyst.semantic.probe import Probe
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from umi.dst import Host

LEDGER = read_model(LEDGER_YAML)


@pytest.fixture(params=["duckdb", "sqlite"])
async def source(request, tmp_path):
    host = Host()
    workers = Workers(host, 1)
    path = build_ledger(str(tmp_path / f"ledger.{request.param}"))
    opened = await open_source(request.param, {"path": path}, Surroundings(host, workers, [str(tmp_path)], {}))
    yield opened
    await opened.stop()
    workers.close()


@pytest.fixture
async def catalog(source):
    return await build_catalog(LEDGER, source, "semantic-model-1")


def rule(**fields):
    return AccessRule(
        tenant="t", id="rule-1", name="rule", semantic_model="ledger", who="everyone", created_at_ms=0, **fields
    )


async def test_a_catalog_survives_the_wire(catalog):
    assert read_catalog(msgspec.json.decode(msgspec.json.encode(catalog))) == catalog


async def test_each_axis_and_metric_tells_its_days(catalog):
    assert {axis.name: (axis.first, axis.last) for axis in catalog.times} == {
        "issued": ("2024-01-31", "2025-02-10"),
        "paid": ("2024-02-01", "2025-02-01"),
        "refunded": ("2024-04-02", "2025-01-31"),
        "paid_out": ("2024-02-01", "2024-03-01"),
        "due": ("2024-03-01", "2025-12-31"),
    }
    days = {metric.name: (metric.first, metric.last) for metric in catalog.metrics}
    assert days["invoiced"] == ("2024-01-31", "2025-02-10")
    assert days["refunds"] == ("2024-04-02", "2025-01-31")
    # A stock is known to the last day of the axis that the model names for it, not to the last due date.
    assert days["mrr"] == ("2024-01-01", "2025-02-10")
    assert days["staff"] == ("2024-01-31", "2024-04-30")
    assert days["net_revenue"] == ("2024-01-31", "2025-02-10")


async def test_the_catalog_gives_back_the_coverage_it_was_made_of(catalog, source):
    assert coverage_of(catalog) == await find_coverage(Probe(LEDGER, source))


async def test_a_metric_says_whether_its_date_has_to_be_asked_for(catalog):
    asked = {metric.name: (metric.times, metric.time_default) for metric in catalog.metrics}
    assert asked["invoices"] == (["issued", "paid"], False)
    assert asked["invoiced"] == (["issued", "paid"], True)
    assert asked["net_revenue"] == (["issued", "paid", "refunded"], True)
    assert asked["mrr"] == ([], True)


async def test_a_metric_says_what_it_can_not_be_looked_at_by(catalog):
    assert catalog.metric("staff").not_by == ["country", "internal", "plan", "currency"]
    assert catalog.metric("net_revenue").not_by == ["currency"]
    assert catalog.metric("paid_out_amount").separate_by == ["currency"]


async def test_the_company_s_own_words_are_told(catalog):
    assert (catalog.fiscal.year_begins, catalog.fiscal.named_by, catalog.fiscal.default) == (2, "end", "fiscal")
    assert [(one.dimension, one.note) for one in catalog.defaults] == [("internal", "Without internal accounts")]
    assert [(one.name, one.questions) for one in catalog.verified] == [
        ("trials", ["How many trials are there?", "trials"])
    ]
    assert catalog.axis("paid").grains == ["month", "quarter", "year", "fiscal_quarter", "fiscal_year"]
    definition = catalog.metric("mrr").definition
    assert definition.startswith("SUM(subscription.amount) where NOT subscription.is_trial and held since")


async def test_values_are_those_of_every_metric_s_rows(catalog):
    """Austria has a payout and nothing else: a filter by it is no mistake."""
    assert [value.value for value in catalog.dimension("internal").values] == [False, True]
    assert [(value.value, value.also) for value in catalog.dimension("plan").values] == [
        ("basic", []),
        ("pro", ["Big"]),
    ]
    assert [value.value for value in catalog.dimension("country").values] == ["DE", "FR"]


async def test_a_table_that_is_withheld_leaves_its_parts_named_and_without_values(source):
    access = await Access((rule(table="payouts", deny=True),)).over(source)
    catalog = await build_catalog(LEDGER, source, "semantic-model-1", access)
    currency = catalog.dimension("currency")
    assert (currency.values, currency.complete) == ([], False)
    assert "payouts" in currency.withheld
    assert catalog.axis("paid_out") is None
    assert catalog.metric("paid_out_amount").first == ""
    assert catalog.axis("issued").last == "2025-02-10"


async def test_rows_that_are_withheld_are_no_days_and_no_values(source):
    access = await Access((rule(table="invoices", rows="amount > 50"), rule(table="accounts", mask=["country"]))).over(
        source
    )
    catalog = await build_catalog(LEDGER, source, "semantic-model-1", access)
    assert (catalog.axis("issued").first, catalog.axis("issued").last) == ("2024-02-01", "2024-04-30")
    assert catalog.dimension("country").withheld
