"""A file of people and teams: applied whole or not at all, mistakes named by their place."""

import pytest

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.people import limits

FILE = """\
teams: [Finance, Sales]
people:
  - handle: anna
    name: Anna Berg
    teams: [finance]
  - handle: ben
"""


async def test_a_file_becomes_people_and_teams(office):
    applied = await office.apply(FILE)
    assert (applied.added, applied.changed, applied.unchanged) == (["Finance", "Sales", "anna", "ben"], [], [])
    assert await office.shown() == (
        {"anna": ("Anna Berg", ["Finance"]), "ben": ("ben", [])},
        ["Finance", "Sales"],
    )


async def test_applied_again_it_changes_what_differs_alone_and_removes_nobody(office):
    await office.apply(FILE)
    before = await office.roster()
    again = await office.apply(FILE)
    assert (again.added, again.changed) == ([], [])
    assert await office.roster() == before
    third = await office.apply("people: [{handle: anna, name: Anna Berg, teams: [Sales]}, {handle: cleo}]")
    assert (third.added, third.changed, third.unchanged) == (["cleo"], ["anna"], [])
    assert (await office.shown())[0] == {"anna": ("Anna Berg", ["Sales"]), "ben": ("ben", []), "cleo": ("cleo", [])}
    assert (await office.roster()).person("anna").id == before.person("anna").id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("people:\n  - handle: anna\n  - handle: b b\n", "line 3: 'b b' can't be a handle"),
        ("people:\n  - handle: anna\n    teams: [Ops]\n", "line 2: there is no team 'Ops'; teams: none"),
        ("people:\n  - handle: anna\n  - handle: ANNA\n", "line 3: the handle 'anna' is on line 2 too"),
        ("people:\n  - handle: anna\n    age: 5\n", "line 3: there is no field 'age' here"),
        ("people:\n  - name: Anna\n", "line 2: people[0]: Object missing required field `handle`"),
        ("people:\n  - handle: 5\n", "line 2: people[0].handle: Expected `str`, got `int`"),
        ("teams: [Ops]\npeople:\n  - handle: ops\n", "line 3: 'ops' is the name of a team"),
        ("teams: [' ']\n", "team 1: a team needs a name"),
        ("teams: Finance\n", "line 1: teams: Expected `array`, got `str`"),
        ("people:\n  - &a\n    handle: anna\n  - *a\n", "line 4: anchors and aliases are not allowed"),
        ("people: [\n", "this is not YAML"),
        ("people: []\npeople: []\n", "line 2: 'people' is given twice"),
        ("- anna\n", "line 1: the file of people is a mapping"),
        ("", "line 1: the file of people is a mapping"),
        ("people:\n  - handle: anna\n    line: 3\n", "line 3: 'line' is kept"),
        (f"x: {'[' * 20}{']' * 20}\n", "line 1: the YAML is nested too deeply"),
        ("a: b: c\n", "line 1: this is not YAML"),
        ('people:\n  - handle: "\\ud800"\n', "line 2"),
        ("teams: [\ud800]\n", "line 1: '\\ud800' is no character"),
    ],
)
async def test_a_mistake_is_named_by_its_place_and_nothing_is_applied(office, text, says):
    with pytest.raises(InvalidInput) as refused:
        await office.apply(text)
    assert says in str(refused.value)
    assert await office.shown() == ({}, [])


async def test_a_team_that_bears_a_persons_handle_is_refused(office):
    await office.person("anna")
    with pytest.raises(InvalidInput, match="team 1: 'Anna' is the name of a person already"):
        await office.apply("teams: [Anna]")


async def test_a_file_is_bounded(office, monkeypatch):
    with pytest.raises(LimitExceeded, match="the file of people"):
        await office.apply("#" * (limits.PEOPLE_YAML_BYTES_MAX + 1))
    monkeypatch.setattr(limits, "PEOPLE_PER_TENANT_MAX", 1)
    with pytest.raises(InvalidInput, match="there would be 2 people; at most 1"):
        await office.apply(FILE)
    assert await office.shown() == ({}, [])
