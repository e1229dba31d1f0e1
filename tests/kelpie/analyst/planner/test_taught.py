"""What people teach: preferences, definitions and corrections are kept, followed, and named with whose they are."""

import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.people import records
from kelpie.people.resolving import resolve

WORST = "Which carriers had the worst average arrival delay in summer 2013?"


@pytest.fixture
async def ann(flights):
    """The desk answers Ann, who is in Finance with Bo; Cy is in Sales."""
    for handle, team in (("ann", "Finance"), ("bo", "Finance"), ("cy", "Sales")):
        if (await records.roster(flights.view, TENANT)).team(team) is None:
            await flights.database.commit((await records.plan_add_team(flights.view, flights.host, TENANT, team))[1])
        _, changes = await records.plan_add_person(
            flights.view, flights.host, TENANT, handle=handle, name=handle.title(), teams=[team]
        )
        await flights.database.commit(changes)
    await speak(flights, "ann")
    return flights


async def speak(desk, name):
    """From now on the desk answers `name`, in a conversation of their own."""
    desk.speaker = await resolve(desk.view, TENANT, name)
    desk.history.clear()


@pytest.mark.parametrize(
    "wish",
    ["Please show me tables, not charts.", "From now on I want tables instead of charts.", "I prefer tables.",
     "No charts please, only tables.", "Never show me charts!", "I prefer tables to charts."],
)  # fmt: skip
async def test_a_stated_preference_is_kept_and_followed_and_said(ann, wish):
    confirmed = await ann.ask(wish)
    kept = {"kind": "preference", "topic": "show", "value": "table", "scope": "person"}
    assert ann.called("keep_convention") == [kept]
    assert "Noted for Ann: you like tables." in confirmed
    await speak(ann, "ann")
    answer = await ann.ask(WORST)
    assert ann.called("chart") == []
    assert "Shown as a table: a preference of Ann (" in answer


@pytest.mark.parametrize(
    "question", ["Was JetBlue always punctual?", "flights that never departed", "Show it as a table."]
)
async def test_a_question_with_such_words_is_not_kept_as_a_preference(ann, question):
    await ann.ask(question)
    assert ann.called("keep_convention") == []


async def test_a_wish_it_can_t_act_on_is_not_overpromised(ann):
    assert "I can't act on that" in await ann.ask("Always answer in rhymes.")
    assert ann.called("keep_convention") == []


async def test_a_preference_of_a_team_holds_for_its_people_and_for_no_others(ann):
    confirmed = await ann.ask("From now on show tables for everyone in Finance.")
    assert ann.called("keep_convention")[0]["team"] == "Finance"
    assert "Noted for Finance: you like tables." in confirmed
    await speak(ann, "bo")
    assert "Shown as a table: a preference of Finance (" in await ann.ask(WORST)
    await speak(ann, "cy")
    assert "preference" not in await ann.ask(WORST)
    assert len(ann.called("chart")) == 1


async def test_a_preference_and_a_question_in_one_message_are_both_heeded(ann):
    answer = await ann.ask(f"From now on always show tables. {WORST}")
    assert ann.did == ["list_metrics", "keep_convention", "query_metric"]
    assert "Shown as a table: as you said in this conversation." in answer


async def test_this_once_overrides_the_preference(ann):
    await ann.ask("I prefer tables.")
    answer = await ann.ask(f"{WORST[:-1]} as a chart?")
    assert len(ann.called("chart")) == 1
    assert "preference" not in answer


async def test_the_last_answer_is_shown_again_in_another_form(ann):
    await ann.ask("I prefer tables.")
    await ann.ask(WORST)
    answer = await ann.ask("Show it as a chart")
    assert ann.did == ["chart"]
    assert "Chart: chart-" in answer


@pytest.mark.parametrize(
    ("wish", "grain"),
    [("I prefer quarterly figures.", "quarter"), ("From now on, show me everything by week.", "week")],
)
async def test_a_preferred_grain_counts_where_a_development_leaves_it_open(ann, wish, grain):
    await ann.ask(wish)
    assert ann.called("keep_convention")[0]["value"] == grain
    await speak(ann, "ann")
    answer = await ann.ask("How did the number of flights develop?")
    assert ann.called("query_metric")[0]["grain"] == grain
    assert f"Shown by {grain}: a preference of Ann (" in answer
    await ann.ask("number of flights by month")
    assert ann.called("query_metric")[0]["grain"] == "month"


