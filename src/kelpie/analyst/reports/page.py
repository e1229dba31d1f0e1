"""An answer as one HTML file that needs nothing else: no network, no script, no font. Every number in the answer's
words leads to its record. Whatever cells, questions or models say is escaped."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from kelpie.analyst.answers.answer import Answer, Step
from kelpie.analyst.formats import cell_text, header_text
from kelpie.analyst.provenance.records import NumberRecord
from kelpie.analyst.reports import words
from kelpie.analyst.reports.marks import as_html
from kelpie.analyst.reports.style import POLICY, STYLE
from kelpie.analyst.results import StoredQuery
from kelpie.errors import InternalError

_ROWS_MAX = 500
_TITLE_CHARS_MAX = 120
_ID = re.compile(r'\bid="([\w-]+)"')
# What a picture of numbers has no use for.
_FOREIGN = re.compile(
    r"<(?:script|foreignObject|image|iframe|use|a)\b|\bon\w+=|(?:xlink:)?href=|javascript:", re.IGNORECASE
)


def as_page(answers: Sequence[Answer], svgs: Mapping[str, str]) -> str:
    """One or several answers. `svgs` are their charts by id, rendered; a chart without one is left out."""
    title = escape(answers[0].question[:_TITLE_CHARS_MAX]) if answers else "no answer"
    body = "".join(_article(answer, svgs, f"a{n}-") for n, answer in enumerate(answers, 1))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _article(answer: Answer, svgs: Mapping[str, str], at: str) -> str:
    label = answer.label or ("refused" if answer.unsourced else None)
    says = words.LABELS.get(label or "", "a number had no source")
    badge = f' <span class="label {label}" title="{escape(says)}">{label}</span>' if label else ""
    cells = list(dict.fromkeys(map(_cell_of, answer.numbers)))
    links = [(record.start, record.end, cells.index(_cell_of(record)) + 1) for record in answer.numbers]
    has_table = "\n|" in answer.text
    parts = [
        f"<h1>{escape(answer.question)}</h1>",
        f'<p class="meta">{escape(words.asked_line(answer))}.{badge}<br>{escape(words.freshness_line(answer))}</p>',
        f'<div class="answer">{_words(answer, links, at)}</div>',
        *(f'<div class="chart">{_svg(svgs[one.id], one.id)}</div>' for one in answer.charts if one.id in svgs),
        _list("To know", [escape(one) for one in answer.caveats if not words.is_said(one, answer.text)], "caveats"),
        *(_table(query, is_open=not has_table) for query in answer.queries),
        _list("Conventions", [escape(words.convention_line(one)) for one in answer.conventions]),
        _steps(answer.steps),
        *(_query(query) for query in [*answer.queries, *answer.denied]),
        _numbers(answer, at),
    ]
    return f"<article>{''.join(parts)}</article>"


def _cell_of(record: NumberRecord) -> tuple[str, str, int, str]:
    """Numbers of one cell share a record, however often they are said."""
    return record.query_id, record.text, record.row, record.column


def _words(answer: Answer, links: Sequence[tuple[int, int, int]], at: str) -> str:
    """The answer's own words: a chart's id gives way to the chart, a query's leads to its SQL."""
    shown = as_html(answer.text, links, f"{at}n")
    for chart in answer.charts:
        shown = shown.replace(f"<p>Chart: {chart.id}</p>", "")
    for query in answer.queries:
        link = f'<a href="#{query.id}">{query.id}</a>'
        shown = shown.replace(f"<p>Source: {query.id}</p>", f'<p class="meta">Source: {link}</p>')
    return shown


def _svg(svg: str, chart_id: str) -> str:
    """The chart inside the page: its ids made its own, and nothing in it that a picture of numbers has no use for."""
    markup = re.sub(r">[^<]*<", "><", svg)  # texts are escaped: what they say is no markup
    if not svg.startswith("<svg") or _FOREIGN.search(re.sub(r'aria-label="[^"]*"', "", markup)):
        raise InternalError(f"the picture of {chart_id} holds more than shapes and texts; it is not put into a page")
    for name in set(_ID.findall(svg)):
        own = f"{chart_id}-{name}"
        svg = svg.replace(f'id="{name}"', f'id="{own}"').replace(f"url(#{name})", f"url(#{own})")
    return svg


