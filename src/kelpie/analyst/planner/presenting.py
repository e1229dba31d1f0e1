"""A result shown: a chart first, if one is wanted and can be drawn; then the answer, with all that has to be said."""

from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.conversation import Call, Turn
from kelpie.analyst.planner.english.words import listed
from kelpie.analyst.planner.moves import CallTool, Decision, Say
from kelpie.analyst.planner.saying.answers import answer
from kelpie.analyst.planner.saying.phrases import of_kind, of_what
from kelpie.analyst.planner.saying.sentences import scope_of
from kelpie.analyst.planner.taught.conventions import Taught
from kelpie.analyst.table import ResultTable


def present(
    intent: Intent, catalog: Catalog, table: ResultTable, turn: Turn, taught: Taught, *, draws: bool, said: list[str]
) -> Decision:
    """The next move once there is a result.

    draws  whether the tool `chart` is offered
    said   what else the answer has to say
    """
    preference = None if intent.show else taught.preference("show")
    show = intent.show or (preference.value if preference is not None else "chart")
    drawn = turn.last("chart")
    worth_drawing = _is_worth_drawing(intent, table)
    if show == "chart" and worth_drawing and draws and drawn is None:
        return CallTool("chart", _chart_arguments(intent, catalog, table))
    notes = [*said]
    if drawn is not None:
        notes.append(_drawn_note(drawn))
    if preference is not None and worth_drawing and (drawn is not None or show == "table"):
        notes.append(f"Shown as a {show}: {preference.named}.")
    notes += [_as_sentence(note) for note in table.stated if not _is_said(note, intent, catalog)]
    return Say(answer(intent, catalog, table, notes))


def _is_said(note: str, intent: Intent, catalog: Catalog) -> bool:
    """Whether the sentence says it already: what it is compared with, and of which day it is."""
    text = note.casefold().rstrip(".")
    if intent.against and text.startswith("compared with "):
        return True
    last = "" if intent.last is None else intent.last.isoformat()
    day = text.rpartition(": as of ")[2]
    return day != text and (day == last or day in scope_of(intent, catalog))


def _as_sentence(note: str) -> str:
    text = note[:1].upper() + note[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_worth_drawing(intent: Intent, table: ResultTable) -> bool:
    numbers = [row for row in table.rows if row[table.place(intent.metrics[0])] is not None]
    return len(numbers) > 1


def _chart_arguments(intent: Intent, catalog: Catalog, table: ResultTable) -> dict[str, Any]:
    metric = of_kind(catalog, intent)
    named = [dimension.label for name in intent.dimensions if (dimension := catalog.dimension(name)) is not None]
    by = listed([*named, *([intent.grain.replace("_", " ")] if intent.grain else [])])
    title = f"{intent.superlative} {metric.label} by {by}" if intent.superlative else f"{metric.label} by {by}"
    title += of_what(intent, catalog)
    if intent.period:
        title += f", {intent.period}"
    if intent.against:
        title += f", compared with {intent.against}"
    title = (title[0].upper() + title[1:])[: limits.CHART_TITLE_CHARS_MAX]
    return {"query_id": table.query_id, "title": title}


def _drawn_note(drawn: Call) -> str:
    if drawn.is_error or drawn.data is None or "chart_id" not in drawn.data:
        return f"As a table only: {drawn.text}"
    return f"Chart: {drawn.data['chart_id']}"
