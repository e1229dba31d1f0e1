"""All that the numbers of one query stand on."""

from typing import Any

import msgspec

from kelpie.analyst import connections, results
from kelpie.analyst.connections import Connection
from kelpie.analyst.results import Chart, StoredQuery
from kelpie.analyst.semantic import records
from kelpie.analyst.semantic.model import Metric
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.semantic.records import SemanticModelRecord
from kelpie.errors import NotFound
from umi.storage import View


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted since is None; what it was when the query ran is in `query.basis`."""

    query: StoredQuery
    connection: Connection | None
    semantic_model: SemanticModelRecord | None
    metrics: list[Metric]
    charts: list[Chart]


async def provenance(view: View, tenant: str, query_id: str) -> Provenance:
    """Raises NotFound."""
    query = await results.query_by_id(view, tenant, query_id)
    record = await _or_none(records.get(view, tenant, query.semantic_model_id))
    metrics: list[Metric] = []
    if record is not None and query.metric_query is not None:
        model = read_model(record.yaml)
        metrics = [metric for metric in model.metrics if metric.name in query.metric_query["metrics"]]
    return Provenance(
        query=query,
        connection=await _or_none(connections.get(view, tenant, query.connection_id)),
        semantic_model=record,
        metrics=metrics,
        charts=await results.charts_of_query(view, tenant, query_id),
    )


async def _or_none(found: Any) -> Any:
    try:
        return await found
    except NotFound:
        return None
