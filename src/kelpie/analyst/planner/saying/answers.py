"""A whole answer. Every number is a cell's own text; `checked` proves it before anything is shown."""

from collections.abc import Sequence

from kelpie.analyst.catalog import Catalog, CatalogMetric
from kelpie.analyst.formats import cell_text
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.saying.phrases import member_places, member_text, of_kind, with_bounds
from kelpie.analyst.planner.saying.sentences import is_side_by_side, ranked, scope_of, sentence
from kelpie.analyst.planner.saying.tables import TABLE_ROWS_SHOWN, rows_as_markdown, series_as_markdown
from kelpie.analyst.provenance.numbers import link_numbers
from kelpie.analyst.table import ResultTable


def answer(intent: Intent, catalog: Catalog, table: ResultTable, notes: Sequence[str]) -> str:
    """The answer to `intent` from its result. Raises NumberWithoutSource if a number in it has no cell: our bug."""
    metric = of_kind(catalog, intent)
    scope = scope_of(intent, catalog)
    bounds = with_bounds(intent, table)
    stated = [*_stated(intent, catalog, scope), bounds.strip(), *notes]
    if not table.rows or all(row[table.place(metric.name)] is None for row in table.rows):
        nothing = f"There are no {metric.counts or 'rows'} with a {metric.label}{scope}: nothing to show."
        if intent.having:
            nothing = f"Nothing was found{bounds}{scope}."
        parts = [nothing, *notes, f"Source: {table.query_id}"]
        return checked("\n\n".join(parts), [table], stated)
    parts = [sentence(intent, catalog, table)]
    parts += _cautions(metric, table)
    side_by_side = is_side_by_side(intent, table)
    if len(table.rows) > 1 or len(table.columns) > 2:
        newest = intent.grain is not None and table.columns[0].kind == "time"
        rows = rows_as_markdown(table, newest=newest)
        parts.append(series_as_markdown(table, ranked(intent)) if side_by_side else rows)
        parts += _left_out(table, side_by_side=side_by_side, newest=newest)
    parts += [*notes, f"Source: {table.query_id}"]
    return checked("\n\n".join(parts), [table], stated)


def _left_out(table: ResultTable, *, side_by_side: bool, newest: bool) -> list[str]:
    kept = "all of them are kept under the query"
    if side_by_side:
        time = next(place for place, column in enumerate(table.columns) if column.kind == "time")
        periods = len({row[time] for row in table.rows})
        return [f"(The last of {periods} periods; {kept}.)"] if periods > TABLE_ROWS_SHOWN else []
    if len(table.rows) <= TABLE_ROWS_SHOWN:
        return []
    return [f"(The {'last' if newest else 'first'} rows of {table.row_count}; {kept}.)"]


def sql_answer(table: ResultTable, heading: str = "This is what your query gives:") -> str:
    """The result of SQL that somebody wrote, as it is."""
    if not table.rows:
        return f"The query ran and gave no rows.\n\nSource: {table.query_id}"
    parts = [heading, rows_as_markdown(table)]
    if table.row_count > TABLE_ROWS_SHOWN:
        more = ", and there are more than were kept" if table.truncated else ""
        parts.append(f"(The first rows of {table.row_count}{more}.)")
    parts.append(f"Source: {table.query_id}")
    return checked("\n\n".join(parts), [table], [heading])


def checked(text: str, tables: list[ResultTable], stated: list[str]) -> str:
    """`text`, once each of its numbers was found in `tables`. Raises NumberWithoutSource."""
    link_numbers(text, tables, stated)
    return text


def _stated(intent: Intent, catalog: Catalog, scope: str) -> list[str]:
    """What the question fixed: numbers in it are not results."""
    labels = [metric.label for metric in catalog.metrics] + [metric.unit for metric in catalog.metrics]
    return [scope.strip(), scope, intent.period, intent.against, *labels]


def _cautions(metric: CatalogMetric, table: ResultTable) -> list[str]:
    """Members whose number stands on few rows, said aloud: an average of six is no average of thousands."""
    names = [column.name for column in table.columns]
    if metric.support is None or metric.support not in names or not metric.support_few:
        return []
    support, members = table.place(metric.support), member_places(table)
    few = [row for row in table.rows if isinstance(row[support], int) and 0 < row[support] < metric.support_few]
    if not few:
        return []
    label = table.columns[support].label
    told = [f"{member_text(row, members)} ({cell_text(row[support], table.columns[support])})" for row in few[:3]]
    if not members:
        return [f"This stands on few cases ({label}): {cell_text(few[0][support], table.columns[support])}."]
    more = " and others" if len(few) > len(told) else ""
    return [f"Some of this stands on few cases ({label}): {listed(told)}{more}."]
