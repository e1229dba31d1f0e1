"""The smallest plan that breaks the same promise: on made-up houses that break it for a known reason, and on the real
one with a planted bug."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie.errors import InvalidInput
from kelpie.simulate import Event, Options, Plan, Verdict, play
from kelpie.simulate.machines.world import Violation
from kelpie.simulate.plans.plan import plan_from_json
from kelpie.simulate.plans.shrink import shrink
from umi import core

PROMISE = "messages stay"


def verdict(plan, *broken):
    return Verdict(
        plan=plan,
        violations=[Violation(promise, text, 0.0) for promise, text in broken],
        digest="",
        steps=1,
        virtual_ms=1.0,
        fired={},
        outcomes={},
        story=[],
    )


def house(breaks, text="something is gone"):
    """A `play` that breaks the promise when `breaks(plan)` says so, and counts its runs."""

    def play_it(plan):
        play_it.plans.append(plan)
        return verdict(plan, *([(PROMISE, text)] if breaks(plan) else []))

    play_it.plans = []
    return play_it


def plan_of(events=40, **options):
    made = [
        Event(id=f"op-{n}", at_ms=n * 137.31, kind="send", lane=f"client-{n % 4}", args={"agent": n % 3, "text": "hi"})
        if n % 2
        else Event(id=f"fault-{n}", at_ms=n * 137.31, kind="crash.silo", lane=f"silo-{n % 4 + 1}", for_ms=333.3)
        for n in range(events)
    ]
    return Plan(scenario="s", seed=7, options=Options(silos=4, remote=True, agents=3, **options), events=tuple(made))


def ids(plan):
    return {event.id for event in plan.events}


def test_two_events_of_a_hundred_are_found_in_few_runs():
    needed = {"op-17", "fault-60"}
    fake = house(lambda plan: needed <= ids(plan))
    shrunk = shrink(plan_of(100), PROMISE, play=fake, schedules=0)
    assert ids(shrunk.plan) == needed
    assert (shrunk.from_events, shrunk.to_events, shrunk.finished) == (100, 2, True)
    assert shrunk.runs == len(fake.plans) < 120
    assert shrunk.verdict.plan == shrunk.plan


@given(st.sets(st.integers(0, 29), max_size=6))
@settings(max_examples=50, deadline=None)
def test_whatever_is_needed_stays_and_nothing_else_does(numbers):
    plan = plan_of(30)
    needed = {plan.events[number].id for number in numbers}
    assert ids(shrink(plan, PROMISE, play=house(lambda one: needed <= ids(one)), schedules=0).plan) == needed


def test_another_broken_promise_is_not_taken_for_the_one_searched():
    def two_bugs(plan):
        broken = [(PROMISE, "")] if {"op-1", "op-3"} <= ids(plan) else []
        return verdict(plan, *broken, ("something else", ""))

    assert ids(shrink(plan_of(), PROMISE, play=two_bugs, schedules=0).plan) == {"op-1", "op-3"}


def test_what_only_another_order_of_steps_breaks_is_found_with_that_order():
    """With fewer events the order of steps is another one, and the seed's own doesn't break the promise any more."""

    def breaks(plan):
        return "op-5" in ids(plan) and (len(plan.events) > 10 or plan.schedule == "schedule-3")

    without = shrink(plan_of(), PROMISE, play=house(breaks), schedules=0)
    with_others = shrink(plan_of(), PROMISE, play=house(breaks), schedules=4)
    assert len(without.plan.events) == 11
    assert (ids(with_others.plan), with_others.plan.schedule) == ({"op-5"}, "schedule-3")


def test_it_ends_when_its_seconds_are_used_up_with_the_smallest_so_far():
    spent = iter(range(10_000))
    needed = {"op-3", "op-21", "op-33"}
    fake = house(lambda plan: needed <= ids(plan))
    shrunk = shrink(plan_of(), PROMISE, play=fake, cpu_s=lambda: next(spent), cpu_s_max=12)
    assert not shrunk.finished
    assert shrunk.runs <= 12
    assert needed <= ids(shrunk.plan)
    assert shrunk.to_events < 40


def test_a_plan_that_keeps_the_promise_can_not_be_shrunk():
    with pytest.raises(InvalidInput, match=r"does not break 'messages stay' \(it breaks none\)"):
        shrink(plan_of(), PROMISE, play=house(lambda _: False))


def test_the_agent_that_the_violation_names_is_tried_first():
    fake = house(lambda plan: "op-7" in ids(plan), text="agent-1 misses a message")
    shrink(plan_of(), PROMISE, play=fake, schedules=0)
    second = fake.plans[2]  # after the plan as it is, and the one without faults
    assert {event.args["agent"] for event in second.events if not event.is_fault} == {1}


def test_progress_is_told_after_each_run():
    told = []
    shrunk = shrink(plan_of(), PROMISE, play=house(lambda plan: "op-7" in ids(plan)), on_progress=told.append)
    assert [one.runs for one in told] == list(range(2, shrunk.runs + 1))
    assert told[-1].events == 1
    assert "fewer events" in {one.stage for one in told}


def test_the_world_gets_as_small_as_the_bug_allows():
    """A bug of one agent and the crash of its own silo, wherever it lives."""

    def breaks(plan):
        agents = {event.args["agent"] for event in plan.events if not event.is_fault}
        homes = {f"silo-{agent % plan.options.silos + 1}" for agent in agents}
        return bool(agents) and max(agents) < plan.options.agents and any(one.lane in homes for one in plan.events)

    shrunk = shrink(plan_of(wire="anthropic", idle_ms=200), PROMISE, play=house(breaks), schedules=0)
    assert shrunk.plan.options == Options(silos=1, remote=False, agents=1)
    assert {event.lane for event in shrunk.plan.events if event.is_fault} == {"silo-1"}
    assert {event.args["agent"] for event in shrunk.plan.events if not event.is_fault} == {0}


def test_guests_stay_guests():
    """They may be deleted. An agent that took a guest's number would be missed, and that would be no bug."""
    events = [
        Event(id="op-1", at_ms=1.0, kind="send", lane="client-0", args={"agent": 2}),
        Event(id="op-2", at_ms=2.0, kind="dismiss", lane="client-0", args={"agent": 4}),
    ]
    plan = Plan(scenario="s", seed=1, options=Options(agents=3, guests=2), events=tuple(events))
    both = shrink(plan, PROMISE, play=house(lambda one: len(one.events) == 2), schedules=0).plan
    assert (both.options.agents, both.options.guests) == (1, 1)
    assert [event.args["agent"] for event in both.events] == [0, 1]
    alone = shrink(plan, PROMISE, play=house(lambda one: "op-2" in ids(one)), schedules=0).plan
    assert (alone.options.agents, alone.options.guests) == (1, 1)
    assert [event.args["agent"] for event in alone.events] == [1]


