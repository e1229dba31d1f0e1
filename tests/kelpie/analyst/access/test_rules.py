"""A rule: what it may say, and whom it holds for."""

import pytest

from kelpie.analyst import limits
from kelpie.analyst.access.rules import new_rule
from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.people import NOBODY, Speaker
from kelpie.people.records import Person, Roster, Team

ADA, BOB = Speaker("person-1", "Ada Ames", ("Finance", "Sales")), Speaker("person-2", "Bob", ())
SALES = Speaker(None, "Sales", ("Sales",))
KNOWN = Roster(
    [
        Person(tenant="t", id="person-1", handle="ada", name="Ada Ames"),
        Person(tenant="t", id="person-2", handle="bob", name="Bob"),
    ],
    [Team(tenant="t", id="team-1", name="Sales"), Team(tenant="t", id="team-2", name="Finance")],
)


def rule(host, **what):
    return new_rule(
        host, "t", **{"name": "r", "semantic_model": "shop", "table": "orders", "who": "everyone", "deny": True} | what
    )


@pytest.mark.parametrize(
    ("who", "unless", "held"),
    [
        ("everyone", [], "ada bob sales nobody"),
        ("everyone", ["team Sales"], "bob nobody"),
        ("everyone", ["team sales", "person BOB"], "nobody"),
        ("everyone", ["person ada"], "bob sales nobody"),
        ("everyone", ["person person-1"], "bob sales nobody"),
        ("team Sales", [], "ada sales"),
        ("team SALES", ["person ada"], "sales"),
        ("person ada", [], "ada"),
        ("person person-2", [], "bob"),
        # A display name is no proof of who somebody is: people may have each other's.
        ("everyone", ["person Ada Ames"], "ada bob sales nobody"),
        # Nobody of that name is there any more: the rule stays, for everyone; as an exception the name means no one.
        ("team Marketing", [], "ada bob sales nobody"),
        ("person zoe", ["team Sales"], "bob nobody"),
        ("everyone", ["team Marketing", "person zoe"], "ada bob sales nobody"),
    ],
)
def test_whom_a_rule_holds_for(host, who, unless, held):
    speakers = {"ada": ADA, "bob": BOB, "sales": SALES, "nobody": NOBODY}
    one = rule(host, who=who, unless=unless)
    assert [name for name, speaker in speakers.items() if one.holds_for(speaker, KNOWN)] == held.split()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"name": " "}, "a name"),
        ({"table": ""}, "a table"),
        ({"who": "sales"}, "everyone, team NAME or person NAME"),
        ({"who": "team "}, "everyone, team NAME or person NAME"),
        ({"unless": ["everyone"]}, "unless: team NAME or person NAME"),
        ({"deny": False}, "keeps nothing back"),
        ({"rows": "id = 1"}, "denies the whole table"),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(host, what, says):
    with pytest.raises(InvalidInput, match=says):
        rule(host, **what)


@pytest.mark.parametrize(
    "what",
    [
        {"name": "n" * (limits.ACCESS_NAME_CHARS_MAX + 1)},
        {"deny": False, "mask": ["c"] * (limits.ACCESS_LIST_MAX + 1)},
        {"unless": ["team a"] * (limits.ACCESS_LIST_MAX + 1)},
        {"deny": False, "rows": "x" * (limits.ACCESS_CONDITION_CHARS_MAX + 1)},
        {"says": "x" * (limits.ACCESS_CONDITION_CHARS_MAX + 1)},
    ],
)
def test_a_rule_is_bounded(host, what):
    with pytest.raises(LimitExceeded):
        rule(host, **what)
