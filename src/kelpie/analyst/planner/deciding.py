"""What to do next in a turn: call a tool, or say something. One decision for each request, from the request alone."""

import contextlib
import datetime as dt
import re
from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner import english
from kelpie.analyst.planner.answers import answer, sql_answer
from kelpie.analyst.planner.asked import Asked, Intent, Refused, ShowAgain, Unclear
from kelpie.analyst.planner.conversation import Call, Conversation, Turn, read_conversation, result_table
from kelpie.analyst.planner.periods import unit_of
from kelpie.analyst.planner.phrases import listed, of_what
from kelpie.analyst.planner.preferences import Preference, remembered, split_wishes, wish
from kelpie.analyst.planner.understanding import NotAnAnswer, understand
from kelpie.analyst.planner.words import tokenize
from kelpie.analyst.table import ResultTable
from umi.wire.types import Request

_FENCED_SQL = re.compile(r"```(?:sql)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_SQL_PREFIX = re.compile(r"^\s*(?:please\s+)?(?:run\s+)?(?:this\s+)?sql\s*:\s*(.+)$", re.DOTALL | re.IGNORECASE)
_SQL_ITSELF = re.compile(r"^\s*(?:select|with|from)\s.+\bfrom\b.+$", re.DOTALL)
_ATTEMPTS_MAX = 2  # of one tool in one turn: a call that a restart interrupted is made once more
_PREFERENCES = "preferences"
_REMEMBER = "core_memory_append"


class CallTool(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


class Say(msgspec.Struct, frozen=True):
    text: str


Decision = CallTool | Say


def decide(request: Request) -> Decision:
    """The next move. It ends: each tool is called a bounded number of times in a turn."""
    return _Deciding(request).decision()


class _Deciding:
    def __init__(self, request: Request) -> None:
        self._offered = set() if request.tool_choice == "none" else {tool.name for tool in request.tools}
        self._conversation: Conversation = read_conversation(request)
        self._turn: Turn = self._conversation.current
        self._wishes, self._rest = split_wishes(self._turn.question)

    def decision(self) -> Decision:
        sql = _sql_in(self._turn.question)
        if sql is not None:
            return self._sql(sql)
        to_keep = self._wish_to_keep()
        if to_keep is not None:
            return to_keep
        if self._wishes and not self._rest:
            return Say(self._confirmation())
        if not tokenize(self._rest):
            return Say("Ask me a question about the data, for example which metrics there are.")
        catalog = self._conversation.catalog()
        if catalog is None:
            return self._learn()
        words = {token.lower for token in tokenize(self._rest)}
        if words <= english.GREETINGS | english.FUNCTION_WORDS and words & english.GREETINGS:
            return Say("You're welcome." if words & {"thank", "thanks"} else f"Hello.\n\n{_offer(catalog)}")
        if words & english.HELP or self._asks_what_can_be_asked(words):
            return Say(_offer(catalog))
        return self._answer(catalog)

    # --- preferences --------------------------------------------------------------------------------------------------

    def _wish_to_keep(self) -> Decision | None:
        """A call that writes down the next thing the user wishes from now on, or None if all is written."""
        if _REMEMBER not in self._offered:
            return None
        tried = [call.arguments.get("content") for call in self._turn.calls if call.name == _REMEMBER]
        for sentence in self._wishes:
            if sentence not in tried:
                return CallTool(_REMEMBER, {"label": _PREFERENCES, "content": sentence})
        return None

    def _confirmation(self) -> str:
        calls = [call for call in self._turn.calls if call.name == _REMEMBER]
        failed = [call.text for call in calls if call.is_error]
        quoted = listed([f"“{sentence}”" for sentence in self._wishes])
        if failed:
            return f"I could not keep that in your preferences: {failed[0]}"
        if not calls:
            return f"I can't keep preferences here: I have no tool to write memory with. You said: {quoted}"
        show = [found for sentence in self._wishes if (found := wish(sentence)) is not None]
        if show:
            return f"Noted in your preferences: {quoted} From now on I answer with {show[-1]}s."
        return f"Noted in your preferences: {quoted} By myself I only act on whether you like tables or charts."

    def _preference(self) -> Preference | None:
        """What the user just said, or else what memory holds."""
        for sentence in reversed(self._wishes):
            show = wish(sentence)
            if show is not None:
                return Preference(show, sentence)
        return remembered(self._conversation.system)

    # --- SQL ----------------------------------------------------------------------------------------------------------

    def _sql(self, sql: str) -> Decision:
        call = self._turn.last("run_sql")
        if call is None or self._was_interrupted(call):
            if "run_sql" not in self._offered:
                return Say("I can't run SQL here: I have no tool for it.")
            return CallTool("run_sql", {"sql": sql})
        table = result_table(call)
        return Say(f"The query was not answered: {call.text}" if table is None else sql_answer(table))

    def _was_interrupted(self, call: Call) -> bool:
        """A call that the server's end cut off is asked again, once: it only reads, so that is safe to do."""
        return call.is_error and "interrupted" in call.text and self._turn.count(call.name) < _ATTEMPTS_MAX

    # --- questions ----------------------------------------------------------------------------------------------------

    def _learn(self) -> Decision:
        """Ask what the data can tell, before trying to understand anything."""
        call = self._turn.last("list_metrics")
        if call is not None and not self._was_interrupted(call):
            return Say(f"I could not learn what the data hold: {call.text}")
        if "list_metrics" not in self._offered:
            return Say("I can't look at any data here: I have no tool for it.")
        return CallTool("list_metrics", {})

    def _asks_what_can_be_asked(self, words: set[str]) -> bool:
        return (
            {"what", "can"} <= words
            and bool({"ask", "you", "do", "know", "answer"} & words)
            and words <= english.FUNCTION_WORDS
        )

    def _answer(self, catalog: Catalog) -> Decision:
        asked = self._understood(catalog)
        if isinstance(asked, Refused):
            return Say(f"{asked.reason}\n\n{_offer(catalog)}" if asked.offer else asked.reason)
        if isinstance(asked, Unclear):
            return self._ask_back(asked)
        if isinstance(asked, ShowAgain):
            return self._show_again(asked, catalog)
        call = self._turn.last("query_metric")
        if call is None or self._was_interrupted(call):
            return self._query(asked, catalog)
        table = result_table(call)
        if table is None:
            return Say(f"The question could not be answered: {call.text}")
        return self._present(asked, catalog, table)

    def _understood(self, catalog: Catalog) -> Asked:
        """The question, together with what the user answered when asked back; or else this message by itself."""
        at, answers = self._conversation.before_answers()
        here = len(self._conversation.turns) - 1
        if at != here:
            question = split_wishes(self._conversation.turns[at].question)[1]
            with contextlib.suppress(NotAnAnswer):
                return understand(question, catalog, self._conversation.previous(at), answers)
        return understand(self._rest, catalog, self._conversation.previous(here), [])

    def _ask_back(self, unclear: Unclear) -> Decision:
        if "ask_user" in self._offered and self._turn.last("ask_user") is None:
            return CallTool("ask_user", {"question": unclear.question, "options": unclear.options})
        return Say(unclear.question + "".join(f"\n- {option}" for option in unclear.options))

    def _query(self, intent: Intent, catalog: Catalog) -> Decision:
        if "query_metric" not in self._offered:
            return Say("I can't query the data here: I have no tool for it.")
        metric = catalog.metric(intent.metrics[0])
        query = intent.query(metric.support if metric else None)
        return CallTool("query_metric", msgspec.to_builtins(query))

    def _present(self, intent: Intent, catalog: Catalog, table: ResultTable) -> Decision:
        """A chart first, if one is wanted and can be drawn; then the answer."""
        notes = []
        preference = None if intent.show else self._preference()
        show = intent.show or (preference.show if preference else "chart")
        drawn = self._turn.last("chart")
        if show == "chart" and _can_be_drawn(intent, table) and "chart" in self._offered and drawn is None:
            return CallTool("chart", _chart_arguments(intent, catalog, table))
        if drawn is not None:
            notes.append(_drawn_note(drawn))
        elif show == "chart" and intent.grain is not None and len(table.rows) > 1 and not _can_be_drawn(intent, table):
            notes.append("As a table only: these are too many lines to tell apart in a chart.")
        if preference is not None and (drawn is not None or show == "table") and len(table.rows) > 1:
            notes.append(f"Shown as a {show} because your preferences say: “{preference.words}”")
        if intent.first is not None and intent.last is not None and catalog.time is not None:
            notes += _coverage_note(intent, catalog)
        notes += _edge_note(intent, catalog)
        return Say(answer(intent, catalog, table, notes))

    def _show_again(self, again: ShowAgain, catalog: Catalog) -> Decision:
        """The last result in another form; its question is read again for its words."""
        asked = self._last_question(catalog)
        previous = self._conversation.previous(len(self._conversation.turns) - 1)
        if asked is None or previous is None:
            return Say(f"There is nothing to show again yet.\n\n{_offer(catalog)}")
        asked.show = again.show
        return self._present(asked, catalog, previous.table)

    def _last_question(self, catalog: Catalog) -> Intent | None:
        for at in range(len(self._conversation.turns) - 2, -1, -1):
            turn = self._conversation.turns[at]
            call = turn.last("query_metric")
            if call is None or result_table(call) is None:
                continue
            earlier = Conversation(self._conversation.system, self._conversation.turns[: at + 1])
            start, answers = earlier.before_answers()
            question = split_wishes(earlier.turns[start].question)[1]
            with contextlib.suppress(NotAnAnswer):
                asked = understand(question, catalog, earlier.previous(start), answers)
                return asked if isinstance(asked, Intent) else None
            asked = understand(split_wishes(turn.question)[1], catalog, earlier.previous(at), [])
            return asked if isinstance(asked, Intent) else None
        return None


def _sql_in(text: str) -> str | None:
    """SQL that the user wrote and wants run: fenced, after "run sql:", or the whole message."""
    if (fenced := _FENCED_SQL.search(text)) is not None:
        return fenced.group(1).strip()
    if (prefixed := _SQL_PREFIX.match(text)) is not None:
        return prefixed.group(1).strip()
    # In capitals or lower case as SQL is written; "From June to July …" is no SQL.
    return text.strip() if _SQL_ITSELF.match(text) or re.match(r"^\s*(?:SELECT|WITH)\s", text) else None


def _offer(catalog: Catalog) -> str:
    """What the data can answer."""
    metrics = listed([metric.label for metric in catalog.metrics])
    parts = [f"I know {catalog.label}: {metrics}"]
    if catalog.dimensions:
        parts.append(f"by {listed([dimension.label for dimension in catalog.dimensions], 'or')}")
    if catalog.time is not None:
        parts.append(f"by {listed(catalog.time.grains, 'or')}, from {catalog.time.first} to {catalog.time.last}")
    text = ", ".join(parts) + "."
    if catalog.examples:
        text += "\n\nFor example:" + "".join(f"\n- {example}" for example in catalog.examples[:4])
    return text


def _can_be_drawn(intent: Intent, table: ResultTable) -> bool:
    numbers = [row for row in table.rows if row[table.place(intent.metrics[0])] is not None]
    if len(numbers) < 2 or len(intent.dimensions) > 1:
        return False
    if intent.grain is None or not intent.dimensions:
        return True
    series = {row[table.place(intent.dimensions[0])] for row in table.rows}
    return not intent.superlative and len(series) <= limits.CHART_SERIES_MAX


def _chart_arguments(intent: Intent, catalog: Catalog, table: ResultTable) -> dict[str, Any]:
    metric = catalog.metric(intent.metrics[0])
    label = metric.label if metric else intent.metrics[0]
    named = [dimension.label for name in intent.dimensions if (dimension := catalog.dimension(name)) is not None]
    by = listed([*named, *([intent.grain] if intent.grain else [])])
    title = f"{intent.superlative} {label} by {by}" if intent.superlative else f"{label} by {by}"
    title += of_what(intent, catalog)
    if intent.period:
        title += f", {intent.period}"
    title = (title[0].upper() + title[1:])[: limits.CHART_TITLE_CHARS_MAX]
    kind = "line" if intent.grain is not None and not intent.superlative else "bar"
    return {"query_id": table.query_id, "kind": kind, "title": title}


def _drawn_note(drawn: Call) -> str:
    if drawn.is_error or drawn.data is None or "chart_id" not in drawn.data:
        return f"No chart could be drawn: {drawn.text}"
    return f"Chart: {drawn.data['chart_id']}"


def _coverage_note(intent: Intent, catalog: Catalog) -> list[str]:
    """That the data do not cover all of the period asked for."""
    time = catalog.time
    if time is None or intent.first is None or intent.last is None:
        return []
    notes = []
    if intent.first.isoformat() < time.first:
        notes.append(f"The data begin on {time.first}.")
    if intent.last.isoformat() > time.last:
        notes.append(f"The data end on {time.last}.")
    return notes


def _edge_note(intent: Intent, catalog: Catalog) -> list[str]:
    """That the first or last week, month, … is not whole, and so looks smaller than it was."""
    time = catalog.time
    if time is None or intent.grain in (None, "day"):
        return []
    first, last = dt.date.fromisoformat(time.first), dt.date.fromisoformat(time.last)
    first, last = max(first, intent.first or first), min(last, intent.last or last)
    grain = str(intent.grain)
    whole = unit_of(grain, first)[0] == first and unit_of(grain, last)[1] == last
    return [] if whole else [f"The {grain}s at the edges of the period are not whole."]
