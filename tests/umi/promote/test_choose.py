"""Which lines fit: within every bound, the best first, and the same again."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.errors import InvalidInput, LimitExceeded
from umi.promote.choose import Budget, Item, Taken, choose, rank

KINDS = ["persona", "facts", "goals"]


def item(number, kind="facts", line="x", score=0.5, incumbent=False, is_self=False, importance=0.5):
    return Item(
        entity_id=f"e{number:03}",
        block=kind,
        line=line,
        score=score,
        importance=importance,
        incumbent=incumbent,
        is_self=is_self,
    )


items = st.lists(
    st.builds(
        dict,
        kind=st.sampled_from(KINDS),
        line=st.text("aé€", min_size=1, max_size=30),
        score=st.sampled_from([0.2, 0.5, 0.52, 0.55, 0.6, 0.9]),
        incumbent=st.booleans(),
        importance=st.sampled_from([0.5, 0.9]),
    ),
    max_size=15,
).map(lambda parts: [item(number, **part) for number, part in enumerate(parts)])
budgets = st.builds(
    Budget,
    core_bytes_max=st.integers(0, 200),
    block_bytes_max=st.integers(0, 100),
    blocks_max=st.integers(0, 4),
    lines_max=st.integers(0, 12),
)
takens = st.builds(
    Taken,
    core_bytes=st.integers(0, 80),
    blocks=st.integers(0, 2),
    own=st.dictionaries(st.sampled_from(KINDS), st.integers(0, 30), max_size=2),
    standing=st.frozensets(st.sampled_from(KINDS), max_size=1),
)


@given(items, takens, budgets)
def test_what_is_chosen_keeps_every_bound(wanted, taken, budget):
    chosen = choose(wanted, taken, budget)
    values = {kind: ["o" * size] for kind, size in taken.own.items()}
    for one in chosen:
        values.setdefault(one.block, []).append(one.line)
    sizes = {kind: len("\n".join(lines).encode()) for kind, lines in values.items()}
    if chosen:
        assert taken.core_bytes + sum(sizes.values()) <= budget.core_bytes_max
        assert taken.blocks + len(set(values) | taken.standing) <= budget.blocks_max
    assert all(sizes[one.block] <= budget.block_bytes_max for one in chosen)
    assert len(chosen) <= budget.lines_max


@given(items, takens, budgets, st.randoms(use_true_random=False))
def test_choosing_again_from_what_is_in_now_changes_nothing(wanted, taken, budget, shuffler):
    chosen = choose(wanted, taken, budget)
    ids = {one.entity_id for one in chosen}
    again = [msgspec.structs.replace(one, incumbent=one.entity_id in ids) for one in wanted]
    shuffler.shuffle(again)
    assert {one.entity_id for one in choose(again, taken, budget)} == ids


@given(items, takens, budgets)
def test_what_was_left_has_no_room_beside_those_that_rank_before_it(wanted, taken, budget):
    chosen = choose(wanted, taken, budget)
    for left in (one for one in wanted if one not in chosen):
        before = [one for one in chosen if _place(one) < _place(left)]
        if any((one.block, one.line) == (left.block, left.line) for one in before):
            continue  # it is said already
        assert left not in choose([*before, left], taken, budget)


def _place(one):
    return rank(one.is_self, one.score, one.incumbent, one.importance, one.entity_id)


@given(items, takens, budgets)
def test_nothing_is_said_twice_in_a_block(wanted, taken, budget):
    said = [(one.block, one.line) for one in choose(wanted, taken, budget)]
    assert len(said) == len(set(said))


def test_what_is_in_already_is_outdone_by_more_than_a_little():
    one = Budget(lines_max=1)
    taken = Taken(core_bytes=0, blocks=0, own={})
    old = item(1, score=0.6, incumbent=True)
    assert choose([item(2, score=0.64), old], taken, one) == [old]
    assert choose([item(2, score=0.66), old], taken, one) != [old]


@pytest.mark.parametrize("budget", [{"core_bytes_max": 9}, {"block_bytes_max": 9}, {"blocks_max": 0}, {"lines_max": 0}])
def test_self_that_does_not_fit_is_refused(budget):
    taken = Taken(core_bytes=0, blocks=0, own={})
    with pytest.raises(LimitExceeded, match="Self"):
        choose([item(1, "persona", "éééé x", is_self=True, score=0.0)], taken, Budget(**budget))


@pytest.mark.parametrize("wrong", [{"core_bytes_max": -1}, {"lines_max": True}])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Budget(**wrong)
