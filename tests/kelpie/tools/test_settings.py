"""A custom tool's settings: what is kept, what is refused, and what holds where nothing is said."""

import re

import pytest

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.sandbox import EgressRules
from kelpie.tools.settings import CAPABILITIES, ToolSettings, changed

REVIEWED = ToolSettings()


def test_what_is_given_is_changed_and_all_else_stays():
    first = changed(REVIEWED, {"timeout_ms": 5_000, "egress": {"hosts": ["example.com"]}}, "python")
    assert (first.trust, first.timeout_ms) == ("reviewed", 5_000)
    assert first.egress == EgressRules(hosts=("example.com",))
    second = changed(first, {"trust": "untrusted", "egress": None}, "python")
    assert (second.trust, second.timeout_ms, second.egress) == ("untrusted", 5_000, None)


def test_a_reviewed_tool_sees_its_agents_state_and_an_untrusted_one_nothing_unless_it_is_said():
    assert REVIEWED.granted == {"agent_state"}
    assert changed(REVIEWED, {"trust": "untrusted"}, "python").granted == set()
    assert changed(REVIEWED, {"capabilities": []}, "python").granted == set()
    given = changed(REVIEWED, {"trust": "untrusted", "capabilities": list(CAPABILITIES)}, "python")
    assert given.granted == set(CAPABILITIES)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"trust": "operator"}, "trust"),
        ({"trust": None}, "trust"),
        ({"unknown": 1}, "unknown"),
        ({"timeout_ms": 99}, "timeout_ms is from 100 to 300,000; 99"),
        ({"timeout_ms": 300_001}, "300,001 is not possible"),
        ({"timeout_ms": "soon"}, "timeout_ms"),
        ({"capabilities": ["blocks:own"]}, "no capability 'blocks:own'"),
        ({"egress": {"hosts": []}}, "egress needs at least one host"),
        ({"egress": {"hosts": ["*"]}}, "'*' is no host"),
        ({"egress": {"hosts": ["*.com"]}}, "is too wide"),
        ({"egress": {"hosts": ["http://example.com"]}}, "is no host"),
        ({"egress": {"hosts": ["a b.com"]}}, "is no host"),
        ({"egress": {"hosts": ["example.com"], "bytes_max": 0}}, "egress.bytes_max is from 1"),
        ({"egress": {"hosts": ["example.com"], "calls_max": 10_001}}, "egress.calls_max is from 1 to 10,000"),
        ({"requirements": ["--index-file=x"]}, "is no requirement"),
        ({"requirements": ["https://example.com/x.whl"]}, "is no requirement"),
        ({"requirements": ["../x"]}, "is no requirement"),
        ({"requirements": ["x @ file:y"]}, "is no requirement"),
        ({"requirements": [""]}, "is no requirement"),
        ({"requirements": ["x"] * 51}, "51 packages"),
        ({"requirements": ["x" * 201]}, "is no requirement"),
        ({"egress": {"hosts": ["x.com"] * 101}}, "101 hosts"),
        ({"egress": {"hosts": ["x" * 254]}}, "is no host"),
    ],
)
def test_what_can_not_be_is_refused_by_name(given, text):
    with pytest.raises(InvalidInput, match=re.escape(text)):
        changed(REVIEWED, given, "python")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"secrets": ["X"] * 101}, "101 entries"),
        ({"secrets": ["X" * 129]}, "129 characters"),
    ],
)
def test_every_list_is_bounded(given, text):
    with pytest.raises(LimitExceeded, match=text):
        changed(REVIEWED, given, "python")


def test_packages_are_those_of_python():
    assert changed(REVIEWED, {"requirements": ["Rich[x]>=1"]}, "python").requirements == ["Rich[x]>=1"]
    with pytest.raises(InvalidInput, match="for tools in Python only, not in typescript"):
        changed(REVIEWED, {"requirements": ["rich"]}, "typescript")
