"""The history checker: it accepts what some order explains, and nothing else."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.dst import history as histories
from umi.dst.history import APPEND_LIST, COUNTER, NEVER, REGISTER, History, Model, Operation, UndecidedHistory, check
from umi.dst.simulate import simulate


def op(name, argument, invoked, returned, result=None, key="k"):
    unknown = returned is None
    return Operation(
        key=key,
        name=name,
        argument=argument,
        client="c",
        invoked=invoked,
        invoked_ms=invoked,
        returned=NEVER if unknown else returned,
        returned_ms=NEVER if unknown else returned,
        result=result,
    )


def write(value, invoked, returned):
    return op("write", value, invoked, returned)


def append(item, invoked, returned, position=None):
    return op("append", item, invoked, returned, position)


def add(number, invoked, returned, result=None):
    return op("add", number, invoked, returned, result)


def read(result, invoked, returned):
    return op("read", None, invoked, returned, result)


GOOD = {
    "nothing happened": (APPEND_LIST, []),
    "one after the other": (
        APPEND_LIST,
        [append("a", 1, 2, 0), append("b", 3, 4, 1), read(["a", "b"], 5, 6)],
    ),
    "reads that overlap a write see either value": (
        REGISTER,
        [write(1, 1, 2), write(2, 3, 10), read(1, 4, 5), read(2, 6, 7)],
    ),
    "an unknown append took effect late, after a read that missed it": (
        APPEND_LIST,
        [append("z", 1, None), read([], 2, 3), read(["z"], 4, 5)],
    ),
    "an unknown write took effect after a later one was acknowledged": (
        REGISTER,
        [write(1, 1, None), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    ),
    "an unknown append never took effect": (
        APPEND_LIST,
        [append("z", 1, None), append("a", 2, 3, 0), read(["a"], 4, 5)],
    ),
    "two at once, whose positions show the order": (
        APPEND_LIST,
        [append("a", 1, 4, 1), append("b", 2, 3, 0), read(["b", "a"], 5, 6)],
    ),
    "a counter with increments at once": (COUNTER, [add(1, 1, 4, 3), add(2, 2, 3, 2), read(3, 5, 6)]),
}
BAD = {
    "lost update": (COUNTER, [add(1, 1, 3), add(1, 2, 4), read(1, 5, 6)]),
    "lost update, seen in the answers": (APPEND_LIST, [append("a", 1, 3, 0), append("b", 2, 4, 0)]),
    "stale read": (APPEND_LIST, [append("a", 1, 2, 0), append("b", 3, 4, 1), read(["a"], 5, 6)]),
    "double apply": (APPEND_LIST, [append("a", 1, 2, 0), read(["a", "a"], 3, 4)]),
    "double apply of an unknown one": (COUNTER, [add(5, 1, None), read(5, 2, 3), read(10, 4, 5)]),
    "reordered": (APPEND_LIST, [append("a", 1, 2), append("b", 3, 4), read(["b", "a"], 5, 6)]),
    "phantom": (REGISTER, [write(1, 1, 2), read(7, 3, 4)]),
    "read before it was written": (APPEND_LIST, [read(["z"], 1, 2), append("z", 3, None)]),
    "an overwritten value that was never acknowledged comes back": (
        REGISTER,
        [write(1, 1, None), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7), read(1, 8, 9)],
    ),
    "non-monotonic reads": (APPEND_LIST, [append("a", 1, 9, 0), read(["a"], 2, 3), read([], 4, 5)]),
    "acknowledged and lost": (APPEND_LIST, [append("a", 1, 2, 0), read([], 3, 4)]),
    "acknowledged and lost, with an unknown one beside it": (
        REGISTER,
        [write(1, 1, 2), write(2, 3, None), write(3, 4, 5), read(1, 6, 7)],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_some_order_explains_is_accepted(name):
    model, operations = GOOD[name]
    assert check(operations, model) == []
    assert check(operations[::-1], model) == []


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_no_order_explains_is_rejected(name):
    model, operations = BAD[name]
    (violation,) = check(operations, model)
    assert violation.stuck
    assert not by_brute_force(operations, model)


def test_keys_are_judged_one_by_one_and_a_violation_says_where_it_got_stuck():
    fine = [op("append", "x", 1, 2, key="fine"), op("read", None, 3, 4, ["x"], key="fine")]
    model, bad = BAD["stale read"]
    (violation,) = check([*fine, *bad], model)
    assert violation.key == "k"
    assert violation.state == ("a",)
    shown = str(violation)
    assert "no order of 3 operations" in shown
    assert shown.splitlines()[-1].strip() == "c [3.000, 4.000] k append('b') -> 1"


def test_too_many_orders_are_an_error_and_not_a_verdict(monkeypatch):
    monkeypatch.setattr(histories, "CONFIGURATIONS_MAX", 1_000)
    wide = [append(n, n, 100) for n in range(1, 12)]
    careless = Model((), APPEND_LIST.apply)
    with pytest.raises(UndecidedHistory, match="12 operations"):
        check([*wide, read([0], 200, 201)], careless)
    assert check([*wide, read([0], 200, 201)], APPEND_LIST)  # with its pivot it is plain at once
    assert not check([*wide, read(list(range(11, 0, -1)), 200, 201)], APPEND_LIST)


# ---- against brute force


def by_brute_force(operations, model):
    """Every order of every choice of unknown operations."""
    known = [one for one in operations if not one.is_unknown]
    unknown = [one for one in operations if one.is_unknown]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            if any(_explains(order, model) for order in itertools.permutations([*known, *chosen])):
                return True
    return False


def _explains(order, model):
    for at, later in enumerate(order):
        if any(later.returned < earlier.invoked for earlier in order[:at]):
            return False
    states = [model.initial]
    for one in order:
        states = [after for state in states for after in model.apply(state, one)]
    return bool(states)


@st.composite
def real_histories(draw, length_max=25, width_max=30):
    """A model, and operations that really ran one after the other, each at one moment inside its interval. Some
    answers are lost, and some of those operations never happened."""
    model = draw(st.sampled_from([REGISTER, APPEND_LIST, COUNTER]))
    names = {REGISTER: ["write", "read"], APPEND_LIST: ["append", "read"], COUNTER: ["add", "read"]}[model]
    state, made = model.initial, []
    for moment in range(draw(st.integers(0, length_max))):
        name, number = draw(st.sampled_from(names)), draw(st.integers(0, 3))
        begun = 10 * moment - draw(st.integers(0, width_max))
        ended = 10 * moment + draw(st.integers(0, width_max))
        fate = draw(st.sampled_from(["answered"] * 6 + ["unheard", "never"]))
        result = None
        if name == "read":
            result = list(state) if model is APPEND_LIST else state
        elif fate != "never":
            (state,) = model.apply(state, op(name, number, 1, None))
            if name == "add" and draw(st.booleans()):
                result = state
        made.append((begun, ended if fate == "answered" else None, name, number, result))
    # Moments become places in one order of all events: invocations before answers where they coincide.
    events = sorted({(t, 0) for t, *_ in made} | {(t, 1) for _, t, *_ in made if t is not None})
    place = {event: number for number, event in enumerate(events, start=1)}
    return model, [
        op(name, number, place[begun, 0], None if ended is None else place[ended, 1], result)
        for begun, ended, name, number, result in made
    ]


@settings(deadline=None)
@given(real_histories())
def test_what_really_ran_is_always_accepted(made):
    model, operations = made
    assert check(operations, model) == []


@settings(max_examples=300, deadline=None)
@given(real_histories(length_max=5), st.data())
def test_a_mutated_history_is_judged_as_by_brute_force(made, data):
    model, operations = made
    if operations:
        victim = data.draw(st.sampled_from(operations))
        match data.draw(st.sampled_from(["answer", "argument", "drop", "shift"])):
            case "answer":
                other = data.draw(st.integers(0, 3))
                victim.result = [other] if model is APPEND_LIST and victim.name == "read" else other
            case "argument":
                victim.argument = data.draw(st.integers(0, 3))
            case "drop":
                operations.remove(victim)
            case "shift":
                length = victim.returned - victim.invoked
                victim.invoked = data.draw(st.integers(1, 20))
                victim.returned = victim.invoked + length
    assert (check(operations, model) == []) == by_brute_force(operations, model)


# ---- the recorder


class Counting:
    """A counter that several tasks share: `lose` forgets to take turns."""

    def __init__(self, clock, lose):
        self.clock, self.lose, self.value, self.turns = clock, lose, 0, asyncio.Lock()

    async def add(self, number):
        if self.lose:
            return await self._add(number)
        async with self.turns:
            return await self._add(number)

    async def _add(self, number):
        before = self.value
        await self.clock.sleep(1)
        self.value = before + number
        return self.value

    async def read(self):
        return self.value


@pytest.mark.parametrize("lose", [False, True])
def test_a_lost_update_is_found_in_what_clients_recorded(lose):
    async def main(host):
        counting, seen = Counting(host.clock, lose), History(host.clock)

        async def client(name):
            for _ in range(3):
                await seen.call("n", "add", 1, counting.add(1), client=name)
                await host.clock.sleep(host.rng.random())
            await seen.call("n", "read", None, counting.read(), client=name)

        await asyncio.gather(*(client(f"client {n}") for n in range(3)))
        return seen.operations

    found = [bool(check(simulate(main, seed).value, COUNTER)) for seed in range(20)]
    assert any(found) if lose else not any(found)


def test_refused_operations_leave_no_trace_and_failed_ones_stay_unknown():
    async def refuse():
        raise PermissionError

    async def break_down():
        raise OSError

    async def hang():
        await asyncio.Event().wait()

    async def main(host):
        seen = History(host.clock)
        with pytest.raises(PermissionError):
            await seen.call("k", "write", 1, refuse(), refusals=(PermissionError,))
        with pytest.raises(OSError):  # noqa: PT011 - the one above
            await seen.call("k", "write", 2, break_down(), refusals=(PermissionError,))
        with pytest.raises(TimeoutError):
            async with host.clock.timeout(5):
                await seen.call("k", "write", 3, hang())
        written = seen.invoke("k", "write", 4, client="by hand")
        await host.clock.sleep(7)
        seen.returned(written, None)
        with pytest.raises(AssertionError, match="returned twice"):
            seen.returned(written)
        return seen.operations

    two, three, four = simulate(main, 1).value
    assert [one.argument for one in (two, three) if one.is_unknown] == [2, 3]
    assert (four.is_unknown, four.client) == (False, "by hand")
    assert two.invoked < three.invoked < four.invoked < four.returned
    assert four.returned_ms - four.invoked_ms >= 7
    assert str(two).endswith("write(2) -> unknown")
