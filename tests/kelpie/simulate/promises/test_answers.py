"""Each check of the analyst's answers can fail: rows, asks or the truth itself are bent, and the promise is named."""

import pytest

from kelpie.simulate import Event, Options, Plan, play
from kelpie.simulate.machines import warehouse
from kelpie.simulate.machines.connection import Ask
from kelpie.simulate.promises.answers import Answers
from kelpie.simulate.promises.invariants import Invariants
from umi.storage import Changes, Write

DAYS = {"ranking": "2024-06-19", "stock": "2024-07-20", "asks back": "2024-08-11", "refused": "2024-09-02"}


def op(number, about):
    args = {"about": about, "first": "2024-02-10", "last": DAYS[about], "mode": "stream" if number % 2 else "wait"}
    return Event(id=f"op-{number}", at_ms=100.0 * number, kind="question", lane="client-1", args=args)


PLAN = Plan(
    scenario="bent answers",
    seed=1,
    options=Options(agents=1, warehouse=True),
    events=tuple(op(number, about) for number, about in enumerate(DAYS)),
)
OF_THE_STOCK = "(SELECT run_id FROM analyst_query WHERE sql LIKE '%COUNT(*)%')"
COLUMNS = (
    "tenant, agent_id, run_id, step_id, tool_call_id, connection_id, semantic_model_id, metric_query, sql, verdict"
)
REST = "columns, rows, row_count, truncated, duration_ms, snapshot, created_at_ms, basis"


@pytest.fixture
def bent(monkeypatch):
    """The promises that are broken once the healed world is bent, before anybody looks."""

    def broken(*sql, before=None):
        check = Answers.check

        async def bend(self):
            changes = Changes()
            for statement in sql:
                changes.write(statement)
            await self._world.database.commit(changes)
            if before is not None:
                before(self._world)
            await check(self)

        monkeypatch.setattr(Answers, "check", bend)
        return play(PLAN)

    return broken


def test_straight_answers_keep_every_promise():
    verdict = play(PLAN)
    assert verdict.violations == []
    assert verdict.outcomes["answers right"] == 3
    assert verdict.outcomes["question ok"] == 5  # the fifth answers what was asked back


def test_a_truth_that_is_another_one(bent, monkeypatch):
    def nobody_left(_):
        everybody = [member._replace(ends_on=None) for member in warehouse.MEMBERS]
        monkeypatch.setattr(warehouse, "MEMBERS", everybody)

    assert bent(before=nobody_left).promises_broken == ["no number is wrong"]


def test_an_answer_that_was_shown_and_is_gone(bent):
    broken = bent(f"DELETE FROM analyst_answer WHERE run_id = {OF_THE_STOCK}").promises_broken
    assert broken == ["what was shown has its provenance"]


def test_a_result_that_is_gone(bent):
    broken = bent(f"DELETE FROM analyst_query WHERE run_id = {OF_THE_STOCK}").promises_broken
    assert {"what was shown has its provenance", "a call has one result"} <= set(broken)


def test_a_result_that_is_there_twice(bent):
    twice = (
        f"INSERT INTO analyst_query (id, {COLUMNS}, {REST}) SELECT 'query-again', {COLUMNS}, {REST} FROM analyst_query"
        f" WHERE run_id = {OF_THE_STOCK}"
    )
    assert set(bent(twice).promises_broken) == {"a call has one result", "no number is wrong"}


def test_a_question_asked_twice(bent):
    def again(world):
        asks = world.connection.asks
        asks.append(Ask(next(ask.sql for ask in asks if "GROUP BY" in ask.sql), "silo-1.1"))

    assert bent(before=again).promises_broken == ["a known result is not asked for again"]


def test_a_run_that_failed_for_no_reason(bent):
    broken = bent(f"UPDATE run SET status = 'failed' WHERE id = {OF_THE_STOCK}").promises_broken
    assert "every question ends" in broken


def test_an_acknowledged_question_of_which_nothing_is_left(bent):
    broken = bent(f"DELETE FROM run WHERE id = {OF_THE_STOCK}").promises_broken
    assert "acknowledged questions stay" in broken


@pytest.mark.parametrize(("outcome", "is_known"), [("run", True), ("failed", False), ("refused", False)])
def test_only_what_ran_is_known(outcome, is_known):
    broken = []
    invariants = Invariants(lambda promise, _: broken.append(promise))
    insert = "INSERT INTO analyst_query (tenant, sql, verdict) VALUES (?,?,?)"
    invariants.asked("SELECT 1", "silo-1.1")
    invariants.durable([Write(insert, ("t", "SELECT 1", f'{{"outcome":"{outcome}"}}'))])
    invariants.asked("SELECT 2", "silo-1.1")
    assert broken == []
    invariants.asked("SELECT 1", "silo-1.2")
    assert broken == (["a known result is not asked for again"] if is_known else [])
