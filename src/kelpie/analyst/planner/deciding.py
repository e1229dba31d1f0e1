"""What to do next in a turn: call a tool, or say something. One decision for each request, from the request alone."""

import re

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner.asked import Defined, Intent, Refused, ShowAgain, Unclear
from kelpie.analyst.planner.conversation import Call, Conversation, Turn, read_conversation, result_table
from kelpie.analyst.planner.english.asking import FILLERS, GREETINGS, HELP
from kelpie.analyst.planner.english.words import tokenize
from kelpie.analyst.planner.keeping import Keeping
from kelpie.analyst.planner.knowledge import Knowledge, Library
from kelpie.analyst.planner.moves import CallTool, Decision, Say
from kelpie.analyst.planner.presenting import present
from kelpie.analyst.planner.questions import Questions
from kelpie.analyst.planner.saying.answers import sql_answer
from kelpie.analyst.planner.saying.offers import definitions, offer
from kelpie.analyst.planner.taught.conventions import Taught, read_conventions
from kelpie.analyst.planner.verified import verified_query
from umi.wire.types import Request

_FENCED_SQL = re.compile(r"```(?:sql)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_SQL_PREFIX = re.compile(r"^\s*(?:please\s+)?(?:run\s+)?(?:this\s+)?sql\s*:\s*(.+)$", re.DOTALL | re.IGNORECASE)
_SQL_ITSELF = re.compile(r"^\s*(?:select\s.+\bfrom\b|(?:with|from)\s.+\bselect\b).+$", re.DOTALL)
_ATTEMPTS_MAX = 2  # of one tool in one turn: a call that a restart interrupted is made once more


def decide(request: Request, library: Library) -> Decision:
    """The next move. It ends: each tool is called a bounded number of times in a turn."""
    return _Deciding(request, library).decision()


class _Deciding:
    def __init__(self, request: Request, library: Library) -> None:
        self._offered = set() if request.tool_choice == "none" else {tool.name for tool in request.tools}
        self._library = library
        self._conversation: Conversation = read_conversation(request)
        self._turn: Turn = self._conversation.current
        self._notes: list[str] = []

    def decision(self) -> Decision:
        sql = _sql_in(self._turn.question)
        if sql is not None:
            return self._sql(sql)
        size = len(self._turn.question)
        if size > limits.QUESTION_CHARS_MAX:
            return Say(f"Your message has {size:,} characters; I read at most {limits.QUESTION_CHARS_MAX:,}.")
        if not tokenize(self._turn.question):
            return Say("Ask me a question about the data, for example which metrics there are.")
        taught = self._taught()
        if taught is None:
            return CallTool("conventions", {})
        text = self._conversation.catalog_text()
        knowledge = self._library.read(text) if text is not None else None
        if knowledge is None:
            return self._learn()
        questions = Questions(self._conversation, knowledge, taught)
        keeping = Keeping(self._turn, knowledge, taught, can_keep="keep_convention" in self._offered)
        kept = keeping.wishes()
        if kept is not None:
            return kept
        rest = questions.text_at(len(self._conversation.turns) - 1)
        if not tokenize(rest):
            return Say(keeping.confirmation())
        small_talk = _small_talk(rest, knowledge.catalog)
        return Say(small_talk) if small_talk else self._answer(questions, keeping, knowledge)

    # --- what memory holds --------------------------------------------------------------------------------------------

    def _taught(self) -> Taught | None:
        """The conventions that apply; None if they are still to be asked for."""
        if "conventions" not in self._offered:
            return Taught()
        call = self._turn.last("conventions")
        if call is None or self._was_interrupted(call):
            return None
        found = None if call.is_error else read_conventions(call.data)
        if found is None:
            self._notes.append(f"What you and others agreed on could not be looked up: {call.text}")
        return found or Taught()

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

    def _answer(self, questions: Questions, keeping: Keeping, knowledge: Knowledge) -> Decision:
        catalog = knowledge.catalog
        if keeping.unclear:
            return Say(f"{keeping.unclear}\n\n{offer(catalog)}")
        verified = self._verified(questions, catalog)
        if verified is not None:
            return verified
        correction = questions.correction()
        kept = keeping.learned([correction] if correction is not None else [])
        if kept is not None:
            return kept
        asked = questions.asked()
        if isinstance(asked, Refused):
            return Say(f"{asked.reason}\n\n{offer(catalog)}" if asked.offer else asked.reason)
        if isinstance(asked, Unclear):
            return self._ask_back(asked)
        if isinstance(asked, Defined):
            return Say(definitions(catalog, asked.metrics))
        if isinstance(asked, ShowAgain):
            return self._show_again(asked, questions, catalog)
        return keeping.learned(asked.learned) or self._query(asked, questions, keeping, catalog)

    def _ask_back(self, unclear: Unclear) -> Decision:
        if "ask_user" in self._offered and self._turn.last("ask_user") is None:
            return CallTool("ask_user", {"question": unclear.question, "options": unclear.options})
        return Say(unclear.question + "".join(f"\n- {option}" for option in unclear.options))

    def _query(self, intent: Intent, questions: Questions, keeping: Keeping, catalog: Catalog) -> Decision:
        call = self._turn.last("query_metric")
        if call is None or self._was_interrupted(call):
            if "query_metric" not in self._offered:
                return Say("I can't query the data here: I have no tool for it.")
            metric = catalog.metric(intent.metrics[0])
            return CallTool("query_metric", msgspec.to_builtins(intent.query(metric.support if metric else None)))
        table = result_table(call)
        if table is None:
            return Say(f"The question could not be answered: {call.text}")
        said = [*self._notes, *intent.notes, *keeping.notes()]
        return self._present(intent, questions, catalog, table_call=call, said=said)

    def _present(
        self, intent: Intent, questions: Questions, catalog: Catalog, *, table_call: Call, said: list[str]
    ) -> Decision:
        table = result_table(table_call)
        assert table is not None, "looked at before"
        draws = "chart" in self._offered
        return present(intent, catalog, table, self._turn, questions.taught_here(), draws=draws, said=said)

    def _show_again(self, again: ShowAgain, questions: Questions, catalog: Catalog) -> Decision:
        """The last result in another form; its question is read again for its words."""
        asked = questions.last()
        calls = [call for turn in self._conversation.turns[:-1] for call in turn.calls if call.name == "query_metric"]
        answered = [call for call in calls if result_table(call) is not None]
        if asked is None or not answered:
            return Say(f"There is nothing to show again yet.\n\n{offer(catalog)}")
        asked.show = again.show
        return self._present(asked, questions, catalog, table_call=answered[-1], said=asked.notes)

    def _verified(self, questions: Questions, catalog: Catalog) -> Decision | None:
        if not catalog.verified or "run_verified" not in self._offered:
            return None
        at, answers = self._conversation.before_answers()
        here = len(self._conversation.turns) - 1
        found = verified_query(questions.text_at(at), answers, catalog, questions.taught_here())
        if isinstance(found, Unclear) and at != here:
            found = verified_query(questions.text_at(here), [], catalog, questions.taught_here())
        if found is None or isinstance(found, Unclear):
            return None if found is None else self._ask_back(found)
        call = self._turn.last("run_verified")
        if call is None or self._was_interrupted(call):
            return CallTool("run_verified", {"name": found})
        table = result_table(call)
        if table is None:
            return Say(f"The verified query could not be run: {call.text}")
        by = (call.data or {}).get("verified_by")
        vouched = f", which {by} vouches for" if by else ""
        return Say(sql_answer(table, f"From the verified query “{found.replace('_', ' ')}”{vouched}:"))


def _small_talk(text: str, catalog: Catalog) -> str:
    """What to say to a greeting or a question for help; "" to anything else."""
    words = {token.lower for token in tokenize(text)}
    if words <= GREETINGS | FILLERS and words & GREETINGS:
        return "You're welcome." if words & {"thank", "thanks"} else f"Hello.\n\n{offer(catalog)}"
    asks = {"what", "can"} <= words and words & {"ask", "you", "do", "know", "answer"} and words <= FILLERS
    return offer(catalog) if asks or words & HELP else ""


def _sql_in(text: str) -> str | None:
    """SQL that the user wrote and wants run: fenced, after "run sql:", or the whole message."""
    if (fenced := _FENCED_SQL.search(text)) is not None:
        return fenced.group(1).strip()
    if (prefixed := _SQL_PREFIX.match(text)) is not None:
        return prefixed.group(1).strip()
    # In capitals or lower case as SQL is written; "From June to July …" is no SQL.
    return text.strip() if _SQL_ITSELF.match(text) or re.match(r"^\s*(?:SELECT|WITH)\s", text) else None
