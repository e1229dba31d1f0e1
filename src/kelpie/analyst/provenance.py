"""What a number stands on: the cell it comes from, the query behind the cell, the data behind the query.

`link_numbers` finds the cell of every number in an answer, or refuses the answer. `rerun` asks the source again.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from kelpie.analyst import connections, results
from kelpie.analyst.connections import Connection
from kelpie.analyst.formats import cell_text
from kelpie.analyst.results import Chart, StoredQuery
from kelpie.analyst.semantic import records
from kelpie.analyst.semantic.model import Metric
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.semantic.records import SemanticModelRecord
from kelpie.analyst.table import ResultTable
from kelpie.errors import NotFound, NumberWithoutSource
from umi.storage import View

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?%?(?!\w)")
_IDS = re.compile(r"\b(?:query|chart|semantic-model|connection)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_FILLER = "\x00"


class NumberLink(msgspec.Struct, frozen=True, kw_only=True):
    """A number in a text and where it comes from: a cell, or how many rows the query gave."""

    text: str
    start: int
    end: int
    query_id: str
    kind: Literal["cell", "row_count"] = "cell"
    row: int = -1  # from 0
    column: str = ""


class _Cell(msgspec.Struct, frozen=True):
    table: ResultTable
    row: int
    place: int


def link_numbers(text: str, tables: Sequence[ResultTable], stated: Iterable[str] = ()) -> list[NumberLink]:
    """The source of every number in `text`. Raises NumberWithoutSource at the first that has none.

    A number has a source if some cell, written in the format its metric states, is that number. Not numbers: ids, the
    texts and dates of cells, and what the question itself fixed (a period, a filter): the tables' own
    `stated` and, for what no table can know, the argument.
    """
    masked = _masked(text, tables, stated)
    cells = _cells_by_text(tables)
    links = []
    for found in _NUMBER.finditer(masked):
        written = found.group().rstrip(",")
        start, end = found.start(), found.start() + len(written)
        plain = written.replace(",", "")
        if plain in cells:
            cell = min(cells[plain], key=lambda cell: _distance(text, start, cell))
            name = cell.table.columns[cell.place].name
            links.append(
                NumberLink(text=written, start=start, end=end, query_id=cell.table.query_id, row=cell.row, column=name)
            )
            continue
        counted = next((table for table in tables if plain == str(table.row_count)), None)
        if counted is None:
            asked = ", ".join(table.query_id for table in tables) or "none"
            raise NumberWithoutSource(
                written, f"the number {written} stands in no result of this answer's queries ({asked}); it is not shown"
            )
        links.append(NumberLink(text=written, start=start, end=end, query_id=counted.query_id, kind="row_count"))
    return links


def _masked(text: str, tables: Sequence[ResultTable], stated: Iterable[str]) -> str:
    words = {word for word in stated if _has_digit(word)}
    for table in tables:
        words.update(word for word in table.stated if _has_digit(word))
        for place, column in enumerate(table.columns):
            words.update(word for word in (column.label, column.name) if _has_digit(word))
            for row in table.rows:
                if isinstance(row[place], str) and _has_digit(row[place]):
                    words |= {row[place], cell_text(row[place], column)}
    for word in sorted(words, key=len, reverse=True):
        whole = rf"(?<![\w.,]){re.escape(word)}(?!\w)(?![.,]\d)"
        text = re.sub(whole, lambda found: _FILLER * len(found.group()), text, flags=re.IGNORECASE)
    return _IDS.sub(lambda found: _FILLER * len(found.group()), text)


def _cells_by_text(tables: Sequence[ResultTable]) -> dict[str, list[_Cell]]:
    cells: dict[str, list[_Cell]] = {}
    for table in tables:
        for number, row in enumerate(table.rows):
            for place, value in enumerate(row):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    for written in {cell_text(value, table.columns[place]).replace(",", ""), str(value)}:
                        cells.setdefault(written, []).append(_Cell(table, number, place))
    return cells


def _distance(text: str, start: int, cell: _Cell) -> tuple[int, int]:
    """How badly a cell fits the place of a number: names of its row and column that are not near, then how far.

    Near is the same line; for a number in a Markdown table also the head of its column.
    """
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start) if "\n" in text[start:] else len(text)
    before, line = text[line_start:start], text[line_start:line_end]
    head = _column_head(text, line_start, before) if line.startswith("|") else ""
    missing, far = 0, 0
    column = cell.table.columns[cell.place]
    names = [cell_text(value, its) for value, its in zip(cell.table.rows[cell.row], cell.table.columns, strict=True)
             if isinstance(value, str)]  # fmt: skip
    for name in (*names, column.label):
        if name.lower() in head.lower():
            continue
        at = before.rfind(name)
        missing += name not in line
        far += len(before) - at if at >= 0 else len(line)
    return missing, far


def _column_head(text: str, line_start: int, before: str) -> str:
    """The head above a cell of a Markdown table, or nothing."""
    first = text[:line_start].rsplit("\n\n", 1)[-1].lstrip("\n").split("\n", 1)[0]
    heads = first.split("|")
    place = before.count("|")
    return heads[place] if first.startswith("|") and place < len(heads) else ""


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """All that a number of this query stands on. What was deleted since is None."""

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