def test_several_silos_stay_if_the_bug_needs_them():
    shrunk = shrink(plan_of(), PROMISE, play=house(lambda plan: plan.options.silos >= 3), schedules=0)
    assert (shrunk.plan.options.silos, shrunk.plan.options.remote) == (3, True)


def test_numbers_get_round_and_a_window_stays_one():
    plan = plan_of().with_events(
        [
            Event(id="op-1", at_ms=1_234.567, kind="send", lane="client-0", args={"agent": 0}),
            Event(id="fault-1", at_ms=2_345.678, kind="network.loss", for_ms=37.3, args={"rate": 0.123}),
        ]
    )
    fake = house(
        lambda one: len(one.events) == 2 and one.events[1].at_ms > one.events[0].at_ms and one.events[1].for_ms
    )
    first, second = shrink(plan, PROMISE, play=fake, schedules=0).plan.events
    assert (first.at_ms, second.at_ms, second.for_ms) == (0.0, 10.0, 40.0)
    assert second.args == {"rate": 1.0}


def test_no_event_changes_the_side_of_the_backup():
    """After it nothing is promised: what happened before it must not move there, nor the other way."""
    plan = plan_of(4, backup_at_ms=200.0)
    shrunk = shrink(plan, PROMISE, play=house(lambda one: len(one.events) == 4), schedules=0).plan
    assert shrunk.options.backup_at_ms == 200.0
    assert [event.at_ms < 200 for event in shrunk.events] == [True, True, False, False]


