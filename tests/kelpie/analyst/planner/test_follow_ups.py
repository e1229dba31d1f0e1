"""Questions that lean on the one before them: each dialogue is (question, what it comes to)."""

import pytest
from tests.kelpie.analyst.planner.catalogs import LIBRARY, ask, line

from kelpie.analyst.planner.asked import Intent, Previous, ShowAgain, Unclear
from kelpie.analyst.table import ResultColumn, ResultTable


def answered(intent):
    """The query as if it had given the branches North and South, or the genres Crime and Poetry."""
    query = intent.query(None)
    members = {"branch": ["North", "South"], "genre": ["Crime", "Poetry"]}
    columns = [ResultColumn(name=name, kind="dimension", label=name, type="text") for name in query.dimensions]
    rows = [list(row) for row in zip(*(members.get(name, ["a", "b"]) for name in query.dimensions), strict=True)]
    return Previous(query, ResultTable(query_id="query-1", columns=columns, rows=rows, row_count=len(rows)))


DIALOGUES = [
    [
        ("top 2 branches by loans in 2023", "loans; by branch; 2023-01-01 to 2023-12-31; highest: loans desc, 2"),
        (
            "How did it develop month by month?",
            "loans; by branch, month; where branch in North/South; 2023-01-01 to 2023-12-31",
        ),
    ],
    [
        ("loans by genre in 2023", "loans; by genre; 2023-01-01 to 2023-12-31"),
        ("and in 2022?", "loans; by genre; 2022-01-01 to 2022-12-31"),
        ("what about Crime?", "loans; where genre in Crime; 2022-01-01 to 2022-12-31"),
        ("by branch", "loans; by branch; where genre in Crime; 2022-01-01 to 2022-12-31"),
        ("only Poetry", "loans; by branch; where genre in Poetry; 2022-01-01 to 2022-12-31"),
        ("and the worst?", "loans; by branch; where genre in Poetry; 2022-01-01 to 2022-12-31; worst: loans asc, 5"),
        ("How many members do we have?", "members"),
        ("and by branch?", "members; by branch"),
    ],
    [
        ("loans in May 2022", "loans; 2022-05-01 to 2022-05-31"),
        ("and in June?", "loans; 2022-06-01 to 2022-06-30"),
        ("compared to the previous month?", "loans; 2022-06-01 to 2022-06-30; against period 2022-05-01 to 2022-05-31"),
        ("and in August?", "loans; 2022-08-01 to 2022-08-31; against period 2022-07-01 to 2022-07-31"),
        ("by branch", "loans; by branch; 2022-08-01 to 2022-08-31; against period 2022-07-01 to 2022-07-31"),
    ],
    [
        ("loans by month in 2023", "loans; by month; 2023-01-01 to 2023-12-31"),
        ("and returns?", "returns; by month; 2023-01-01 to 2023-12-31"),
        ("by week", "returns; by week; 2023-01-01 to 2023-12-31"),
    ],
    [
        ("loans by genre as a share of total", "loans; by genre; share of genre"),
        ("by branch", "loans; by branch; share of branch"),
        ("in 2023", "loans; by branch; 2023-01-01 to 2023-12-31; share of branch"),
    ],
    [
        (
            "branches with more than 100 loans in 2023",
            "loans; by branch; 2023-01-01 to 2023-12-31; having loans gt 100",
        ),
        ("and in 2022?", "loans; by branch; 2022-01-01 to 2022-12-31; having loans gt 100"),
    ],
    [
        ("requests granted in May 2024", "requests; 2024-05-01 to 2024-05-31; dated granted"),
        ("and in June?", "requests; 2024-06-01 to 2024-06-30; dated granted"),
    ],
]


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue[0][0])
def test_a_follow_up_keeps_what_it_does_not_say(dialogue):
    previous = None
    for question, comes_to in dialogue:
        asked = ask(question, previous=previous)
        assert line(asked) == comes_to, question
        previous = answered(asked)


def test_without_a_question_before_a_follow_up_is_asked_about():
    for question in ("and by branch?", "in 2023", "How did it develop?"):
        assert line(ask(question)).startswith("ASKED Which figure do you want?")


def test_as_a_chart_alone_shows_the_last_answer_again():
    asked = ask("loans by branch")
    assert isinstance(asked, Intent)
    assert ask("as a chart", previous=answered(asked)) == ShowAgain("chart")


def test_a_word_with_two_meanings_is_the_one_spoken_of_before_where_the_question_goes_on_from_there():
    asked = ask("donations by branch")
    assert line(ask("and the income in 2023?", previous=answered(asked))).startswith("donations")
    assert isinstance(ask("What was the income in 2023?", previous=answered(asked)), Unclear)
    assert LIBRARY.metric("donations") is not None
