"""Results: every query an analyst ran or was refused, with its rows, and the charts drawn from them.

A row of `analyst_query` is what an answer's numbers stand on. It is written once and never changed.
"""

import datetime as dt
import re
from typing import Any, Literal

import msgspec

from kelpie.analyst.formats import number_text, range_text
from kelpie.analyst.table import ResultColumn, ResultTable
from kelpie.errors import NotFound
from umi.dst import Host
from umi.storage import Changes, View

_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")

_QUERY_COLUMNS = (
    "tenant, id, agent_id, run_id, step_id, tool_call_id, connection_id, semantic_model_id, metric_query, sql, verdict,"
    " columns, rows, row_count, truncated, duration_ms, snapshot, basis, created_at_ms"
)
_INSERT_QUERY = f"INSERT INTO analyst_query ({_QUERY_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_ONE_QUERY = f"SELECT {_QUERY_COLUMNS} FROM analyst_query WHERE tenant = ? AND id = ?"
_QUERIES_OF_AGENT = (
    f"SELECT {_QUERY_COLUMNS} FROM analyst_query WHERE tenant = ? AND agent_id = ?"
    " ORDER BY created_at_ms DESC, rowid DESC LIMIT ?"
)
_QUERIES_OF_RUN = f"SELECT {_QUERY_COLUMNS} FROM analyst_query WHERE tenant = ? AND run_id = ? ORDER BY rowid"
_FORGET_CHECKS = (
    "DELETE FROM analyst_check WHERE tenant = ?1 AND query_id IN"
    " (SELECT id FROM analyst_query WHERE tenant = ?1 AND agent_id = ?2)"
)
_CHART_COLUMNS = "tenant, id, query_id, agent_id, spec, created_at_ms"
_INSERT_CHART = f"INSERT INTO analyst_chart ({_CHART_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_ONE_CHART = f"SELECT {_CHART_COLUMNS} FROM analyst_chart WHERE tenant = ? AND id = ?"
_CHARTS_OF_QUERY = f"SELECT {_CHART_COLUMNS} FROM analyst_chart WHERE tenant = ? AND query_id = ? ORDER BY rowid"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the query: run, refused by a rule of the guard, or failed in the source.

    withheld, access_rules  what the access rules of the person asking kept back, in words, and the ids of those rules
    """

    outcome: Literal["run", "refused", "failed"]
    tables: list[str] = []
    rule: str = ""
    message: str = ""
    withheld: list[str] = []
    access_rules: list[str] = []


class ColumnBasis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the numbers of a column are: a metric as it was defined, or how the column was computed.

    is_additive  parts of it add up to a whole that means something
    """

    kind: Literal["flow", "stock", "ratio", "formula", "computed"]
    formula: str
    is_additive: bool = False


class Basis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a query stood on when it was asked, beside its SQL and its data. Kept with it: all of it may change later.

    model_version  SHA-256 of the semantic model's YAML, in hex
    person, name, teams  for whom it was asked, as kelpie.people.Speaker says it
    asked          the SQL before the access rules were written into it
    access         ids of all access rules that held for the query's tables, those that kept nothing back too
    verified       the name of the verified query that ran word for word, "" for none
    notes          what the query does that nobody asked for: default filters, days that the data do not have
    columns        by name, of a metric query
    """

    engine: str = ""
    connection: str = ""
    semantic_model: str = ""
    model_version: str = ""
    person: str | None = None
    name: str = ""
    teams: list[str] = []
    asked: str = ""
    access: list[str] = []
    verified: str = ""
    notes: list[str] = []
    columns: dict[str, ColumnBasis] = {}


class StoredQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`sql` is the text that ran, or the one refused. `metric_query` is what it was compiled from, or None.

    `snapshot` says which state of the data it stands on: {"path", "size_bytes", "modified_ms"}, and the days it covers:
    {"first", "last"}.
    """

    tenant: str
    id: str
    agent_id: str
    run_id: str
    step_id: str
    tool_call_id: str
    connection_id: str
    semantic_model_id: str
    metric_query: dict[str, Any] | None
    sql: str
    verdict: Verdict
    columns: list[ResultColumn] = []
    rows: list[list[Any]] = []
    row_count: int = 0
    truncated: bool = False
    duration_ms: float = 0.0
    snapshot: dict[str, Any] = {}
    basis: Basis = Basis()
    created_at_ms: int

    @property
    def table(self) -> ResultTable:
        return ResultTable(
            query_id=self.id,
            columns=self.columns,
            rows=self.rows,
            row_count=self.row_count,
            truncated=self.truncated,
            stated=self.stated,
        )

    @property
    def stated(self) -> list[str]:
        """What the query itself says in numbers: its days, years, filter values, conditions and limit, the days of the
        data, and what it does by itself (`basis.notes`)."""
        asked = self.metric_query or {}
        compared = asked.get("compare") or {}
        pairs = [(one.get("time_from"), one.get("time_to")) for one in (asked, compared)]
        covered = (self.snapshot.get("first"), self.snapshot.get("last"))
        days = [day for pair in (*pairs, covered) for day in pair if day]
        days += [day for note in self.basis.notes for day in _DAY.findall(note)]
        parsed = [
            (dt.date.fromisoformat(first), dt.date.fromisoformat(last)) for first, last in pairs if first and last
        ]
        ranges = [range_text(*pair) for pair in parsed]
        values = [str(value) for rule in asked.get("filters", []) for value in rule["values"]]
        values += [text for rule in asked.get("having", []) for text in self._condition_texts(rule)]
        if asked.get("limit"):
            values.append(str(asked["limit"]))
        return [*days, *(day[:4] for day in days), *ranges, *values, *self.basis.notes]

    def _condition_texts(self, rule: dict[str, Any]) -> list[str]:
        """How a condition's number may be written: as it is, in its column's format, as a percentage."""
        value = rule["value"]
        formats = {column.format for column in self.columns if column.name == rule["metric"]}
        percent = number_text(value * 100)
        plain = [str(value), f"{percent}%", f"{percent} %"]
        return [*plain, *(number_text(value, one) for one in ("", *formats))]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """`spec` is Vega-Lite with its data inline; the PNG is rendered when it is asked for (charts.render_png)."""

    tenant: str
    id: str
    query_id: str
    agent_id: str
    spec: dict[str, Any]
    created_at_ms: int


