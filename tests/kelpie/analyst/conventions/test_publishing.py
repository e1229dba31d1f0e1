"""The published rule: person before team before organisation, then weight, then the newest, then the team's name."""

import itertools

import pytest

from kelpie.analyst.conventions.convention import Convention, wish
from kelpie.analyst.conventions.keeping import keep
from kelpie.analyst.conventions.publishing import publish, published
from kelpie.errors import InvalidInput, NotPermitted
from kelpie.people import records


def one(n, value, scope="team", whose="Finance", **fields):
    given = {"kind": "preference", "topic": "show", "weight": 0.5, "source": "", "said_at_ms": 0} | fields
    return Convention(id=f"c{n}", value=value, scope=scope, whose=whose, **given)


async def test_the_closest_holds_and_names_what_it_beat(office):
    await office.staff(("anna", "Finance"), ("ben", "Finance"), ("cleo",))
    all_ = (await office.keep(None, "show", "chart")).convention
    team = (await office.keep("finance", "show", "table")).convention
    own = (await office.keep("anna", "show", "chart")).convention
    assert await office.holds("anna") == {"show": ("chart", "Anna")}
    assert await office.holds("ben") == {"show": ("table", "Finance")}
    assert await office.holds("finance") == {"show": ("table", "Finance")}
    assert await office.holds("cleo") == await office.holds(None) == {"show": ("chart", "")}
    assert [x.overrides for x in await office.published("ben")] == [[all_.id]]
    assert [x.overrides for x in await office.published("anna")] == [[team.id]]  # the organisation says the same
    assert [x.scope for x in (all_, team, own)] == ["organisation", "team", "person"]


def test_weight_goes_before_age_and_age_before_the_name():
    heavy = one(1, "table", weight=0.9, whose="Z")
    new = one(2, "chart", said_at_ms=5, whose="Y")
    by_name = [one(3, "table", whose="B"), one(4, "chart", whose="a")]
    for order in itertools.permutations((heavy, new, *by_name)):
        (winner,) = publish(order)
        assert (winner.id, winner.overrides, winner.disagrees) == ("c1", ["c2", "c4"], ["c2", "c4"])
    for order in itertools.permutations((new, *by_name)):
        assert publish(order)[0].id == "c2"
    for order in itertools.permutations(by_name):
        assert publish(order)[0].id == "c4"


def test_no_weight_makes_the_organisation_closer_than_the_team_or_the_team_than_the_person():
    person = one(1, "table", "person", "Anna", weight=0)
    team = one(2, "chart", "team", weight=1, said_at_ms=9)
    organisation = one(3, "chart", "organisation", "", weight=1, said_at_ms=9)
    for order in itertools.permutations((person, team, organisation)):
        (winner,) = publish(order)
        assert (winner.id, winner.overrides, winner.disagrees) == ("c1", ["c2", "c3"], [])


def test_a_correction_and_a_definition_of_one_word_are_about_the_same():
    word = {"topic": "revenue"}
    definition = one(1, "metric:gross", "organisation", "", kind="definition", **word)
    correction = one(2, "metric:net", "team", kind="correction", **word)
    preference = one(3, "metric:net", "team", kind="preference", **word)
    found = publish([correction, preference, definition])
    assert [(x.id, x.overrides) for x in found] == [("c2", ["c1"]), ("c3", [])]


def test_of_one_holder_the_later_of_the_same_moment_holds():
    assert publish([one(1, "table"), one(2, "chart")])[0].id == "c2"


async def test_two_teams_that_disagree_are_shown_to_disagree(office):
    await office.staff(("anna", "Finance", "Sales"))
    finance = (await office.keep("finance", "show", "table")).convention
    sales = (await office.keep("sales", "show", "chart", weight=0.8)).convention
    (found,) = await office.published("anna")
    assert (found.id, found.whose, found.disagrees, found.overrides) == (sales.id, "Sales", [finance.id], [finance.id])


async def test_who_left_a_team_or_is_gone_has_the_organisations_alone(office):
    await office.staff(("anna", "Finance"))
    await office.keep(None, "grain", "year")
    await office.keep("finance", "show", "table")
    await office.keep("anna", "detail", "brief")
    anna = await office.speaker("anna")
    assert set(await office.holds("anna")) == {"grain", "show", "detail"}
    await office.commit(records.plan_change_person(office.view, "t", "anna", teams=[]))
    assert {x.topic for x in await published(office.view, "t", anna)} == {"grain", "detail"}  # a run accepted before
    await office.commit(records.plan_remove_person(office.view, "t", "anna"))
    assert {x.topic for x in await published(office.view, "t", anna)} == {"grain"}
    with pytest.raises(NotPermitted, match="Anna has no place here"):
        await keep(office.view, office.archive, "t", anna, wish("preference", "show", "table"))


async def test_whose_it_is_has_to_be_clear(office):
    await office.staff(("anna", "Finance", "Sales"))
    with pytest.raises(InvalidInput, match=r"say which team's it is \('team'\); teams spoken for here: Finance, Sales"):
        await office.keep("anna", "show", "table", scope="team")
    kept = await office.keep("anna", "show", "table", scope="team", team="sales")
    assert (kept.convention.scope, kept.convention.whose) == ("team", "Sales")
    assert await office.holds("sales") == {"show": ("table", "Sales")}
