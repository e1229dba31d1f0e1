"""A third warehouse by YAML alone: the planner knows nothing of weather, and gets its numbers right or says no."""

import os
from collections import Counter

import pytest
from tests.kelpie.analyst.third.seattle import MODEL_YAML, QUESTIONS, build_seattle, fetch_wheel
from tests.kelpie.demo.test_warehouse import DOWNLOADS

from benchmarks.gold import read_items
from benchmarks.questions import Warehouse, judge_all, table

RIGHT_SHARE_MIN = 0.75


@pytest.fixture(scope="module")
def outcomes(needs, tmp_path_factory):
    try:
        wheel = fetch_wheel(DOWNLOADS)
    except RuntimeError as error:
        needs("demo-data", available=False, why=str(error))
    path = build_seattle(wheel, os.path.join(tmp_path_factory.mktemp("third"), "seattle.duckdb"))
    return judge_all(Warehouse("seattle", path, MODEL_YAML), read_items(QUESTIONS))


@pytest.mark.slow
def test_no_number_is_wrong(outcomes):
    assert [(o.item.question, o.why) for o in outcomes if o.verdict in ("wrong", "unsaid", "failed")] == []


@pytest.mark.slow
def test_three_quarters_of_the_answerable_are_right(outcomes):
    verdicts = Counter(outcome.verdict for outcome in outcomes if outcome.item.kind == "answerable")
    assert verdicts.total() >= 20
    assert verdicts["right"] >= RIGHT_SHARE_MIN * verdicts.total(), table(outcomes)


@pytest.mark.slow
def test_what_is_ambiguous_is_asked_once_and_remembered(outcomes):
    assert {o.item.question: o.verdict for o in outcomes if o.item.kind == "ambiguous" and o.verdict != "right"} == {}
