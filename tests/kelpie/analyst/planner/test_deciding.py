"""One step after the other, from the request alone: which tool is called next, or what is said."""

import json

import msgspec
import pytest
from tests.kelpie.analyst.planner.catalogs import LIBRARY

from kelpie.analyst import limits
from kelpie.analyst.planner.deciding import decide
from kelpie.analyst.planner.knowledge import Library
from kelpie.analyst.planner.moves import CallTool, Say
from umi.wire.types import Message, Request, ToolCall, ToolSpec

CATALOG = msgspec.json.encode(LIBRARY).decode()
TOOLS = "list_metrics query_metric run_sql run_verified chart ask_user conventions keep_convention".split()
NOBODY = {"speaker": {"person": None, "name": "", "teams": []}, "conventions": []}
ANN = {"person": "person-1", "name": "Ann", "teams": ["Finance"]}


class Talk:
    """A conversation in which each tool answers with what the test says."""

    def __init__(self, results, tools=TOOLS):
        self.results = {"list_metrics": CATALOG, "conventions": json.dumps(NOBODY)} | results
        self.tools = [ToolSpec(name=name, description="", parameters={}) for name in tools]
        self.messages, self.library = [Message(role="system", content="You are an analyst.")], Library()
        self.calls = []

    def ask(self, text):
        self.messages.append(Message(role="user", content=text))
        self.calls = []
        for number in range(12):
            move = decide(Request(model="planner", messages=self.messages, tools=self.tools), self.library)
            if isinstance(move, Say):
                self.messages.append(Message(role="assistant", content=move.text))
                return move.text
            assert isinstance(move, CallTool)
            self.calls.append((move.name, move.arguments))
            call = ToolCall(
                id=f"call-{len(self.messages)}-{number}", name=move.name, arguments=json.dumps(move.arguments)
            )
            result = self.results.get(move.name, "asked")
            is_error = result.startswith("error:")
            self.messages += [
                Message(role="assistant", tool_calls=[call]),
                Message(role="tool", content=result, tool_call_id=call.id, name=move.name, is_error=is_error),
            ]
            if move.name == "ask_user" and not is_error:
                return move.arguments["question"]
        pytest.fail(f"the turn did not end: {self.calls}")

    @property
    def did(self):
        return [name for name, _ in self.calls]


def table(columns, *rows, **more):
    shown = {
        "query_id": "query-00000000-0000-0000-0000-000000000001",
        "columns": [{"name": n, "kind": kind, "label": n, "type": ""} for n, kind in columns],
        "rows": [list(row) for row in rows],
        "row_count": len(rows),
        "truncated": False,
    }
    return json.dumps(shown | more)


LOANS = table([("loans", "metric")], (7,), notes=["Loans of the staff are left out"])
LOST = table([("n", "value")], (3,), verified_by="Ada")


def convention(topic, value, kind="definition", **more):
    known = {"id": "fact-1", "kind": kind, "topic": topic, "value": value, "scope": "team", "whose": "Finance"}
    return json.dumps({"speaker": ANN, "conventions": [known | {"weight": 0.5, "source": "", "said_at_ms": 0} | more]})


def test_what_is_agreed_on_is_looked_up_first_and_the_notes_of_the_query_are_said():
    talk = Talk({"query_metric": LOANS})
    answer = talk.ask("How many loans were there in 2023?")
    assert talk.did == ["conventions", "list_metrics", "query_metric"]
    assert "**7**" in answer
    assert "Loans of the staff are left out." in answer
    talk.ask("and in 2022?")
    assert talk.did == ["conventions", "query_metric"]


def test_a_verified_query_is_run_word_for_word_and_labelled():
    talk = Talk({"run_verified": LOST})
    answer = talk.ask("How many books went missing?")
    assert talk.calls[-1] == ("run_verified", {"name": "lost_books"})
    assert answer.startswith("From the verified query “lost books”, which Ada vouches for:")
    assert "| 3 |" in answer


@pytest.mark.parametrize(
    "question", ["please tell me how many books went missing", "How many of the books went missing"]
)
def test_only_politeness_and_articles_make_no_other_question_of_it(question):
    talk = Talk({"run_verified": LOST})
    talk.ask(question)
    assert ("run_verified" in talk.did) == ("of" not in question)


