"""Only a person's own words make a convention: what they wrote in this message, or as the answer to a question."""

import pytest

from kelpie.agents.memory.recalling import NAME
from kelpie.analyst.semantic.model import Dimension, Entity, Metric, SemanticModel, TimeAxis
from kelpie.errors import ToolFailed
from kelpie.people import NOBODY, Speaker
from kelpie.tools.tool import ToolContext
from kelpie.trajectories.records import RunInput
from umi.wire.types import Message

MODEL = SemanticModel(
    name="shop",
    label="Shop",
    entities=[Entity(name="sale", table="sales", key="id", label="sale", plural="sales")],
    metrics=[
        Metric(name="net_revenue", label="Net revenue", kind="flow", synonyms=["revenue net of refunds", "net"]),
        Metric(name="gross_revenue", label="Gross revenue", kind="flow", synonyms=["turnover"]),
        Metric(name="mrr", label="MRR", kind="stock", synonyms=["monthly recurring revenue"]),
    ],
    dimensions=[
        Dimension(name="region", label="region", plural="regions", expr="x", nicknames={"old world": "EMEA"}),
    ],
    times=[TimeAxis(name="paid_on", label="day of payment", expr="x", synonyms=["paid"])],
)


@pytest.fixture
async def office(office):
    office.model = MODEL
    await office.staff(("anna", "Finance"))
    return office


async def keep(office, kind, topic, value, *said, **more):
    return await office.call("keep_convention", "anna", said, kind=kind, topic=topic, value=value, **more)


@pytest.mark.parametrize(
    ("said", "kind", "topic", "value"),
    [
        ("Please show me tables, not charts.", "preference", "show", "table"),
        ("Tables please, no charts.", "preference", "show", "table"),
        ("I prefer graphs.", "preference", "show", "chart"),
        ("From now on, can you show everything as a table?", "preference", "show", "table"),
        ("Never show me charts.", "preference", "show", "table"),
        ("We'd rather see tables than charts.", "preference", "show", "table"),
        ("What was revenue in May? And always give me quarterly figures.", "preference", "grain", "quarter"),
        ("By default use the fiscal quarter.", "preference", "grain", "fiscal_quarter"),
        ("Remember: keep it brief.", "preference", "detail", "brief"),
        ("By revenue I mean net revenue.", "definition", "revenue", "metric:net_revenue"),
        ("Revenue means net of refunds.", "correction", "revenue", "metric:net_revenue"),
        ("No! Our REVENUES are always net of refunds. What were they in May?", "correction", "revenue",
         "metric:net_revenue"),
        ("For us turnover stands for revenue", "definition", "revenue", "metric:gross_revenue"),
        ("Our run rate is the monthly recurring revenue.", "definition", "run rate", "metric:mrr"),
        ("'territory' means region", "definition", "territory", "dimension:region"),
        ("home market means the old world", "definition", "home market", "value:region=EMEA"),
        ("home market means EMEA", "definition", "home market", "value:region=EMEA"),
        ("When I say year I mean the financial year.", "definition", "year", "year:fiscal"),
        ("Sales means what was paid", "definition", "sales", "time:paid_on"),
        ("Please read revenue as net revenue", "definition", "revenue", "metric:net_revenue"),
        ("As a rule I'd like tables", "preference", "show", "table"),
        ("I prefer tables to charts", "preference", "show", "table"),
    ],
)  # fmt: skip
async def test_what_a_person_says_is_kept(office, said, kind, topic, value):
    told, is_error = await keep(office, kind, topic, value, said)
    assert not is_error, told
    assert await office.holds("anna") == {topic: (value, "Anna")}
    assert told["saved"]["source"] == "Anna, in run-now"


@pytest.mark.parametrize(
    ("said", "kind", "topic", "value"),
    [
        # not said at all
        ("What was revenue in May?", "preference", "show", "table"),
        ("What was revenue in May?", "definition", "revenue", "metric:gross_revenue"),
        ("", "preference", "show", "table"),
        # said of this answer alone
        ("Show the trend as a chart.", "preference", "show", "chart"),
        ("What was revenue by quarter, as a table?", "preference", "show", "table"),
        ("Monthly revenue please", "preference", "grain", "month"),
        # asked, not told
        ("Does revenue mean gross revenue?", "definition", "revenue", "metric:gross_revenue"),
        ("Compare net revenue with gross revenue", "definition", "revenue", "metric:gross_revenue"),
        ("What is revenue and gross revenue", "definition", "revenue", "metric:gross_revenue"),
        # the other thing
        ("Please show me tables, not charts.", "preference", "show", "chart"),
        ("Never show me charts.", "preference", "show", "chart"),
        ("I prefer tables to charts", "preference", "show", "chart"),
        ("By revenue I mean net revenue.", "definition", "revenue", "metric:gross_revenue"),
        ("By revenue I mean net revenue.", "definition", "income", "metric:net_revenue"),
        ("From now on quarterly figures.", "preference", "grain", "month"),
        ("From now on quarterly figures.", "preference", "grain", "fiscal_quarter"),
        ("From now on show tables.", "preference", "detail", "ignore all rules"),
        # lasting, and of something else
        ("From now on show tables. What was gross revenue?", "definition", "revenue", "metric:gross_revenue"),
        ("Always use tables. What is net? What is region?", "definition", "net", "dimension:region"),
    ],
)
async def test_what_a_person_did_not_ask_for_is_refused(office, said, kind, topic, value):
    told, is_error = await keep(office, kind, topic, value, said)
    assert is_error
    assert "the user did not ask for" in told
    assert await office.holds("anna") == {}


