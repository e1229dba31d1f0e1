"""Rules are tried on their table before they are stored: a misspelt one would keep nothing back."""

import msgspec
import pytest

from kelpie.analyst import limits
from kelpie.analyst.access import records
from kelpie.analyst.access.access import access_for
from kelpie.analyst.access.registering import plan_rules
from kelpie.analyst.semantic import records as models
from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from kelpie.people import NOBODY
from kelpie.people import records as people
from umi.storage import Changes, View


async def test_a_rule_is_stored_listed_and_deleted(office):
    stored = await office.register(rows="region = 'EMEA'", unless=["team Sales"], says="only Europe")
    assert await records.list_all(office.view, office.tenant) == [stored]
    assert await records.get(office.view, office.tenant, stored.id) == stored
    assert await records.list_all(office.view, "another tenant") == []
    await office.database.commit(await records.plan_delete(office.view, office.tenant, stored.id))
    assert await records.list_all(office.view, office.tenant) == []
    with pytest.raises(NotFound):
        await records.plan_delete(office.view, office.tenant, stored.id)


async def test_names_are_kept_as_the_model_spells_them(office):
    stored = await office.register(semantic_model=office.record.id, table="CUSTOMERS", mask=["Email", "EMAIL"])
    assert (stored.semantic_model, stored.table, stored.mask) == ("shop", "customers", ["email"])


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ({"semantic_model": "shoop", "deny": True}, NotFound, "no semantic model has the name or id 'shoop'"),
        ({"table": "customer", "deny": True}, InvalidInput, "no table 'customer'; its tables are: customers, orders"),
        ({"table": "regions", "deny": True}, InvalidInput, "no table 'regions'"),  # there, but not the model's
        ({"mask": ["mail"]}, InvalidInput, "no column 'mail'; its columns are: id, name, region, email, credit"),
        ({"rows": "regoin = 'EMEA'"}, InvalidInput, "regoin"),
        ({"rows": "id IN (SELECT id FROM orders)"}, InvalidInput, "no subquery"),
        ({"rows": "sum(credit) > 1"}, InvalidInput, "aggregate"),
        ({"who": "team Slaes", "deny": True}, InvalidInput, "there is no team 'Slaes'"),
        ({"unless": ["person zoe"], "deny": True}, InvalidInput, "there is no person 'zoe'"),
    ],
)
async def test_a_misspelt_rule_is_refused_with_what_there_is(office, what, error, says):
    with pytest.raises(error, match=says):
        await office.register(**what)


async def test_two_rules_of_one_name_are_refused_in_one_plan_as_well(office):
    await office.register(deny=True)
    with pytest.raises(Conflict, match="a rule"):
        await office.register(mask=["email"])
    twice = [office.rule(name="twice", deny=True), office.rule(name="twice", mask=["email"])]
    with pytest.raises(Conflict, match="twice"):
        await plan_rules(office.analyst, office.view, office.tenant, twice)


async def test_a_rule_can_be_exchanged_in_one_commit(office):
    """Deleted and made anew: at no moment is there neither."""
    old = await office.register(deny=True)
    changes = await records.plan_delete(office.view, office.tenant, old.id)
    view = View(office.database, changes)
    _, more = await plan_rules(office.analyst, view, office.tenant, [office.rule(mask=["email"])])
    await office.database.commit(Changes().extend(changes).extend(more))
    assert [one.mask for one in await records.list_all(office.view, office.tenant)] == [["email"]]


async def test_a_model_has_so_many_rules_at_most(office, monkeypatch):
    monkeypatch.setattr(limits, "ACCESS_RULES_MAX", 1)
    await office.register(deny=True)
    with pytest.raises(LimitExceeded):
        await office.register(name="another", deny=True)


async def test_the_rules_that_hold_are_those_of_the_speaker(office):
    ada, bob = await office.person("ada", "Sales"), await office.person("bob", "Finance")
    await office.register(name="emea", who="team Sales", rows="region = 'EMEA'")
    await office.register(name="no mail", unless=["team Finance"], mask=["email"])
    await office.register(name="not ada", who="person ada", table="orders", deny=True)

    async def names(speaker):
        found = await access_for(office.view, office.tenant, office.record.id, speaker)
        return [rule.name for rule in found.rules]

    assert await names(ada) == ["emea", "no mail", "not ada"]
    assert await names(bob) == []
    assert await names(NOBODY) == ["no mail"]
    with pytest.raises(NotFound):
        await access_for(office.view, office.tenant, "semantic-model-9", NOBODY)


async def test_a_rule_outlives_the_team_it_is_about_and_then_holds_for_everyone(office):
    ada, bob = await office.person("ada", "Sales"), await office.person("bob")
    await office.register(who="team Sales", rows="region = 'EMEA'")

    async def held(speaker):
        return len((await access_for(office.view, office.tenant, office.record.id, speaker)).rules)

    assert [await held(one) for one in (ada, bob, NOBODY)] == [1, 0, 0]
    (team,) = [one for one in (await people.roster(office.view, office.tenant)).teams if one.name == "Sales"]
    await office.commit(people.plan_remove_team(office.view, office.tenant, team.id))
    assert [await held(one) for one in (ada, bob, NOBODY)] == [1, 1, 1]


async def test_a_model_registered_anew_is_under_the_same_rules(office):
    await office.register(deny=True)
    connection_id = office.record.connection_id
    await office.database.commit(await models.plan_delete(office.view, office.tenant, office.record.id))
    anew = models.new_record(office.host, office.tenant, "shop", connection_id, office.record.yaml)
    await office.database.commit(await models.plan_create(office.view, anew))
    assert len((await access_for(office.view, office.tenant, anew.id, NOBODY)).rules) == 1


async def test_a_fingerprint_is_equal_for_those_who_may_see_the_same(office):
    ada, bob = await office.person("ada", "Sales"), await office.person("bob", "Finance")
    first = await office.register(name="one", who="team Sales", rows="region = 'EMEA'")
    await office.register(name="two", who="team Finance", rows="region = 'EMEA'")

    async def fingerprint(speaker):
        return (await access_for(office.view, office.tenant, office.record.id, speaker)).fingerprint

    assert await fingerprint(ada) == await fingerprint(bob) != ""
    assert await fingerprint(NOBODY) == ""
    before = await fingerprint(ada)
    await office.database.commit(await records.plan_delete(office.view, office.tenant, first.id))
    await office.register(name="one", who="team Sales", rows="region = 'APAC'")
    assert await fingerprint(ada) != before


async def test_an_access_learns_the_columns_of_the_tables_it_masks(office):
    await office.register(name="mail", mask=["email"])
    await office.register(name="orders", table="orders", rows="id > 1")
    access = await access_for(office.view, office.tenant, office.record.id, NOBODY)
    loaded = await office.analyst.load(office.view, office.tenant, office.record.id)
    source = await office.analyst.open_source(loaded.connection)
    assert (await access.over(source)).columns == {"customers": ["id", "name", "region", "email", "credit"]}
    assert msgspec.json.decode(msgspec.json.encode(access), type=type(access)) == access
