"""An answer as Markdown: to paste into a document, a ticket, a wiki."""

from collections.abc import Sequence

from kelpie.analyst.answers.answer import Answer, Step
from kelpie.analyst.formats import cell_text, header_text
from kelpie.analyst.reports import words
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.table import ResultColumn

_ROWS_MAX = 200


def as_markdown(answers: Sequence[Answer]) -> str:
    """One or several answers, each with its table, SQL, steps and the record of every number."""
    return "\n\n---\n\n".join("\n\n".join(_parts(answer)) for answer in answers) + "\n"


def _parts(answer: Answer) -> list[str]:
    parts = [f"# {_line(answer.question)}", f"*{_line(words.asked_line(answer))}*", _plain(answer.text.strip())]
    if answer.label is not None:
        parts.append(f"**{words.LABELS[answer.label].capitalize()}.**")
    if fresh := words.freshness_line(answer):
        parts.append(_line(fresh))
    if caveats := [one for one in answer.caveats if not words.is_said(one, answer.text)]:
        parts.append("## To know\n\n" + "\n".join(f"- {_line(one)}" for one in caveats))
    parts += [f"## Table of {query.id}\n\n{table(query)}" for query in answer.queries]
    if answer.conventions:
        parts.append(
            "## Conventions\n\n" + "\n".join(f"- {_line(words.convention_line(one))}" for one in answer.conventions)
        )
    if answer.steps:
        parts.append("## Steps\n\n" + "\n".join(f"{n}. {_step(one)}" for n, one in enumerate(answer.steps, 1)))
    parts += [
        f"## SQL of {query.id} ({query.verdict.outcome})\n\n{_fenced(query.sql)}"
        for query in [*answer.queries, *answer.denied]
    ]
    if answer.numbers:
        parts.append("## Numbers\n\n" + _numbers(answer))
    return parts


def table(query: StoredQuery) -> str:
    """The result as a Markdown table, as people read it."""
    heads = [_cell(header_text(column)) for column in query.columns]
    rules = ["---:" if _is_right(column) else "---" for column in query.columns]
    lines = [
        [_cell(cell_text(cell, column)) for cell, column in zip(row, query.columns, strict=True)]
        for row in query.rows[:_ROWS_MAX]
    ]
    shown = "\n".join(f"| {' | '.join(line)} |" for line in (heads, rules, *lines))
    more = len(query.rows) - _ROWS_MAX
    return f"{shown}\n\n({more:,} more rows are in the CSV.)" if more > 0 else shown


def _numbers(answer: Answer) -> str:
    queries = {query.id: query for query in answer.queries}
    lines = ["| number | is | formula | query | label |", "| ---: | --- | --- | --- | --- |"]
    for one in answer.numbers:
        where = words.where_text(one, queries[one.query_id])
        cells = (one.text, where, one.formula, one.query_id, one.label)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _step(step: Step) -> str:
    took = f" ({step.duration_ms:,.0f} ms)" if step.duration_ms is not None else ""
    return _line(step.text) + took


def _is_right(column: ResultColumn) -> bool:
    return column.kind == "metric" or column.type.upper() in ("NUMBER", "BIGINT", "INTEGER", "DOUBLE", "DECIMAL")


def _cell(text: str) -> str:
    """A cell of a table: no bar and no line end may break it, no HTML may run."""
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(_plain(text).split())


def _plain(text: str) -> str:
    """Data stay data where Markdown is shown as HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _fenced(sql: str) -> str:
    """The SQL in a fence longer than any inside it."""
    fence = "```"
    while fence in sql:
        fence += "`"
    return f"{fence}sql\n{sql}\n{fence}"
