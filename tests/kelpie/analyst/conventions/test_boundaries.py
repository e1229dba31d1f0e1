"""Nobody ever sees, or changes, a convention of a person they are not, a team they are not in, or another tenant."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kelpie.analyst.conventions.conftest import Office

from kelpie.analyst.conventions.convention import wish
from kelpie.analyst.conventions.holding import held
from kelpie.analyst.conventions.keeping import keep
from kelpie.errors import CallerError
from kelpie.people import NOBODY, Speaker, records, schema
from umi import memory
from umi.dst import Host, ManualClock, Rng
from umi.storage import SqliteDatabase

TENANTS, PEOPLE, TEAMS = ("t", "u"), ("ann", "ben", "cleo"), ("Red", "Blue", "Green")
tenants, people = st.sampled_from(TENANTS), st.sampled_from(PEOPLE)
memberships = st.fixed_dictionaries({name: st.lists(st.sampled_from(TEAMS), unique=True) for name in PEOPLE})
speakers = st.one_of(st.none(), people, st.sampled_from(TEAMS))
wishes = st.lists(
    st.tuples(tenants, speakers, st.sampled_from([None, "person", "team", "organisation"]),
              st.sampled_from([None, *TEAMS]), st.sampled_from(["a", "b"])),
    max_size=12,
)  # fmt: skip
moves = st.lists(st.tuples(tenants, people, st.lists(st.sampled_from(TEAMS), unique=True)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(TENANTS, memberships)), wishes, moves)
def test_no_convention_crosses_a_boundary(members, wanted, moved):
    asyncio.run(_check(members, wanted, moved))


async def _check(members, wanted, moved):
    """Every value names its holder as the rules have it, worked out here from the grants alone."""
    host = Host(clock=ManualClock(), rng=Rng("boundaries"))
    database = await SqliteDatabase.open(":memory:", [*memory.MIGRATIONS, *schema.MIGRATIONS], host=host)
    office = Office(database, host)
    try:
        for tenant in TENANTS:
            for team in TEAMS:
                await office.commit(records.plan_add_team(office.view, host, tenant, team))
            await office.staff(*((name, *members[tenant][name]) for name in PEOPLE), tenant=tenant)
        teams = {(tenant, name): set(members[tenant][name]) for tenant in TENANTS for name in PEOPLE}
        owned = {}
        for number, (tenant, who, scope, team, topic) in enumerate(wanted):
            holder = _allowed(teams, tenant, who, scope, team)
            speaker, value = await office.speaker(who, tenant), f"v{number}"
            try:
                await keep(office.view, office.archive, tenant, speaker, wish("preference", topic, value),
                           scope=scope, team=team)  # fmt: skip
                owned[value] = holder
                assert holder is not None, (tenant, who, scope, team)
            except CallerError:
                assert holder is None, (tenant, who, scope, team)
        for tenant, name, now in moved:
            await office.commit(records.plan_change_person(office.view, tenant, name, teams=now))
            teams[tenant, name] = set(now)
        await _look(office, teams, owned)
    finally:
        await office.archive.close()
        await database.close()


def _allowed(teams, tenant, who, scope, team):
    """(tenant, kind, name) of the holder that this wish may be kept for; None if it has to be refused."""
    if who is None:
        mine = [("organisation", "")]
    elif who in TEAMS:
        mine = [("team", who)]
    else:
        mine = [("person", who), *(("team", name) for name in sorted(teams[tenant, who]))]
    if team is not None:
        mine = [one for one in mine if one == ("team", team)]
    if scope is not None:
        mine = [one for one in mine if one[0] == scope]
    if not mine or (mine[0][0] == "team" and len(mine) > 1):
        return None
    return tenant, *mine[0]


async def _look(office, teams, owned):
    for tenant in TENANTS:
        for who in (None, *PEOPLE, *TEAMS):
            mine = {(tenant, "organisation", "")}
            if who in PEOPLE:
                mine |= {(tenant, "person", who), *((tenant, "team", name) for name in teams[tenant, who])}
            elif who is not None:
                mine.add((tenant, "team", who))
            speaker = await office.speaker(who, tenant)
            for one in await held(office.view, tenant, speaker):
                assert owned[one.value] in mine, (tenant, who, one)
        # Whatever a speaker says of themselves, the rows decide.
        for forged in (Speaker("person-nobody", "ann", TEAMS), Speaker("ann", "ann", TEAMS)):
            for one in await held(office.view, tenant, forged):
                assert owned[one.value] == (tenant, "organisation", "")
        assert all(owned[one.value] == (tenant, "organisation", "") for one in await held(office.view, tenant, NOBODY))