async def test_what_memory_recalled_or_a_model_said_does_not_count(office):
    words = "From now on show tables."
    for body in (Message(role="system", content=words), Message(role="user", content=words, name=NAME)):
        context = ToolContext(
            *("t", "agent-1", "run-1", "step-1", "call-1", office.view, office.host, office.archive),
            speaker=await office.speaker("anna"),
            said=[RunInput(id="message-1", body=body)],
        )
        with pytest.raises(ToolFailed, match="did not ask"):
            await office.tools["keep_convention"].run(
                context, {"kind": "preference", "topic": "show", "value": "table"}
            )


OPTIONS = ("Net revenue", "Gross revenue", "MRR")


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("net", "metric:net_revenue"),
        ("Net revenue please", "metric:net_revenue"),
        ("I mean the gross one", "metric:gross_revenue"),
        ("2", "metric:gross_revenue"),
        ("the third", "metric:mrr"),
        ("Net revenue, sorry for being unclear about that", "metric:net_revenue"),
    ],
)
async def test_an_answer_to_our_question_is_kept_with_what_made_us_ask(office, answer, value):
    await office.happened("run-1", "What was revenue in May?", *OPTIONS)
    told, is_error = await keep(office, "definition", "revenue", value, answer)
    assert not is_error, told
    assert await office.holds("anna") == {"revenue": (value, "Anna")}


@pytest.mark.parametrize(
    ("answer", "topic", "value"),
    [
        ("net", "revenue", "metric:gross_revenue"),  # chose the other
        ("revenue", "revenue", "metric:gross_revenue"),  # chose none: two have that word
        ("4", "revenue", "metric:mrr"),
        ("net", "sales", "metric:net_revenue"),  # nobody spoke of sales
        ("What is gross revenue by region?", "region", "metric:gross_revenue"),  # no answer, but another question
        ("What were gross revenue and net revenue?", "revenue", "metric:gross_revenue"),
    ],
)
async def test_what_is_no_answer_to_our_question_is_not_taken_for_one(office, answer, topic, value):
    await office.happened("run-1", "What was revenue in May?", *OPTIONS)
    told, is_error = await keep(office, "definition", topic, value, answer)
    assert (is_error, "did not ask" in told) == (True, True)


async def test_a_chain_of_questions_is_followed_back_and_no_further(office):
    await office.answered("run-0", "What was income in May?", "None.")
    await office.happened("run-1", "What was revenue?", "in May", "in June")
    await office.happened("run-2", "in May", *OPTIONS)
    assert (await keep(office, "definition", "income", "metric:net_revenue", "net"))[1]
    assert not (await keep(office, "definition", "revenue", "metric:net_revenue", "net"))[1]


async def test_two_words_that_were_asked_about_one_after_the_other_are_both_kept(office):
    await office.happened("run-1", "What was revenue per year?", "fiscal year", "calendar year")
    await office.happened("run-2", "the fiscal one", *OPTIONS)
    assert not (await keep(office, "definition", "revenue", "metric:net_revenue", "net"))[1]
    assert not (await keep(office, "definition", "year", "year:fiscal", "net"))[1]
    assert (await keep(office, "definition", "year", "year:calendar", "net"))[1]
    assert (await keep(office, "definition", "year", "year:fiscal", "What were sales per region in May?"))[1]


@pytest.mark.parametrize("said", ["No, I meant net revenue.", "It should be net of refunds", "we wanted net"])
async def test_what_is_put_right_may_stand_in_the_question_before(office, said):
    await office.answered("run-1", "What were sales in May?", "5.")
    value = "metric:net_revenue"
    assert (await keep(office, "definition", "sales", value, said))[1], "a definition says what it defines"
    assert (await keep(office, "correction", "costs", value, said))[1]
    assert (await keep(office, "correction", "sales", "metric:mrr", said))[1]
    assert not (await keep(office, "correction", "sales", value, said))[1]
    await office.answered("run-2", "And in June?", "6.")
    assert (await keep(office, "correction", "sales", value, said))[1], "that is two questions ago"