def _list(title: str, items: Sequence[str], name: str = "") -> str:
    if not items:
        return ""
    return f'<h2>{title}</h2><ul class="{name}">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _table(query: StoredQuery, *, is_open: bool) -> str:
    rights = [column.kind == "metric" or _is_numeric(query, place) for place, column in enumerate(query.columns)]
    classes = [" class=r" if right else "" for right in rights]
    pairs = list(zip(query.columns, classes, strict=True))
    head = "".join(f"<th{name}>{escape(header_text(column))}</th>" for column, name in pairs)
    rows = [
        "<tr>"
        + "".join(
            f"<td{name}>{escape(cell_text(cell, column))}</td>" for cell, (column, name) in zip(row, pairs, strict=True)
        )
        + "</tr>"
        for row in query.rows[:_ROWS_MAX]
    ]
    more = len(query.rows) - _ROWS_MAX
    note = f"<p>{more:,} more rows are in the CSV.</p>" if more > 0 else ""
    count = f"{query.row_count:,} row{'' if query.row_count == 1 else 's'}"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return (
        f"<details{' open' if is_open else ''}><summary>Table: {count} of {escape(query.id)}</summary>"
        f'<div class="wide">{table}</div>{note}</details>'
    )


def _is_numeric(query: StoredQuery, place: int) -> bool:
    cells = [row[place] for row in query.rows if row[place] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)


def _steps(steps: Sequence[Step]) -> str:
    if not steps:
        return ""
    items = []
    for step in steps:
        took = f" <span class=took>{step.duration_ms:,.0f} ms</span>" if step.duration_ms is not None else ""
        items.append(f"<li>{escape(step.text)}{took}</li>")
    return f"<h2>Steps</h2><ol>{''.join(items)}</ol>"


def _query(query: StoredQuery) -> str:
    verdict, basis = query.verdict, query.basis
    facts = [
        ("query", query.id),
        ("verdict", verdict.message or f"passed by the guard, read {', '.join(verdict.tables)}"),
        ("access rules", "; ".join(verdict.withheld) or "none kept anything back"),
        ("connection", f"{basis.connection} ({basis.engine})" if basis.connection else query.connection_id),
        (
            "semantic model",
            f"{basis.semantic_model}, version {basis.model_version[:12]}" if basis.semantic_model else "",
        ),
        ("state of the data", f"{query.snapshot.get('where', '')}, {query.snapshot.get('state', '')}"),
        ("asked", f"{words.moment(query.created_at_ms)}, {query.row_count:,} rows in {query.duration_ms:,.0f} ms"),
    ]
    shown = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts if value)
    return (
        f'<details id="{escape(query.id)}"><summary>SQL of {escape(query.id)} ({verdict.outcome})</summary>'
        f"<pre><code>{escape(query.sql)}</code></pre><dl>{shown}</dl></details>"
    )


def _numbers(answer: Answer, at: str) -> str:
    """The records: where each number comes from."""
    if not answer.numbers:
        return ""
    queries = {query.id: query for query in answer.queries}
    once = {_cell_of(record): record for record in reversed(answer.numbers)}
    rows = []
    for number, cell in enumerate(dict.fromkeys(map(_cell_of, answer.numbers)), 1):
        one = once[cell]
        cells = (
            f"<td class=r><strong>{escape(one.text)}</strong></td>",
            f"<td>{escape(words.where_text(one, queries[one.query_id]))}</td>",
            f"<td class=r>{escape(str(one.value))}</td>",
            f"<td><code>{escape(one.formula)}</code></td>",
            f'<td class=one><a href="#{escape(one.query_id)}">{escape(one.query_id[:14])}…</a></td>',
            f"<td class={one.label}>{one.label}</td>",
        )
        rows.append(f'<tr id="{at}n{number}">{"".join(cells)}</tr>')
    head = "<th class=r>Number</th><th>Is</th><th class=r>Exactly</th><th>Formula</th><th>Query</th><th>Label</th>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>Where each number comes from</h2><div class="wide">{table}</div>'
