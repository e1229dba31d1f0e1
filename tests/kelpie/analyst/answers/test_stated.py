"""What the question, the conventions and the model's words say in digits is no result; a number alone always is."""

import msgspec
import pytest

from kelpie.analyst.answers.stated import stated_in
from kelpie.analyst.catalog import Catalog, CatalogDimension, CatalogMetric, CatalogTime, CatalogValue
from kelpie.analyst.provenance import read_numbers
from kelpie.errors import NumberWithoutSource
from kelpie.trajectories.records import StoredMessage
from umi.wire.types import Message

CATALOG = Catalog(
    semantic_model_id="m",
    label="flights of 2013",
    metrics=[CatalogMetric(name="late", label="flights more than 15 minutes late", definition="5")],
    dimensions=[
        CatalogDimension(name="size", label="size", plural="sizes", values=[CatalogValue("1000+"), CatalogValue("7")])
    ],
    times=[CatalogTime(name="day", label="day", grains=["day"], first="2013-01-01", last="2013-12-31")],
)


def message(role, text, **fields):
    return StoredMessage(
        tenant="t",
        id="m",
        agent_id="a",
        position=0,
        run_id="r",
        step_id=None,
        body=Message(role=role, content=text, **fields),
    )


def passes(text, *messages, catalog=None):
    try:
        read_numbers(text, [], stated_in(messages, catalog))
    except NumberWithoutSource:
        return False
    return True


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("revenue of the last 3 months", "In the last 3 months there was none."),
        ("the 12-month trend", "The 12-month trend needs data."),
        ("How many in 2019?", "The data hold nothing for 2019."),
        ("I like the top 10. Always.", "Noted: “I like the top 10.”"),
    ],
)
def test_what_the_user_said_of_time_or_is_quoted(asked, answer):
    assert passes(answer, message("user", asked))
    assert not passes(answer)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("Was revenue 500?", "Yes, it was 500."),
        ("Was revenue 5,000,000 in 2019?", "It was 5,000,000."),
        ("the last 3 months", "It grew by 3."),
        ("say 42", "42"),
    ],
)
def test_a_number_from_the_question_is_no_answer(asked, answer):
    assert not passes(answer, message("user", asked))


def test_words_of_the_catalog():
    assert passes(
        "I know flights more than 15 minutes late, of 2013-01-01 to 2013-12-31, by size: 1000+", catalog=CATALOG
    )
    for alone in ("It is 5.", "It is 7.", "It is 15.", "It is 1000."):
        assert not passes(alone, catalog=CATALOG)


def test_words_of_conventions_and_errors():
    told = msgspec.json.encode({"conventions": [{"topic": "big deals", "value": "over 10 seats"}]}).decode()
    convention = message("tool", told, name="conventions", tool_call_id="c")
    assert passes("Big deals are those over 10 seats.", convention)
    assert not passes("There were 10.", convention)
    failed = message("tool", "the query took longer than 30,000 ms", name="run_sql", tool_call_id="c", is_error=True)
    assert passes("It failed: the query took longer than 30,000 ms", failed)
    assert not passes("It took 30,000 ms.", failed)


def test_what_other_tools_say_is_no_source():
    result = message("tool", '{"rows":[["5 of them"]],"note":"about 7 people"}', name="run_sql", tool_call_id="c")
    assert not passes("about 7 people", result)
    assert not passes("5 of them", result)
