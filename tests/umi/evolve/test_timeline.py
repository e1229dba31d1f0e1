"""When a claim ends: by what happened later, whatever was known first."""

from hypothesis import given
from hypothesis import strategies as st

from umi.evolve import Statement, ends


def statement(fact_id, from_ms, value, **said):
    said = {"negated": False, "many": False, "confidence": 1.0, "kept": frozenset(), **said}
    return Statement(fact_id=fact_id, place=0, from_ms=from_ms, value=value, **said)


def ended(*statements):
    return {fact_id: (end.at_ms, end.by) for (fact_id, _), end in ends(statements).items()}


def test_a_later_value_ends_the_earlier_when_it_began():
    assert ended(statement("a", 10, "acme"), statement("b", 20, "globex")) == {"a": (20, "b")}


def test_a_fact_that_arrives_late_is_ended_by_what_came_after_it():
    told = statement("new", 20, "globex"), statement("late", 10, "acme")
    assert ended(*told) == {"late": (20, "new")}


def test_a_fact_between_two_others_ends_the_earlier_and_is_ended_by_the_later():
    told = statement("a", 10, "acme"), statement("c", 30, "acme"), statement("b", 20, "globex")
    assert ended(*told) == {"a": (20, "b"), "b": (30, "c")}


def test_a_confirmation_ends_nothing():
    assert ended(statement("a", 10, "acme"), statement("b", 20, "acme")) == {}


def test_of_the_same_moment_what_was_known_last_is_right():
    assert ended(statement("a", 10, "acme"), statement("b", 10, "globex")) == {"a": (10, "b")}


def test_many_values_live_side_by_side_until_one_is_denied():
    told = (
        statement("a", 10, "tea", many=True),
        statement("b", 20, "coffee", many=True),
        statement("c", 30, "tea", many=True, negated=True),
    )
    assert ended(*told) == {"a": (30, "c")}


def test_a_denial_of_one_value_leaves_another_alone():
    assert ended(statement("a", 10, "acme"), statement("b", 20, "globex", negated=True)) == {}


def test_a_denial_of_any_value_ends_all():
    assert ended(statement("a", 10, "acme"), statement("b", 20, "", negated=True)) == {"a": (20, "b")}


def test_a_denial_ends_when_its_value_holds_again():
    told = statement("no", 10, "acme", negated=True), statement("yes", 20, "acme")
    assert ended(*told) == {"no": (20, "yes")}


def test_who_is_unsure_ends_nobody():
    assert ended(statement("a", 10, "acme"), statement("b", 20, "globex", confidence=0.29)) == {}
    assert ended(statement("a", 10, "acme"), statement("b", 20, "globex", confidence=0.3)) == {"a": (20, "b")}


def test_what_was_kept_from_a_fact_is_ended_by_the_next_one():
    told = statement("a", 10, "acme", kept=frozenset(["b"])), statement("b", 20, "globex"), statement("c", 30, "hooli")
    assert ended(*told) == {"a": (30, "c"), "b": (30, "c")}


def test_its_own_end_holds_if_it_comes_first():
    assert ended(statement("a", 10, "acme", own_end_ms=15), statement("b", 20, "globex")) == {"a": (15, None)}
    assert ended(statement("a", 10, "acme", own_end_ms=25), statement("b", 20, "globex")) == {"a": (20, "b")}


STATEMENTS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["x", "y", ""]), st.booleans()).map(
        lambda one: (one[0], one[1] or "x", one[2])
    ),
    max_size=7,
    unique_by=lambda one: one[0],  # at different moments: then the order in which they became known is nothing
)


@given(STATEMENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_nothing_where_no_two_began_at_once(told, random):
    statements = [statement(f"f{at}", at, value, negated=negated) for at, value, negated in told]
    expected = ended(*statements)
    random.shuffle(statements)
    assert ended(*statements) == expected


@given(STATEMENTS)
def test_at_most_one_value_holds_at_any_time(told):
    statements = [statement(f"f{at}", at, value, negated=negated) for at, value, negated in told]
    over = ended(*statements)
    for moment in range(7):
        holding = {
            one.value
            for one in statements
            if not one.negated and one.from_ms <= moment and over.get(one.fact_id, (99, ""))[0] > moment
        }
        assert len(holding) <= 1
