"""The questions with gold SQL: well formed, enough of each kind, and gold that runs; and the scorer that is strict."""

import os
from collections import Counter

import duckdb
import pytest

from benchmarks.gold import FOLDER, Gold, Result, difference, read_items, split_result

FILES = sorted(name for name in os.listdir(FOLDER) if name.endswith(".yaml"))
ITEMS = {name: read_items(os.path.join(FOLDER, name)) for name in FILES}


def test_there_are_enough_of_each_kind_and_half_is_held_back():
    assert FILES == ["company.held.yaml", "company.tune.yaml", "flights.held.yaml", "flights.tune.yaml"]
    kinds = {name: Counter(item.kind for item in items) for name, items in ITEMS.items()}
    total = sum(kinds.values(), Counter())
    assert total["answerable"] >= 100
    assert total["ambiguous"] >= 20
    assert total["unanswerable"] >= 20
    assert kinds["company.held.yaml"] == kinds["company.tune.yaml"]
    assert kinds["flights.held.yaml"] == kinds["flights.tune.yaml"]


def test_no_question_is_asked_twice():
    asked = Counter(item.question.casefold() for items in ITEMS.values() for item in items)
    assert [question for question, count in asked.items() if count > 1] == []


def test_the_readme_counts_what_is_there():
    with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as file:
        text = file.read()
    for name, items in ITEMS.items():
        kinds = Counter(item.kind for item in items)
        assert f"| `{name}` | {kinds['answerable']} | {kinds['ambiguous']} | {kinds['unanswerable']} |" in text


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("company")])
def test_gold_runs_and_has_the_columns_it_states(company_path, name):
    with duckdb.connect(company_path, read_only=True) as connection:
        for item in ITEMS[name]:
            for gold in item.golds if item.gold_sql else []:
                rows = connection.execute(gold.gold_sql).fetchall()
                assert rows, item.id
                assert {len(row) for row in rows} == {gold.keys + len(gold.measures)}, item.id
                assert len({row[: gold.keys] for row in rows}) == len(rows), item.id
                assert gold.compare != "value" or len(rows) == 1, item.id
                own = Result(
                    [[row[place] for row in rows] for place in range(gold.keys)],
                    list(gold.measures),
                    [False] * len(gold.measures),
                    [[row[gold.keys + place] for row in rows] for place in range(len(gold.measures))],
                )
                assert difference(gold, rows, own) == "", item.id


# --- the scorer -------------------------------------------------------------------------------------------------------

PLANS = [("Starter", 10.0), ("Team", 30.0), ("Business", 20.0), (None, 5.0)]
ROWS = Gold(gold_sql="", compare="rows", keys=1)
RANKED = sorted(PLANS, key=lambda row: -row[1])


def result(rows, keys=1, roles=("value",), optional=(False,)):
    places = range(keys, keys + len(roles))
    return Result(
        [[row[place] for row in rows] for place in range(keys)],
        list(roles),
        list(optional),
        [[row[place] for row in rows] for place in places],
    )


def test_the_same_rows_in_any_order_are_the_same():
    assert difference(ROWS, PLANS, result(PLANS[::-1])) == ""
    assert difference(ROWS, PLANS, result([(key, value * (1 + 1e-12)) for key, value in PLANS])) == ""


@pytest.mark.parametrize(
    "rows",
    [
        PLANS[:3],
        [*PLANS, ("Enterprise", 1.0)],
        [*PLANS, PLANS[0]],
        [("Starter", 10.001), *PLANS[1:]],
        [("Starter", None), *PLANS[1:]],
        [("Starter", 30.0), ("Team", 10.0), *PLANS[2:]],
        [*PLANS[:3], ("None", 5.0)],
        [],
    ],
    ids=["one missing", "one more", "one twice", "another number", "no number", "swapped", "a name for null", "none"],
)
def test_other_rows_are_not_the_same(rows):
    assert difference(ROWS, PLANS, result(rows))


def test_a_column_that_is_the_same_in_every_row_says_only_what_was_asked():
    assert difference(ROWS, PLANS, result([("2025-10-01", *row) for row in PLANS], keys=2)) == ""
    assert difference(ROWS, PLANS, result([(str(at), *row) for at, row in enumerate(PLANS)], keys=2))


def test_a_number_is_taken_from_the_column_that_means_it():
    share = Gold(gold_sql="", compare="value", measures=["share"])
    beside = result([(10.0, 0.4)], keys=0, roles=("value", "share"), optional=(False, False))
    assert difference(share, [(0.4,)], beside) == ""
    assert difference(share, [(10.0,)], beside)
    plain = Gold(gold_sql="", compare="value")
    supported = result([(6.9, 327346)], keys=0, roles=("value", "value"), optional=(False, True))
    assert difference(plain, [(6.9,)], supported) == ""
    assert difference(plain, [(327346,)], supported)
    two = result([(6.9, 327346)], keys=0, roles=("value", "value"), optional=(False, False))
    assert difference(plain, [(6.9,)], two)


def test_a_ranking_is_compared_in_its_order():
    ordered = Gold(gold_sql="", compare="ordered", keys=1)
    top = RANKED[:2]
    assert difference(ordered, top, result(top)) == ""
    assert difference(ordered, top, result(top[::-1]))
    assert difference(ordered, top, result(RANKED[:3]))
    assert difference(ordered, top, result(RANKED[:1]))


def test_a_ranking_without_a_number_may_be_cut_anywhere_but_not_mixed():
    leading = Gold(gold_sql="", compare="leading", keys=1, least=2)
    assert difference(leading, RANKED, result(RANKED[:2])) == ""
    assert difference(leading, RANKED, result(RANKED)) == ""
    assert difference(leading, RANKED, result(RANKED[:1]))
    assert difference(leading, RANKED, result([RANKED[1], RANKED[0]]))
    tied = [("a", 2.0), ("b", 1.0), ("c", 1.0)]
    assert difference(leading, tied, result([tied[0], tied[2], tied[1]])) == ""
    assert difference(leading, tied, result([tied[0], tied[2], tied[2]]))


def test_a_stored_query_is_split_by_what_its_columns_mean():
    query = {
        "columns": [
            {"name": "plan", "kind": "dimension"},
            {"name": "month", "kind": "time"},
            {"name": "mrr", "kind": "metric"},
            {"name": "mrr_growth", "kind": "metric", "of": "mrr"},
            {"name": "customers", "kind": "metric"},
        ],
        "rows": [["Team", "2025-10-01", "10.10", 0.1, 3]],
        "metric_query": {"metrics": ["mrr", "customers"]},
    }
    split = split_result(query, {"mrr": "customers"})
    assert split == Result(
        [["Team"], ["2025-10-01"]], ["value", "growth", "value"], [False, False, True], [["10.10"], [0.1], [3]]
    )