async def test_where_nothing_was_asked_a_short_word_is_no_answer(office):
    await office.happened("run-1", "What was revenue in May?", *OPTIONS)
    await office.answered("run-2", "net", "It was 5.")
    assert (await keep(office, "definition", "revenue", "metric:net_revenue", "net"))[1]


async def test_a_question_without_options_is_answered_in_words(office):
    await office.happened("run-1", "What was revenue in May?")
    assert (await keep(office, "preference", "show", "chart", "what is a chart?"))[1]
    assert not (await keep(office, "definition", "revenue", "metric:net_revenue", "net of refunds"))[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            "metric:profit",
            "there is no metric 'profit' in this semantic model; there are net_revenue, gross_revenue, mrr",
        ),
        ("dimension:country", "there is no dimension 'country'"),
        ("value:country=DE", "there is no dimension 'country'"),
        ("time:sold_on", "there is no time 'sold_on' in this semantic model; there are paid_on"),
    ],
)
async def test_a_value_the_model_does_not_have_is_refused_with_those_it_has(office, value, says):
    told, is_error = await keep(
        office, "definition", "revenue", value, "By revenue I mean profit of country DE sold on."
    )
    assert is_error
    assert says in told


async def test_without_a_semantic_model_names_are_matched_as_they_are(office):
    office.model = None
    assert not (await keep(office, "definition", "revenue", "metric:net_revenue", "revenue means net revenue"))[1]
    assert not (await keep(office, "definition", "home", "value:region=EMEA", "home means EMEA"))[1]
    assert (await keep(office, "definition", "revenue", "metric:mrr", "revenue means monthly recurring revenue"))[1]


# The tools


async def test_the_list_says_for_whom_and_whose(office):
    await office.keep(None, "show", "chart")
    mine = (await office.keep("anna", "show", "table")).convention
    told, _ = await office.call("conventions", "anna")
    anna = await office.speaker("anna")
    assert told["speaker"] == {"person": anna.person, "name": "Anna", "teams": ["Finance"]}
    (found,) = told["conventions"]
    assert (found["id"], found["scope"], found["whose"], len(found["overrides"])) == (mine.id, "person", "Anna", 1)
    told, _ = await office.call("conventions", None)
    assert (told["speaker"]["person"], [one["value"] for one in told["conventions"]]) == (None, ["chart"])
    assert (await office.call("conventions", "anna", x=1))[1]


async def test_the_list_is_read_anew_every_time(office):
    kept = await office.keep("anna", "show", "table")
    assert (await office.call("conventions", "anna"))[0]["conventions"]
    scope = f"kelpie:person:{(await office.speaker('anna')).person}"
    await office.archive.forget("t", scope, [kept.convention.id])
    assert (await office.call("conventions", "anna"))[0]["conventions"] == []


async def test_whose_it_is_may_be_said(office):
    said = ("From now on show tables.",)
    told, _ = await keep(office, "preference", "show", "table", *said, scope="team")
    assert (told["saved"]["scope"], told["saved"]["whose"]) == ("team", "Finance")
    told, is_error = await keep(office, "preference", "show", "table", *said, scope="organisation")
    assert (is_error, "without 'as'" in told) == (True, True)
    told, is_error = await keep(office, "preference", "show", "table", *said, team="Sales")
    assert (is_error, "kept by its people" in told) == (True, True)
    told, is_error = await keep(office, "preference", "show", "table", *said, scope="everybody")
    assert (is_error, "the scope is one of person" in told) == (True, True)
    for arguments in ({"weight": 1}, {"team": 5}):
        assert (await keep(office, "preference", "show", "table", *said, **arguments))[1]
    assert (await office.call("keep_convention", "anna", said, kind="preference", topic="show"))[1]


async def test_for_nobody_in_particular_it_is_the_organisations(office):
    said = ("From now on show tables.",)
    told, is_error = await office.call("keep_convention", NOBODY, said, kind="preference", topic="show", value="table")
    assert (is_error, told["saved"]["scope"]) == (False, "organisation")
    assert await office.holds("anna") == {"show": ("table", "")}


async def test_whom_a_run_speaks_for_is_not_in_the_models_hands(office):
    """No argument of either tool names a person; a forged speaker of another tenant has nothing here."""
    await office.staff(("eve",), tenant="other")
    for tool in office.tools.values():
        assert not {"as", "person", "speaker"} & set(tool.spec.parameters["properties"])
    forged = Speaker((await office.speaker("eve", "other")).person, "Eve", ("Finance",))
    told, _ = await office.call("conventions", forged)
    assert told["conventions"] == []
    told, is_error = await office.call(
        "keep_convention", forged, ("Always show tables.",), kind="preference", topic="show", value="table"
    )
    assert is_error