async def test_nobody_is_told_that_a_wish_outlives_the_conversation(flights):
    answer = await flights.ask("Please show me tables, not charts.")
    assert flights.called("keep_convention") == []
    assert "I hold to that in this conversation" in answer
    assert "as you said in this conversation" in await flights.ask(WORST)
    assert flights.called("chart") == []
    flights.history.clear()
    await flights.ask(WORST)
    assert len(flights.called("chart")) == 1


# --- what words mean --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "teaching",
    ["By delay I mean departure delay.", "Delay means departure delay.", "When I say delay, I mean departure delay."],
)
async def test_a_definition_settles_what_would_be_asked_and_is_named(ann, teaching):
    confirmed = await ann.ask(teaching)
    assert ann.called("keep_convention") == [
        {"kind": "definition", "topic": "delay", "value": "metric:average_departure_delay", "scope": "person"}
    ]
    assert "“delay” means average departure delay" in confirmed
    await speak(ann, "ann")
    answer = await ann.ask("Average delay by carrier in July")
    assert ann.called("ask_user") == []
    assert ann.called("query_metric")[0]["metrics"][0] == "average_departure_delay"
    assert "“delay” means average departure delay: a definition of Ann (" in answer


async def test_a_definition_goes_before_the_word_s_own_meaning_but_not_before_a_longer_phrase(ann):
    await ann.ask("By flights I mean departed flights.")
    answer = await ann.ask("flights by carrier")
    assert ann.called("query_metric")[0]["metrics"] == ["departed_flights"]
    assert "“flights” means number of departed flights" in answer
    await ann.ask("cancelled flights by carrier")
    assert ann.called("query_metric")[0]["metrics"] == ["cancelled_flights"]


@pytest.mark.parametrize("teaching", ["By delay I mean zeppelins.", "By punctuality I mean delay."])
async def test_what_a_word_can_t_mean_is_said_and_not_kept(ann, teaching):
    answer = await ann.ask(teaching)
    assert ann.called("keep_convention") == []
    assert "zeppelins" in answer or "several meanings" in answer


async def test_the_answer_to_a_question_back_is_kept_for_the_person_who_gave_it(ann):
    await ann.ask("Average delay by carrier in July")
    answer = await ann.ask("the departure one please")
    assert ann.called("keep_convention") == [
        {"kind": "definition", "topic": "delay", "value": "metric:average_departure_delay", "scope": "person"}
    ]
    assert "I keep in mind what you mean by “delay”." in answer
    await speak(ann, "ann")
    await ann.ask("delay by origin airport")
    assert ann.called("ask_user") == []
    assert ann.called("query_metric")[0]["metrics"][0] == "average_departure_delay"
    await speak(ann, "bo")
    await ann.ask("delay by origin airport")
    assert len(ann.called("ask_user")) == 1


async def test_for_nobody_the_conversation_itself_remembers_the_answer(flights):
    await flights.ask("Average delay by carrier in July")
    await flights.ask("the departure one please")
    assert flights.called("keep_convention") == []
    await flights.ask("How many flights were there?")
    await flights.ask("Average delay by carrier in July")
    assert flights.called("ask_user") == []
    assert flights.called("query_metric")[0]["metrics"][0] == "average_departure_delay"


@pytest.mark.parametrize("known", [True, False])
async def test_a_correction_changes_the_answer_at_once_and_the_next_one(flights, ann, known):
    if not known:
        await speak(ann, "ann")
        ann.speaker = type(ann.speaker)(None, "", ())
    await ann.ask("Average delay by carrier in July")
    await ann.ask("arrival delay")
    assert ann.called("query_metric")[0]["metrics"][0] == "average_arrival_delay"
    await ann.ask("No, I meant departure delay")
    (query,) = ann.called("query_metric")
    assert (query["metrics"][0], query["dimensions"]) == ("average_departure_delay", ["carrier"])
    assert len(ann.called("keep_convention")) == known
    await ann.ask("Average delay by carrier in July")
    assert ann.called("ask_user") == []
    assert ann.called("query_metric")[0]["metrics"][0] == "average_departure_delay"


async def test_i_meant_another_time_is_a_follow_up(ann):
    await ann.ask("How many flights were there in June?")
    await ann.ask("I meant July")
    assert ann.called("query_metric") == [{"metrics": ["flights"], "time_from": "2013-07-01", "time_to": "2013-07-31"}]


async def test_conventions_that_can_t_be_looked_up_are_said(ann):
    from kelpie.tools.tool import Outcome

    working = ann.call

    async def call(name, **arguments):
        return Outcome("no memory", is_error=True) if name == "conventions" else await working(name, **arguments)

    ann.call = call
    assert "could not be looked up: no memory" in await ann.ask(WORST)
