"""Faults that happen by chance or by plan, and are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.dst import Rng
from umi.dst.faults import CLOCK_KINDS, DISK_KINDS, KINDS, NETWORK_KINDS, Faults

ROOMS = ("disk", "network", "clock")
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


@given(st.lists(st.text(max_size=3), max_size=9, unique=True), st.text(max_size=3), st.randoms())
def test_an_occasion_with_a_key_has_its_fate_whatever_came_before(keys, seed, order):
    faults, again = Faults(Rng(seed)), Faults(Rng(seed))
    for each in (faults, again):
        each.rate(KIND, 0.5)
    fates = {key: faults.happens(KIND, key=key) for key in keys}
    shuffled = order.sample(keys, len(keys))[: max(1, len(keys) // 2)]  # some, in another order
    again.happens(KIND)  # and one that draws in its turn
    assert all(again.happens(KIND, key=key) == fates[key] for key in shuffled)
    assert all(fates[key] == (faults.share(KIND, key) < 0.5) for key in keys)


def test_keys_happen_about_as_often_as_the_rate_says_and_differ_between_kinds_and_seeds():
    faults = Faults(Rng("seed"))
    faults.rate(KIND, 0.1)
    happened = [faults.happens(KIND, key=str(n)) for n in range(2_000)]
    assert 150 < sum(happened) < 250
    assert faults.fired == {KIND: sum(happened)}
    shares = [faults.share(KIND, "a"), faults.share(OTHER, "a"), Faults(Rng("other")).share(KIND, "a")]
    assert len(set(shares)) == 3
    assert all(0 <= share < 1 for share in shares)
    assert faults.share(KIND, "a") == shares[0]


def test_a_keyed_plan_happens_in_its_turn():
    faults = Faults(Rng("seed"))
    faults.plan(KIND, after=1)
    assert [faults.happens(KIND, key=key) for key in ("a", "b", "c")] == [False, True, False]


def test_two_places_have_rates_of_their_own_and_zero_ends_one():
    faults = Faults(Rng("seed"))
    faults.rate(KIND, 1.0, where="-wal")
    faults.rate(KIND, 1.0, where=".db")
    assert occasions(faults, 2, "a-wal") == occasions(faults, 2, "a.db") == [True, True]
    faults.rate(KIND, 0.0, where="-wal")
    assert occasions(faults, 2, "a-wal") == [False, False]
    assert occasions(faults, 2, "a.db") == [True, True]
    faults.rate(KIND, 0, where="never set")  # ends nothing
    assert occasions(faults, 1, "a.db") == [True]


def test_where_two_places_overlap_the_larger_rate_holds():
    faults = Faults(Rng("seed"))
    faults.rate(KIND, 1.0, where="-wal")
    faults.rate(KIND, 0.1)
    assert all(occasions(faults, 50, "a-wal"))
    assert not all(occasions(faults, 50, "a.db"))


def test_another_rooms_kinds_are_handed_in_and_then_are_all_there_are():
    faults = Faults(Rng("seed"), {"tap.dry": "no water"})
    faults.plan("tap.dry")
    assert faults.happens("tap.dry")
    assert faults.fired == {"tap.dry": 1}
    assert faults.kinds == {"tap.dry": "no water"}
    with pytest.raises(AssertionError, match=r"no fault 'disk\.full'; there are tap\.dry"):
        faults.rate("disk.full", 1.0)


def test_every_kind_is_described_and_belongs_to_one_list():
    lists = [DISK_KINDS, NETWORK_KINDS, CLOCK_KINDS]
    assert sum(map(len, lists)) == len(KINDS)
    assert all(kind.startswith(f"{room}.") for room, kinds in zip(ROOMS, lists, strict=True) for kind in kinds)
    assert all(KINDS.values())


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


@pytest.mark.parametrize("use", ["rate", "plan", "fire", "draws", "share"])
def test_a_kind_that_does_not_exist_is_refused(use):
    faults = Faults(Rng("seed"))
    arguments = {"rate": ["disk.wirte_error", 0.5], "share": ["disk.wirte_error", "a"]}.get(use, ["disk.wirte_error"])
    with pytest.raises(AssertionError, match=r"no fault 'disk\.wirte_error'; there are disk\.read_error"):
        getattr(faults, use)(*arguments)