def test_arguments_that_an_operation_does_without_go():
    args = {"agent": 0, "mode": "stream", "leaves_after": 3, "text": '[[tool:ring {"what": "x"}]] [[say:a]] [[say:b]]'}
    plan = plan_of().with_events([Event(id="op-1", at_ms=0.0, kind="send", lane="client-0", args=args)])
    fake = house(lambda one: "ring" in one.events[0].args.get("text", "") if one.events else False)
    (event,) = shrink(plan, PROMISE, play=fake, schedules=0).plan.events
    assert event.args == {"agent": 0, "text": '[[tool:ring {"what": "x"}]]'}


def test_a_run_that_ends_with_an_error_keeps_its_arguments():
    """For want of one it might end with the same error for another reason."""
    promise = "the run ends (KeyError)"
    plan = plan_of(1).with_events([Event(id="op-1", at_ms=0.0, kind="send", args={"agent": 0, "mode": "wait"})])
    shrunk = shrink(plan, promise, play=lambda one: verdict(one, *([(promise, "")] if one.events else [])))
    assert shrunk.plan.events[0].args == {"agent": 0, "mode": "wait"}


# ---- the real house


def careless_append(monkeypatch):
    """A block forgets what was there when something is added."""
    before, _, where = core.blocks._APPEND.partition(" version = version + 1")
    assert before.startswith("UPDATE block SET value = CASE")
    monkeypatch.setattr(core.blocks, "_APPEND", f"UPDATE block SET value = ?4, version = version + 1{where}")


def append(number, line):
    text = f'[[tool:core_memory_append {{"label": "notes", "content": "{line}"}}]] [[say:done]]'
    return Event(id=f"op-{number}", at_ms=number * 211.7, kind="send", lane="client-1", args={"agent": 0, "text": text})


def test_a_planted_bug_shrinks_to_the_two_messages_it_takes(monkeypatch):
    careless_append(monkeypatch)
    others = [
        Event(id="op-1", at_ms=100.4, kind="send", lane="client-0", args={"agent": 1, "mode": "stream"}),
        Event(id="op-2", at_ms=150.9, kind="write", lane="client-2"),
        Event(id="op-4", at_ms=901.0, kind="read", lane="client-3"),
        Event(id="op-5", at_ms=1_101.5, kind="insert", lane="client-0", args={"agent": 0}),
        Event(id="fault-1", at_ms=300.0, kind="network.delay", for_ms=900.0, args={"rate": 0.2}),
        Event(id="fault-2", at_ms=1_500.0, kind="clock.jump_back", lane="silo-1", args={"by_ms": -60_000.0}),
    ]
    events = sorted([append(3, "tea"), append(6, "coffee"), *others], key=lambda event: event.at_ms)
    plan = Plan(scenario="hand", seed=1, options=Options(silos=2, remote=True), events=tuple(events))
    (promise,) = play(plan).promises_broken
    assert promise == "block changes stay, once"

    shrunk = shrink(plan, promise, schedules=1, cpu_s_max=30)

    assert ids(shrunk.plan) == {"op-3", "op-6"}
    assert shrunk.plan.options == Options(agents=1)
    again = plan_from_json(shrunk.plan.to_json())
    assert again == shrunk.plan
    assert play(again).digest == shrunk.verdict.digest != ""
    assert promise in play(again).promises_broken
    monkeypatch.undo()
    assert play(again).violations == []


def test_a_shrunk_plan_says_all_there_is_to_it():
    """What a file keeps is what is played: nothing of a plan lives outside of it."""
    plan = shrink(plan_of(), PROMISE, play=house(lambda one: "op-7" in ids(one)), schedules=2).plan
    assert msgspec.json.decode(plan.to_json(), type=Plan) == plan
