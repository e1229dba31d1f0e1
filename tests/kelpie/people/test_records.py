"""People and teams as rows: what they may be called, what a change does, what goes with those who leave."""

import pytest

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.people import limits, records, scopes
from umi.memory import Archive, Draft
from umi.storage import Changes, Page


async def test_people_and_teams_are_listed_by_name(office):
    await office.team("Sales")
    await office.team("Finance")
    await office.person("ben", "sales")
    anna = await office.person("Anna", "Sales", "FINANCE", name="Anna  Berg")
    assert (anna.handle, anna.name, anna.teams) == ("anna", "Anna Berg", ["Finance", "Sales"])
    assert await office.shown() == (
        {"anna": ("Anna Berg", ["Finance", "Sales"]), "ben": ("Ben", ["Sales"])},
        ["Finance", "Sales"],
    )
    assert await office.shown("other") == ({}, [])


async def test_a_change_touches_what_it_names_alone(office):
    for team in ("Finance", "Sales"):
        await office.team(team)
    made = await office.person("anna", "Finance")
    await office.commit(records.plan_change_person(office.view, "t", "anna", name="Anna B."))
    assert (await office.shown())[0] == {"anna": ("Anna B.", ["Finance"])}
    await office.commit(records.plan_change_person(office.view, "t", made.id, teams=["sales"]))
    assert (await office.shown())[0] == {"anna": ("Anna B.", ["Sales"])}
    await office.commit(records.plan_change_person(office.view, "t", "ANNA", teams=[]))
    assert (await office.shown())[0] == {"anna": ("Anna B.", [])}
    assert (await office.roster()).person("anna").id == made.id


@pytest.mark.parametrize("handle", ["", " ", "a b", "-a", "añna", "a+b", "a,b", "a=b", "x" * 65, "a\nb", "a\x00"])
async def test_what_is_no_handle_is_refused(office, handle):
    with pytest.raises(InvalidInput, match="can't be a handle"):
        await office.person(handle)
    assert await office.shown() == ({}, [])


@pytest.mark.parametrize("name", [" ", "a\x1b[2Jb", "a\x00b", "\ud800", "a\u202eb"])
async def test_a_name_is_words_that_can_be_seen(office, name):
    with pytest.raises(InvalidInput):
        await office.person("anna", name=name)
    with pytest.raises(InvalidInput):
        await office.team(name)


async def test_names_are_bounded(office):
    with pytest.raises(LimitExceeded, match="101 characters"):
        await office.team("x" * (limits.NAME_CHARS_MAX + 1))


async def test_handles_and_team_names_are_one_namespace(office):
    await office.team("Finance")
    anna = await office.person("anna")
    for planned in (
        records.plan_add_person(office.view, office.host, "t", handle="FINANCE", name="x"),
        records.plan_add_person(office.view, office.host, "t", handle="Anna", name="x"),
        records.plan_add_team(office.view, office.host, "t", " ANNA "),
        records.plan_add_team(office.view, office.host, "t", "finance"),
        records.plan_add_person(office.view, office.host, "t", handle=anna.id, name="an id is taken as well"),
    ):
        with pytest.raises(Conflict, match="already"):
            await planned
    await office.person("finance", tenant="other")  # another tenant's names are free


async def test_two_who_take_one_name_at_once_do_not_both_get_it(office):
    _, person = await records.plan_add_person(office.view, office.host, "t", handle="ops", name="x")
    _, team = await records.plan_add_team(office.view, office.host, "t", "Ops")
    await office.database.commit(person)
    with pytest.raises(GuardFailed):
        await office.database.commit(team)
    _, again = await records.plan_add_team(office.view, office.host, "t", "Dev")
    _, late = await records.plan_add_person(office.view, office.host, "t", handle="dev", name="x")
    await office.database.commit(again)
    with pytest.raises(GuardFailed):
        await office.database.commit(late)


async def test_an_unknown_team_is_refused_with_those_there_are(office):
    await office.team("Sales")
    await office.team("Secret", tenant="other")
    with pytest.raises(InvalidInput, match=r"no team 'Secret'; teams: Sales$"):
        await office.person("anna", "Secret")


async def test_what_is_not_there_is_named(office):
    for planned in (
        records.plan_change_person(office.view, "t", "nobody", name="x"),
        records.plan_remove_person(office.view, "t", "nobody"),
        records.plan_remove_team(office.view, "t", "nobody"),
    ):
        with pytest.raises(NotFound, match="nobody"):
            await planned


@pytest.mark.parametrize("which", ["person", "team"])
async def test_who_leaves_takes_their_memory_along_for_good(office, tmp_path, which):
    team = await office.team("Finance")
    anna, ben = await office.person("anna", "Finance"), await office.person("ben", "Finance")
    archive = Archive(office.database, office.host)
    of = {
        "person": scopes.of_person(anna.id),
        "team": scopes.of_team(team.id),
        "other": scopes.of_person(ben.id),
    }
    for name, scope in of.items():
        await archive.add("t", scope, [Draft(text=f"a wish of the {name}, zanzibar")])
    await archive.add("other", of[which], [Draft(text="the same scope of another tenant")])
    plan = records.plan_remove_person if which == "person" else records.plan_remove_team
    await office.commit(plan(office.view, "t", (anna if which == "person" else team).id))
    left = {name for name, scope in of.items() if await archive.facts("t", scope, Page(), None)}
    assert left == set(of) - {which}
    assert len(await archive.facts("other", of[which], Page(), None)) == 1
    people = (await office.shown())[0]
    assert people == ({"ben": ("Ben", ["Finance"])} if which == "person" else {n: (n.title(), []) for n in people})
    for file in tmp_path.iterdir():
        assert f"a wish of the {which}".encode() not in file.read_bytes()
    await archive.close()


async def test_a_commit_can_stand_on_a_person_a_team_and_a_membership(office):
    team, anna = await office.team("Finance"), await office.person("anna", "Finance")
    guards = {
        "person": lambda: records.exists("t", anna.id),
        "team": lambda: records.team_exists("t", team.id),
        "membership": lambda: records.is_member("t", anna.id, team.id),
    }
    for guard in guards.values():
        await office.database.commit(guard())
    await office.commit(records.plan_change_person(office.view, "t", "anna", teams=[]))
    with pytest.raises(GuardFailed):
        await office.database.commit(guards["membership"]())
    await office.commit(records.plan_remove_person(office.view, "t", "anna"))
    await office.commit(records.plan_remove_team(office.view, "t", "finance"))
    for name in ("person", "team"):
        with pytest.raises(GuardFailed):
            await office.database.commit(guards[name]().extend(Changes()))
