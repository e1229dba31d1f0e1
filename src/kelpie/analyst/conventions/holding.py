"""Whose conventions hold for a speaker, and whose a speaker may change: decided by rows, as they are now."""

from collections.abc import Sequence

import msgspec

from kelpie.analyst.conventions.convention import Convention, Scope, convention_of
from kelpie.errors import InvalidInput, NotPermitted
from kelpie.people import Speaker, records, scopes
from umi.archival import history
from umi.archival.keys import name_key
from umi.entity import Fact
from umi.storage import Changes, View


class Holder(msgspec.Struct, frozen=True):
    """A person, a team or the organisation, as one that holds to something.

    scope     of umi, where its conventions are
    standing  the guard that the speaker still belongs there, for a commit that writes to it
    """

    kind: Scope
    whose: str
    scope: str
    standing: Changes


async def holders(view: View, tenant: str, speaker: Speaker) -> list[Holder]:
    """Whose conventions hold for the speaker, the closest first; the teams by name. Somebody who is not there any more
    has the organisation's alone."""
    found: list[Holder] = []
    if speaker.person is not None:
        person = (await records.named(view, tenant, [speaker.person])).person(speaker.person)
        if person is not None and person.id == speaker.person:
            found.append(Holder("person", person.name, scopes.of_person(person.id), records.exists(tenant, person.id)))
            for team in await records.teams_of(view, tenant, person.id):
                standing = records.is_member(tenant, person.id, team.id)
                found.append(Holder("team", team.name, scopes.of_team(team.id), standing))
    else:
        for name in speaker.teams:
            spoken_for = (await records.named(view, tenant, [name])).team(name)
            if spoken_for is not None:
                standing = records.team_exists(tenant, spoken_for.id)
                found.append(Holder("team", spoken_for.name, scopes.of_team(spoken_for.id), standing))
    return [*found, Holder("organisation", "", scopes.ORGANISATION, Changes())]


async def facts_of(view: View, tenant: str, holder: Holder) -> list[Fact]:
    """What a holder holds to, oldest first."""
    return await history.believed(view, tenant, holder.scope, valid_ms=history.LATEST_MS, known_ms=None)


async def held(view: View, tenant: str, speaker: Speaker) -> list[Convention]:
    """Every convention that a speaker has a part in: the closest holder's first, and of each the oldest."""
    return [
        convention_of(fact, holder.kind, holder.whose)
        for holder in await holders(view, tenant, speaker)
        for fact in await facts_of(view, tenant, holder)
    ]


def may_change(speaker: Speaker, holder: Holder) -> bool:
    """A speaker keeps for themselves and their teams. The organisation's are for callers who speak for nobody in
    particular: those whose key is limited to people can't."""
    return holder.kind != "organisation" or not speaker.key


async def changeable(
    view: View, tenant: str, speaker: Speaker, scope: Scope | None = None, team: str | None = None
) -> Holder:
    """Whose convention a speaker means to keep: the closest, unless `scope` or one of their teams is named.

    Raises NotPermitted, or InvalidInput where it isn't said which of several teams is meant.
    """
    found = await holders(view, tenant, speaker)
    mine = [one for one in found if may_change(speaker, one)]
    if team is not None:
        mine = [one for one in mine if one.kind == "team" and name_key(one.whose) == name_key(team)]
        if not mine:
            raise NotPermitted(f"a convention of the team '{team[:100]}' is kept by its people; {_yours(found)}")
    if scope is not None:
        mine = [one for one in mine if one.kind == scope]
    if not mine:
        raise NotPermitted(_refusal(scope, speaker))
    if mine[0].kind == "team" and len(mine) > 1 and mine[1].kind == "team":
        raise InvalidInput(f"say which team's it is ('team'); {_yours(found)}")
    return mine[0]


def _yours(found: Sequence[Holder]) -> str:
    teams = [one.whose for one in found if one.kind == "team"]
    return f"teams spoken for here: {', '.join(teams)}" if teams else "no team is spoken for here"


def _refusal(scope: Scope | None, speaker: Speaker) -> str:
    if scope == "organisation":
        return "the organisation's conventions are kept without 'as', by a key that is not limited to people"
    if not speaker.key:
        return f"this is asked for nobody in particular, who has no {scope}; say for whom ('as')"
    return f"{speaker.name or 'whom this is for'} has no {scope or 'place'} here to keep a convention for"
