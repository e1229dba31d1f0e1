"""All that a query's numbers stand on can be read back, also when its model is gone; and by its tenant alone."""

import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.provenance import provenance
from kelpie.analyst.semantic import records
from kelpie.errors import NotFound


async def test_the_provenance_of_a_query_tells_all_that_it_stands_on(flights):
    await flights.ask("Which carriers had the worst average arrival delay in summer 2013?")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    found = await provenance(flights.view, TENANT, query.id)
    assert found.query == query
    assert found.connection == flights.connection
    assert found.semantic_model == flights.record
    assert [metric.name for metric in found.metrics] == ["average_arrival_delay", "arrived_flights"]
    assert found.metrics[0].numerator == "SUM(flight.arr_delay)"
    assert [chart.query_id for chart in found.charts] == [query.id]
    assert query.verdict.tables == ["airlines", "flights"]
    assert query.snapshot["where"] == flights.connection.config["path"]
    assert (query.snapshot["first"], query.snapshot["last"]) == ("2013-01-01", "2013-12-31")
    assert (query.agent_id, query.run_id, query.tool_call_id) == ("agent-1", "run-1", "call-1")


async def test_provenance_outlives_its_semantic_model_and_stays_in_its_tenant(flights, commit):
    await flights.ask("How many flights in July?")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    with pytest.raises(NotFound):
        await provenance(flights.view, "other", query.id)
    await commit(await records.plan_delete(flights.view, TENANT, flights.record.id))
    found = await provenance(flights.view, TENANT, query.id)
    assert found.semantic_model is None
    assert found.query.rows == query.rows
    assert found.query.basis.columns["flights"].formula == "COUNT(*)"
    assert found.query.basis.semantic_model == flights.record.name
