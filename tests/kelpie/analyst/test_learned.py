"""What was learned: the same question in one spelling, whose it is, and whether it still means what it did."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import learned
from kelpie.analyst.learned import as_catalog, learned_for, named, new_learned, normalised, plan_learn, plan_unlearn
from kelpie.errors import GuardFailed, InvalidInput, NotFound
from kelpie.people import NOBODY, Speaker

ADA, BEN = Speaker("person-1", "Ada", ("finance",)), Speaker("person-2", "Ben", ("sales",))


@pytest.fixture
def learn(host, commit):
    async def keep(
        question="What is revenue?", sql="SELECT 1", by=NOBODY, kind="confirmed", last="2013-12-31", own=False
    ):
        one = new_learned(
            host, TENANT, "model-1", question=question, sql=sql, metric_query=None, kind=kind,
            holds_for=by.key if own else "", verified_by=by.name, data_last=last, run_id="run-1",
        )  # fmt: skip
        await commit(plan_learn(one))
        return one

    return keep


@pytest.mark.parametrize(
    "other",
    ["what is REVENUE", "  What is\nrevenue ? ", "“What is revenue?”", "What is revenue!!", "Ｗhat is revenue?"],
)
def test_the_same_words_are_the_same_question(other):
    assert normalised(other) == normalised("What is revenue?")


@pytest.mark.parametrize(
    "other", ["What is net revenue?", "What was revenue?", "Revenue is what?", "What is revenue in 2013?"]
)
def test_other_words_are_another_question(other):
    assert normalised(other) != normalised("What is revenue?")


@given(st.text())
def test_one_spelling_is_its_own(text):
    assert normalised(normalised(text)) == normalised(text)


async def test_a_question_without_words_can_t_be_learned(learn):
    with pytest.raises(InvalidInput):
        await learn("?!")


async def test_a_person_s_own_goes_before_everybody_s_and_is_nobody_else_s(database, learn):
    everybody, own = await learn(by=BEN), await learn(sql="SELECT 2", by=ADA, kind="corrected", own=True)
    view = database.view()
    assert await learned_for(view, TENANT, "model-1", ADA, "2013-12-31") == [own]
    for other in (BEN, NOBODY, Speaker(None, "finance", ("finance",))):
        assert await learned_for(view, TENANT, "model-1", other, "2013-12-31") == [everybody]
    assert await learned_for(view, "other", "model-1", ADA, "2013-12-31") == []
    assert await learned_for(view, TENANT, "model-2", ADA, "2013-12-31") == []


async def test_said_again_it_takes_the_place_of_what_the_same_person_said(database, learn):
    await learn(by=ADA)
    newer = await learn("what is revenue", "SELECT 2", by=ADA)
    other = await learn(sql="SELECT 3", by=BEN)
    assert await learned_for(database.view(), TENANT, "model-1", NOBODY, "2013-12-31") == [newer, other]


async def test_different_sql_for_one_question_are_entries_to_choose_from_by_name(database, learn, host):
    first, second = await learn(by=ADA), await learn(sql="SELECT 2", by=BEN)
    also = await learn("How much revenue?", by=BEN)
    view = database.view()
    entries = as_catalog(await learned_for(view, TENANT, "model-1", NOBODY, "2013-12-31"))
    assert [entry.questions for entry in entries] == [[first.question, also.question], [second.question]]
    assert [entry.name.split(" on ")[0] for entry in entries] == ["confirmed by Ada", "confirmed by Ben"]
    for entry, one in zip(entries, (first, second), strict=True):
        assert (await named(view, TENANT, "model-1", NOBODY, entry.name, "2013-12-31")).sql == one.sql
    with pytest.raises(NotFound):
        await named(view, TENANT, "model-1", NOBODY, "somebody's", "2013-12-31")


async def test_two_of_one_person_and_day_have_names_of_their_own(database, learn):
    await learn(by=ADA)
    await learn("Another?", "SELECT 2", by=ADA)
    names = [
        entry.name for entry in as_catalog(await learned_for(database.view(), TENANT, "model-1", ADA, "2013-12-31"))
    ]
    assert len(set(names)) == 2
    assert names[1] == f"{names[0]} (2)"


@pytest.mark.parametrize(
    ("question", "sql", "still"),
    [
        ("Revenue last month?", "SELECT 1 WHERE d >= '2013-12-01'", False),
        ("Revenue in 2013?", "SELECT 1 WHERE d >= '2013-01-01'", True),
        ("Revenue by plan?", "SELECT 1", True),
    ],
)
async def test_a_question_whose_time_moves_is_not_answered_with_the_days_of_then(database, learn, question, sql, still):
    one = await learn(question, sql, last="2013-12-31")
    assert await learned_for(database.view(), TENANT, "model-1", NOBODY, "2013-12-31") == [one]
    assert (await learned_for(database.view(), TENANT, "model-1", NOBODY, "2014-01-31") == [one]) is still


async def test_it_is_forgotten_by_itself_and_with_its_model(database, learn, commit):
    one = await learn()
    await commit(plan_unlearn(TENANT, one.id))
    with pytest.raises(GuardFailed):
        await commit(plan_unlearn(TENANT, one.id))
    await learn()
    await commit(learned.plan_forget_model(TENANT, "model-1"))
    assert await learned.list_all(database.view(), TENANT) == []


async def test_sql_that_its_metric_query_still_comes_to_keeps_the_meaning_of_its_columns(coffee, host):
    loaded = await coffee.analyst.load(coffee.view, TENANT, coffee.record.id)
    await coffee.call("query_metric", metrics=["turnover"], dimensions=["drink"])
    from kelpie.analyst import results

    (query,) = await results.queries_of_run(coffee.view, TENANT, "run-1")
    one = new_learned(
        host, TENANT, coffee.record.id, question="Turnover?", sql=query.basis.asked, metric_query=query.metric_query,
        kind="confirmed", holds_for="", verified_by="Ada", data_last="", run_id="run-1",
    )  # fmt: skip
    again = await learned.ask_learned(coffee.analyst, coffee.context(), loaded, one, "turnover by Ada")
    assert (again.columns, again.metric_query, again.rows) == (query.columns, query.metric_query, query.rows)
    assert again.basis.verified == "turnover by Ada"
    assert again.basis.columns == query.basis.columns
    changed = msgspec.structs.replace(one, sql=one.sql.replace("SUM", "MAX"))
    plain = await learned.ask_learned(coffee.analyst, coffee.context(), loaded, changed, "x")
    assert (plain.metric_query, plain.columns[0].kind) == (None, "value")
