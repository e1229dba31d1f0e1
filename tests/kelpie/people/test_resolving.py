"""Who is meant by a name, and whom a key may speak for."""

import pytest

from kelpie.errors import InvalidInput, NotFound, NotPermitted
from kelpie.people import NOBODY, Speaker, records
from kelpie.people.resolving import resolve, resolve_within


@pytest.fixture
async def staffed(office):
    for team in ("Finance", "Sales"):
        await office.team(team)
    office.anna = await office.person("anna", "Finance", "Sales", name="Anna Berg")
    office.ben = await office.person("ben", "Sales", name="Ben Okoro")
    await office.person("ben2", name="Ben Okoro")
    await office.team("Secret", tenant="other")
    await office.person("eve", tenant="other")
    return office


@pytest.mark.parametrize("said", ["anna", "ANNA", " anna ", "Anna Berg", "anna  berg"])
async def test_a_person_is_meant_by_handle_or_name(staffed, said):
    assert await resolve(staffed.view, "t", said) == Speaker(staffed.anna.id, "Anna Berg", ("Finance", "Sales"))


async def test_a_person_is_meant_by_id(staffed):
    assert (await resolve(staffed.view, "t", staffed.anna.id)).person == staffed.anna.id


async def test_a_team_stands_for_somebody_of_it(staffed):
    assert await resolve(staffed.view, "t", "finance") == Speaker(None, "Finance", ("Finance",))


async def test_a_name_of_several_is_asked_back(staffed):
    with pytest.raises(InvalidInput, match="use a handle: ben, ben2"):
        await resolve(staffed.view, "t", "Ben Okoro")


@pytest.mark.parametrize("said", ["eve", "Secret", "nobody", "", " ", "an", "x" * 10_000])
async def test_an_unknown_name_is_refused_with_those_of_this_tenant_alone(staffed, said):
    with pytest.raises(NotFound) as refused:
        await resolve(staffed.view, "t", said)
    told = str(refused.value).partition(";")[2]
    assert told == " people: anna, ben, ben2; teams: Finance, Sales"


async def test_without_people_that_is_said(office):
    with pytest.raises(NotFound, match="no people are registered"):
        await resolve(office.view, "t", "anna")


@pytest.mark.parametrize("said", ["a\x00", "\ud800"])
async def test_what_is_no_text_is_refused(staffed, said):
    with pytest.raises(InvalidInput):
        await resolve(staffed.view, "t", said)
    with pytest.raises(InvalidInput):
        await resolve_within(staffed.view, "t", ["anna"], said)


async def test_a_key_for_everybody_speaks_for_nobody_unless_told(staffed):
    assert await resolve_within(staffed.view, "t", [], None) == NOBODY
    assert (await resolve_within(staffed.view, "t", [], "ben")).person == staffed.ben.id


async def test_a_key_for_one_speaks_for_them(staffed):
    for said in (None, "anna", "Anna Berg", staffed.anna.id):
        assert (await resolve_within(staffed.view, "t", ["anna"], said)).person == staffed.anna.id
    assert await resolve_within(staffed.view, "t", ["Finance"], None) == Speaker(None, "Finance", ("Finance",))


@pytest.mark.parametrize("said", ["ben", "Ben Okoro", "sales", "eve", "nobody", "ben2"])
async def test_a_key_speaks_for_nobody_else_and_does_not_tell_who_exists(staffed, said):
    """A team's key is no key to its people, nor theirs to it."""
    for allowed in (["anna"], ["Finance"], ["anna", "finance"]):
        with pytest.raises(NotPermitted) as refused:
            await resolve_within(staffed.view, "t", allowed, said)
        assert str(refused.value) == (f"this key does not speak for '{said}'; it speaks for {', '.join(allowed)}")


async def test_a_key_for_several_has_to_say_for_whom(staffed):
    with pytest.raises(InvalidInput, match="speaks for anna, sales"):
        await resolve_within(staffed.view, "t", ["anna", "sales"], None)
    assert (await resolve_within(staffed.view, "t", ["anna", "sales"], "Sales")).teams == ("Sales",)


async def test_a_key_for_one_who_is_gone_opens_nothing(staffed):
    """Neither for nobody in particular nor for another who is called so."""
    await staffed.commit(records.plan_remove_person(staffed.view, "t", "anna"))
    await staffed.person("other", name="anna")
    for said in (None, "anna", "other"):
        with pytest.raises(NotPermitted):
            await resolve_within(staffed.view, "t", ["anna"], said)


def test_every_speaker_has_a_key_of_their_own():
    anna, finance = Speaker("person-1", "Anna", ("A", "B")), Speaker(None, "Finance", ("Finance",))
    assert [one.key for one in (NOBODY, anna, finance)] == ["", "person-1", "team:Finance"]
    assert anna.key == Speaker("person-1", "Anna B.", ()).key