def plan_query(query: StoredQuery) -> Changes:
    def text(value: Any) -> str:
        return msgspec.json.encode(value).decode()

    return Changes().write(
        _INSERT_QUERY,
        query.tenant,
        query.id,
        query.agent_id,
        query.run_id,
        query.step_id,
        query.tool_call_id,
        query.connection_id,
        query.semantic_model_id,
        None if query.metric_query is None else text(query.metric_query),
        query.sql,
        text(query.verdict),
        text(query.columns),
        text(query.rows),
        query.row_count,
        int(query.truncated),
        query.duration_ms,
        text(query.snapshot),
        text(query.basis),
        query.created_at_ms,
    )


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    """Remove what an agent asked and drew: it is deleted, and its runs with it."""
    changes = Changes().write(_FORGET_CHECKS, tenant, agent_id)
    for table in ("analyst_chart", "analyst_answer", "analyst_feedback", "analyst_query"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
    return changes


async def query_by_id(view: View, tenant: str, query_id: str) -> StoredQuery:
    """Raises NotFound."""
    row = await view.one(_ONE_QUERY, tenant, query_id)
    if row is None:
        raise NotFound(f"no query has the id '{query_id}'")
    return _query_from_row(row)


async def queries_of_agent(view: View, tenant: str, agent_id: str, *, limit: int) -> list[StoredQuery]:
    """The agent's newest queries first, refused ones too."""
    return [_query_from_row(row) for row in await view.fetch(_QUERIES_OF_AGENT, tenant, agent_id, limit)]


async def queries_of_run(view: View, tenant: str, run_id: str) -> list[StoredQuery]:
    """What one turn asked, in order: the queries its answer stands on."""
    return [_query_from_row(row) for row in await view.fetch(_QUERIES_OF_RUN, tenant, run_id)]


def new_chart(host: Host, query: StoredQuery, spec: dict[str, Any]) -> Chart:
    return Chart(
        tenant=query.tenant,
        id=host.ids.new("chart"),
        query_id=query.id,
        agent_id=query.agent_id,
        spec=spec,
        created_at_ms=host.clock.now_ms(),
    )


def plan_chart(chart: Chart) -> Changes:
    spec = msgspec.json.encode(chart.spec).decode()
    return Changes().write(
        _INSERT_CHART, chart.tenant, chart.id, chart.query_id, chart.agent_id, spec, chart.created_at_ms
    )


async def chart_by_id(view: View, tenant: str, chart_id: str) -> Chart:
    """Raises NotFound."""
    row = await view.one(_ONE_CHART, tenant, chart_id)
    if row is None:
        raise NotFound(f"no chart has the id '{chart_id}'")
    return _chart_from_row(row)


async def charts_of_query(view: View, tenant: str, query_id: str) -> list[Chart]:
    return [_chart_from_row(row) for row in await view.fetch(_CHARTS_OF_QUERY, tenant, query_id)]


def _query_from_row(row: tuple[Any, ...]) -> StoredQuery:
    values = dict(zip(_QUERY_COLUMNS.split(", "), row, strict=True))
    for field, kind in (
        ("metric_query", dict[str, Any]),
        ("verdict", Verdict),
        ("columns", list[ResultColumn]),
        ("rows", list[list[Any]]),
        ("snapshot", dict[str, Any]),
        ("basis", Basis),
    ):
        if values[field] is not None:
            values[field] = msgspec.json.decode(values[field], type=kind)
    values["truncated"] = bool(values["truncated"])
    return StoredQuery(**values)


def _chart_from_row(row: tuple[Any, ...]) -> Chart:
    tenant, chart_id, query_id, agent_id, spec, created_at_ms = row
    return Chart(
        tenant=tenant,
        id=chart_id,
        query_id=query_id,
        agent_id=agent_id,
        spec=msgspec.json.decode(spec, type=dict[str, Any]),
        created_at_ms=created_at_ms,
    )
