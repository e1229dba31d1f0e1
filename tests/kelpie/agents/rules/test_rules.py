"""Tool rules, as pure functions: what holds whatever the rules, the tools and the calls."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.agents import limits
from kelpie.agents.rules import rules
from kelpie.agents.rules.rules import (
    Approved,
    AtMost,
    BeforeEnd,
    Children,
    Conditional,
    EndsTurn,
    GoesOn,
    Made,
    Parent,
    RunFirst,
)
from kelpie.errors import InvalidInput, LimitExceeded

NAMES = ["a", "b", "c", "d"]
TOOLS = NAMES[:3]
names = st.sampled_from(NAMES)
some = st.lists(names, max_size=3)
one_rule = st.one_of(
    st.builds(RunFirst, tool=names, arguments=st.just({"x": 1})),
    st.builds(EndsTurn, tool=names),
    st.builds(GoesOn, tool=names),
    st.builds(Children, tool=names, children=some),
    st.builds(Parent, tool=names, children=some),
    st.builds(
        Conditional,
        tool=names,
        by_output=st.dictionaries(st.sampled_from(["yes", "no", "true"]), names, max_size=2),
        otherwise=st.none() | names,
        is_strict=st.booleans(),
    ),
    st.builds(AtMost, tool=names, count=st.integers(1, 3)),
    st.builds(BeforeEnd, tool=names),
    st.builds(Approved, tool=names, is_needed=st.booleans()),
)
some_rules = st.lists(one_rule, max_size=6)
calls = st.lists(st.builds(Made, tool=names, output=st.sampled_from(["yes", "no", "True", None])), max_size=8)


@given(some_rules, calls)
def test_what_may_be_called_is_attached_and_a_call_is_refused_if_and_only_if_it_may_not(given_rules, so_far):
    made = rules.replay(given_rules, TOOLS, so_far)
    allowed = rules.allowed(given_rules, TOOLS, made)
    assert set(allowed) <= set(TOOLS)
    assert allowed == [name for name in TOOLS if name in allowed]  # in their order
    for name in NAMES:
        refusal = rules.refusal(given_rules, TOOLS, made, name)
        assert (refusal is None) == (name in allowed)
        assert refusal is None or name in refusal


@given(some_rules, calls)
def test_a_model_that_must_call_has_something_to_call(given_rules, so_far):
    made = rules.replay(given_rules, TOOLS, so_far)
    if rules.must_call(given_rules, TOOLS, made):
        assert rules.allowed(given_rules, TOOLS, made)


@given(some_rules, calls)
def test_replayed_calls_keep_every_rule_and_replaying_them_changes_nothing(given_rules, so_far):
    made = rules.replay(given_rules, TOOLS, so_far)
    assert rules.replay(given_rules, TOOLS, made) == made
    first = {rule.tool for rule in given_rules if isinstance(rule, RunFirst)} & set(TOOLS)
    if first and made:
        assert made[0].tool in first
    for rule in given_rules:
        if rule.tool not in TOOLS:
            continue
        if isinstance(rule, AtMost):
            assert sum(one.tool == rule.tool for one in made) <= rule.count
        for before, after in pairwise(made):
            if isinstance(rule, Children) and before.tool == rule.tool:
                assert after.tool in rule.children
            if isinstance(rule, Parent):
                assert (after.tool in rule.children) == (before.tool == rule.tool)


@given(some_rules, calls)
def test_another_rule_never_allows_more_once_a_call_was_made(given_rules, so_far):
    made = rules.replay(given_rules, TOOLS, so_far)
    if made:
        for at in range(len(given_rules)):
            fewer = given_rules[:at] + given_rules[at + 1 :]
            assert set(rules.allowed(given_rules, TOOLS, made)) <= set(rules.allowed(fewer, TOOLS, made))


@given(some_rules, calls)
def test_rules_of_a_tool_that_is_not_attached_say_nothing(given_rules, so_far):
    own = [rule for rule in given_rules if rule.tool in TOOLS]
    assert rules.allowed(given_rules, TOOLS, so_far) == rules.allowed(own, TOOLS, so_far)
    assert rules.must_call(given_rules, TOOLS, so_far) == rules.must_call(own, TOOLS, so_far)
    assert rules.missing(given_rules, TOOLS, so_far) == rules.missing(own, TOOLS, so_far)


@given(some_rules, calls)
def test_what_is_missing_was_not_called_and_calling_it_ends_the_wait(given_rules, so_far):
    missing = rules.missing(given_rules, TOOLS, so_far)
    assert not set(missing) & {one.tool for one in so_far}
    assert rules.missing(given_rules, TOOLS, [*so_far, *map(Made, missing)]) == []


def test_without_rules_every_tool_may_be_called_and_none_must():
    assert rules.allowed([], TOOLS, []) == TOOLS
    assert not rules.must_call([], TOOLS, [])
    assert rules.in_words([]) == ""
    assert not rules.constrain([Approved(tool="a"), EndsTurn(tool="a"), GoesOn(tool="a"), BeforeEnd(tool="a")])
    assert rules.constrain([AtMost(tool="a", count=1)])


@pytest.mark.parametrize(
    ("output", "may"),
    [("yes", ["b"]), (" yes ", ["b"]), ("TRUE", ["c"]), ("Yes", TOOLS), ("", TOOLS), (None, [])],
)
def test_a_condition_goes_by_the_text_of_the_output(output, may):
    rule = Conditional(tool="a", by_output={"yes": "b", "true": "c"})
    assert rules.allowed([rule], TOOLS, [Made("a", output)]) == may


def test_a_condition_without_a_match_takes_its_default_or_nothing():
    default = Conditional(tool="a", by_output={"yes": "b"}, otherwise="c")
    assert rules.allowed([default], TOOLS, [Made("a", "no")]) == ["c"]
    assert rules.must_call([default], TOOLS, [Made("a", "no")])
    strict = Conditional(tool="a", by_output={"yes": "b"}, otherwise="c", is_strict=True)
    assert rules.allowed([strict], TOOLS, [Made("a", "no")]) == []
    assert not rules.must_call([strict], TOOLS, [Made("a", "no")])
    assert "no tool may be called now" in rules.refusal([strict], TOOLS, [Made("a", "no")], "b")


def test_arguments_are_filled_in_where_their_rule_applies_alone():
    given_rules = [
        RunFirst(tool="a", arguments={"x": 1}),
        Children(tool="a", children=["b"], arguments={"b": {"y": 2}}),
    ]
    assert rules.filled_in(given_rules, [], "a") == {"x": 1}
    assert rules.filled_in(given_rules, [Made("a")], "a") == {}
    assert rules.filled_in(given_rules, [Made("a")], "b") == {"y": 2}
    assert rules.filled_in(given_rules, [Made("c")], "b") == {}


def test_the_last_word_on_approval_counts_and_a_rule_goes_before_what_the_tool_says():
    assert rules.needs_approval([], "a", by_itself=True)
    assert not rules.needs_approval([Approved(tool="b")], "a", by_itself=False)
    assert rules.needs_approval([Approved(tool="a")], "a", by_itself=False)
    assert not rules.needs_approval([Approved(tool="a"), Approved(tool="a", is_needed=False)], "a", by_itself=True)


def test_the_model_is_told_of_every_kind_of_rule_in_words():
    told = rules.in_words(
        [
            RunFirst(tool="a"),
            EndsTurn(tool="b"),
            GoesOn(tool="c"),
            Children(tool="a", children=["b", "c"]),
            Parent(tool="a", children=["d"]),
            Conditional(tool="c", by_output={"yes": "a"}),
            AtMost(tool="b", count=2),
            BeforeEnd(tool="c"),
            Approved(tool="a"),
            Approved(tool="d", is_needed=False),
        ]
    )
    assert told.startswith("<tool_usage_rules>\n- begin with a\n")
    assert told.endswith("a requires approval before it runs\n</tool_usage_rules>")
    assert len(told.splitlines()) == 11


def test_rules_that_contradict_themselves_are_refused():
    with pytest.raises(InvalidInput, match="fills in arguments of c: no child"):
        rules.check([Children(tool="a", children=["b"], arguments={"c": {}})])
    with pytest.raises(InvalidInput, match="at least one call, not 0"):
        rules.check([AtMost(tool="a", count=0)])
    with pytest.raises(LimitExceeded):
        rules.check([EndsTurn(tool="a")] * (limits.AGENT_RULES_MAX + 1))
    with pytest.raises(LimitExceeded, match="at most 200,000"):
        rules.check([RunFirst(tool="a", arguments={"text": "x" * limits.AGENT_RULES_BYTES_MAX})])
    with pytest.raises(InvalidInput, match="nan"):
        rules.check([RunFirst(tool="a", arguments={"x": float("nan")})])


def test_every_tool_a_rule_names_is_found():
    assert rules.named(
        [
            Children(tool="a", children=["b"]),
            Conditional(tool="c", by_output={"x": "d"}, otherwise="e"),
            Parent(tool="f", children=["g"]),
        ]
    ) == set("abcdefg")
