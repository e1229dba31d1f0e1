"""Faults that happen by chance or by plan, and are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.dst import Rng
from umi.dst.faults import KINDS, Faults

KIND, OTHER = "disk.write_error", "disk.sync_error"


def occasions(faults, count, name="a", kind=KIND):
    return [faults.happens(kind, name) for _ in range(count)]


def test_nothing_happens_unless_asked_for():
    faults = Faults(Rng("seed"))
    assert not any(faults.happens(kind, "a") for kind in KINDS for _ in range(100))
    assert not faults.fired
    assert not faults.armed


@given(st.integers(0, 9), st.integers(0, 9))
def test_a_plan_happens_when_it_says_and_is_counted(after, times):
    faults = Faults(Rng("seed"))
    faults.plan(KIND, after=after, times=times)
    assert occasions(faults, 30) == [after <= n < after + times for n in range(30)]
    assert faults.fired[KIND] == times


def test_two_plans_for_two_places_do_not_wait_for_each_other():
    faults = Faults(Rng("seed"))
    faults.plan(KIND, where="-wal", after=1)
    faults.plan(KIND, where=".db")
    assert occasions(faults, 3, "store.db") == [True, False, False]
    assert occasions(faults, 3, "store.db-wal") == [False, True, False]
    assert faults.fired == {KIND: 2}


def test_chance_happens_about_as_often_as_it_says_and_only_where_it_says():
    faults = Faults(Rng("seed"))
    faults.rate(KIND, 0.1, where="-wal")
    assert 150 < sum(occasions(faults, 2_000, "x-wal")) < 250
    assert not any(occasions(faults, 2_000, "x"))
    assert 150 < faults.fired[KIND] < 250


@given(st.text(max_size=5))
def test_one_kind_moves_no_draw_of_another(seed):
    alone, beside = Faults(Rng(seed)), Faults(Rng(seed))
    alone.rate(KIND, 0.5)
    beside.rate(KIND, 0.5)
    beside.rate(OTHER, 0.5)
    together = [(beside.happens(KIND), beside.happens(OTHER))[0] for _ in range(50)]
    assert together == [alone.happens(KIND) for _ in range(50)]


def test_stopping_keeps_the_counters():
    faults = Faults(Rng("seed"))
    faults.rate(KIND, 1.0)
    faults.plan(OTHER, times=9)
    assert occasions(faults, 2) == [True, True]
    faults.stop()
    assert occasions(faults, 5) == occasions(faults, 5, kind=OTHER) == [False] * 5
    assert faults.fired == {KIND: 2}


def test_whoever_decides_alone_counts_by_name():
    faults = Faults(Rng("seed"))
    faults.fire("disk.bit_flip")
    faults.fire("disk.lost_unsynced", 3)
    assert faults.fired == {"disk.bit_flip": 1, "disk.lost_unsynced": 3}


@pytest.mark.parametrize("use", ["rate", "plan", "fire", "draws"])
def test_a_kind_that_does_not_exist_is_refused(use):
    faults = Faults(Rng("seed"))
    arguments = ["disk.wirte_error", 0.5] if use == "rate" else ["disk.wirte_error"]
    with pytest.raises(AssertionError, match=r"no fault 'disk\.wirte_error'; there are disk\.read_error"):
        getattr(faults, use)(*arguments)
