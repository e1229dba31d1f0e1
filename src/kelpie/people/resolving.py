"""From a name that a request gives to who is spoken for, and whom a key may speak for."""

from collections.abc import Sequence

from kelpie.errors import InvalidInput, NotFound, NotPermitted
from kelpie.people import limits, records
from kelpie.people.records import Roster
from kelpie.people.speaker import NOBODY, Speaker
from umi.archival.keys import name_key
from umi.entity import check_text
from umi.storage import View


async def resolve(view: View, tenant: str, as_: str) -> Speaker:
    """The person of this id, handle or full name, or somebody of the team of this name.

    Raises NotFound for a name nobody has here, saying whom one may name; InvalidInput for one that several people have.
    """
    check_text("the name of whom this is for", as_)
    known = await records.named(view, tenant, [_short(as_)])
    found = _named(known, as_)
    if found is not None:
        return found
    called = [one for one in known.people if name_key(one.name) == name_key(as_)]
    if len(called) > 1:
        handles = ", ".join(one.handle for one in called[: limits.NAMES_TOLD_MAX])
        raise InvalidInput(f"several people are called '{_short(as_)}'; use a handle: {handles}")
    if called:
        return Speaker(called[0].id, called[0].name, tuple(called[0].teams))
    raise NotFound(f"nobody here is called '{_short(as_)}'; {_told(await records.roster(view, tenant))}")


async def resolve_within(view: View, tenant: str, allowed: Sequence[str], as_: str | None) -> Speaker:
    """The same for a key that may speak for `allowed` alone: handles, ids and team names; empty for everybody.

    Without a name it is the only one allowed, or nobody where everybody is. Raises NotPermitted for all others, whether
    they exist or not; InvalidInput where there are several to choose from; NotFound, InvalidInput as `resolve`.
    """
    if not allowed:
        return NOBODY if as_ is None else await resolve(view, tenant, as_)
    check_text("the name of whom this is for", as_ or "")
    known = await records.named(view, tenant, allowed)
    speakers = _all_named(known, allowed)
    if as_ is None and len(allowed) > 1:
        raise InvalidInput(f"say whom this is for ('as'); this key speaks for {', '.join(allowed)}")
    if as_ is None and not speakers:
        raise NotPermitted(f"this key speaks for '{allowed[0]}', who is not known here")
    if as_ is None:
        return speakers[0]
    for one in speakers:
        if one == _named(known, as_) or (one.person is not None and name_key(one.name) == name_key(as_)):
            return one  # `known` are those it may speak for, and a few who have such a name
    raise NotPermitted(f"this key does not speak for '{_short(as_)}'; it speaks for {', '.join(allowed)}")


async def within(view: View, tenant: str, allowed: Sequence[str]) -> list[Speaker]:
    """Those of `allowed` who are there."""
    return _all_named(await records.named(view, tenant, allowed), allowed)


def _all_named(known: Roster, names: Sequence[str]) -> list[Speaker]:
    return [found for name in names if (found := _named(known, name)) is not None]


def _named(known: Roster, name: str) -> Speaker | None:
    """By what is unique: a person's id or handle, a team's name."""
    person = known.person(name.strip())
    if person is not None:
        return Speaker(person.id, person.name, tuple(person.teams))
    team = known.team(name.strip())
    return None if team is None else Speaker(None, team.name, (team.name,))


def _short(name: str) -> str:
    return name[: limits.NAME_CHARS_MAX]


def _told(known: Roster) -> str:
    if not known.people and not known.teams:
        return "no people are registered yet (`kelpie people add`)"
    people = [one.handle for one in known.people]
    teams = [one.name for one in known.teams]
    return "; ".join(
        f"{what}: {', '.join(names[: limits.NAMES_TOLD_MAX])}{' …' if len(names) > limits.NAMES_TOLD_MAX else ''}"
        for what, names in (("people", people), ("teams", teams))
        if names
    )
