"""Metric queries drawn from a seed, over both of the demo's warehouses."""

import random

import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT, open_desk

from kelpie.analyst import results
from kelpie.analyst.metric_query import Comparison, MetricQuery
from kelpie.demo import company as the_company


@pytest.fixture(scope="session")
def company_path(data_folder):
    path = str(data_folder / "company.duckdb")
    the_company.build_company(path, lambda said: None)
    return path


@pytest.fixture
async def company(host, database, analyst, registered, company_path):
    return await open_desk(host, database, analyst, registered, company_path, the_company.semantic_model_yaml())


@pytest.fixture
def asked():
    """`await asked(desk, count, periods)`: that many stored queries that ran, of every kind of metric."""

    async def ask(desk, count, periods):
        catalog = await desk.analyst.catalog(await desk.analyst.load(desk.view, TENANT, desk.record.id))
        rng, tried = random.Random(1), 0
        while True:
            found = [
                query
                for query in await results.queries_of_agent(desk.view, TENANT, "agent-1", limit=1_000)
                if query.verdict.outcome == "run" and query.rows and query.semantic_model_id == desk.record.id
            ]
            if len(found) >= count:
                return found[:count]
            tried += 1
            assert tried < 20 * count, "too few of them can be asked"
            await desk.call("query_metric", **drawn(rng, catalog, periods))

    return ask


def drawn(rng, catalog, periods):
    """The arguments of a query that may or may not fit the model."""
    metric = rng.choice(catalog.metrics)
    few = [one.name for one in catalog.dimensions if one.values and one.name not in metric.not_by]
    dimensions = rng.sample(few, rng.choice([0, 0, 1, 1, 2])) if len(few) > 1 else []
    first, last = rng.choice(periods)
    query = MetricQuery(
        metrics=[metric.name],
        dimensions=dimensions,
        grain=rng.choice([None, None, "month", "quarter"]),
        time_from=first,
        time_to=last,
        time=metric.times[0] if len(metric.times) > 1 else None,
        compare=Comparison(with_="previous_year") if rng.random() < 0.2 else None,
        share=dimensions[:1] if rng.random() < 0.3 else [],
    )
    return msgspec.to_builtins(query)