def test_two_verified_queries_for_one_question_are_asked_about():
    talk = Talk({"run_verified": LOST})
    assert "Which one do you mean" in talk.ask("How many books were lost?")
    assert talk.calls[-1][1]["options"] == ["lost books", "lost last year"]
    talk.ask("last year")
    assert talk.calls[-1] == ("run_verified", {"name": "lost_last_year"})


def test_a_word_with_a_meaning_of_the_asker_s_own_is_none_the_verified_query_knows_of():
    talk = Talk({"run_verified": LOST, "conventions": convention("books", "metric:stock")})
    talk.ask("How many books went missing?")
    assert "run_verified" not in talk.did


def test_a_definition_of_a_team_is_used_and_named():
    talk = Talk(
        {"query_metric": table([("sales", "metric")], (7,)), "conventions": convention("income", "metric:sales")}
    )
    answer = talk.ask("income in 2023")
    assert talk.did == ["conventions", "list_metrics", "query_metric"]
    assert "“income” means book sales: a definition of Finance (fact-1)." in answer


def test_a_definition_of_what_the_data_no_longer_have_is_passed_over():
    talk = Talk({"query_metric": LOANS, "conventions": convention("loans", "metric:gone")})
    assert "**7**" in talk.ask("loans in 2023")


def test_a_meaning_of_quarter_and_of_an_axis_is_used_where_it_would_be_asked():
    talk = Talk({"query_metric": LOANS, "conventions": convention("quarter", "year:fiscal")})
    talk.ask("loans last quarter")
    assert talk.calls[-1][1]["time_from"] == "2024-04-01"
    talk = Talk(
        {"query_metric": table([("requests", "metric")], (7,)), "conventions": convention("requests", "time:granted")}
    )
    talk.ask("requests in March 2024")
    assert talk.calls[-1][1]["time"] == "granted"


def test_what_was_answered_is_kept_once_for_who_is_known():
    talk = Talk({"query_metric": table([("donations", "metric")], (7,)), "keep_convention": "{}"})
    talk.results["conventions"] = json.dumps({"speaker": ANN, "conventions": []})
    talk.ask("income in 2023")
    talk.ask("donations")
    assert talk.did == ["conventions", "keep_convention", "query_metric"]
    assert talk.calls[1][1] == {
        "kind": "definition", "topic": "income", "value": "metric:donations", "scope": "person"
    }  # fmt: skip


def test_what_could_not_be_kept_is_said_and_the_question_is_answered():
    talk = Talk({"query_metric": table([("donations", "metric")], (7,)), "keep_convention": "error: full"})
    talk.results["conventions"] = json.dumps({"speaker": ANN, "conventions": []})
    talk.ask("income in 2023")
    answer = talk.ask("donations")
    assert "**7**" in answer
    assert "could not keep that for later: error: full" in answer


@pytest.mark.parametrize("broken", ["list_metrics", "query_metric", "conventions"])
def test_a_tool_that_fails_is_told(broken):
    talk = Talk({"query_metric": LOANS, broken: "error: the disk is on fire"})
    assert "the disk is on fire" in talk.ask("loans in 2023")


@pytest.mark.parametrize("missing", ["list_metrics", "query_metric", "conventions", "ask_user", "chart"])
def test_without_a_tool_the_turn_ends_all_the_same(missing):
    talk = Talk({"query_metric": LOANS}, [name for name in TOOLS if name != missing])
    assert talk.ask("loans in 2023")
    assert talk.ask("income in 2023")


@pytest.mark.parametrize(
    "text",
    ["loans " * 10_000, "x" * 60_000, "by loans I mean " * 2_000, "I prefer " + "tables " * 5_000, "a. " * 20_000],
)
def test_ten_thousand_words_are_refused_and_not_read(text):
    answer = Talk({"query_metric": LOANS}).ask(text)
    assert len(answer) < 3_000
    assert len(text) > limits.QUESTION_CHARS_MAX


def test_a_catalog_is_read_once_and_few_are_kept():
    library = Library()
    known = library.read(CATALOG)
    assert library.read(CATALOG) is known
    assert library.read("no JSON") is None
    for number in range(limits.PLANNER_CATALOGS_MAX):
        library.read(CATALOG.replace("a library", f"library {number}"))
    assert library.read(CATALOG) is not known
