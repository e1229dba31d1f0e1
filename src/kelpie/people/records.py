"""People and teams as rows. A tenant's are few: whoever changes them reads them all, and every change is a plan.

Handles and team names are one namespace, so that a name a question is asked for means one of them; and they stay what
they are: keys and access rules name people and teams by them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from kelpie.people import limits, scopes
from kelpie.people.speaker import Speaker
from umi import archival, embed
from umi.archival.keys import name_key
from umi.dst import Host
from umi.entity import check_text
from umi.storage import Changes, Row, View

_HANDLE = re.compile(r"[a-z0-9][a-z0-9._@-]*")
_PEOPLE = "SELECT id, handle, name, created_at_ms FROM person WHERE tenant = ?"
_TEAMS = "SELECT id, name, created_at_ms FROM team WHERE tenant = ?"
_MEMBERSHIPS = (
    "SELECT m.person_id, t.name FROM membership m JOIN team t ON t.tenant = m.tenant AND t.id = m.team_id"
    " WHERE m.tenant = ?"
)
_NO_TEAM = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM team WHERE tenant = ? AND key = ?)"
_NO_PERSON = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM person WHERE tenant = ? AND handle = ?)"


class Team(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    id: str
    name: str
    created_at_ms: int = 0


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """`handle` is unique in the tenant and in lower case; `teams` are names, sorted."""

    tenant: str
    id: str
    handle: str
    name: str
    teams: list[str] = []
    created_at_ms: int = 0


class Roster(msgspec.Struct, frozen=True):
    """Everybody of a tenant, by handle and by name."""

    people: list[Person]
    teams: list[Team]

    def person(self, id_or_handle: str) -> Person | None:
        handle = id_or_handle.casefold()
        return next((one for one in self.people if id_or_handle == one.id or handle == one.handle), None)

    def team(self, id_or_name: str) -> Team | None:
        key = name_key(id_or_name)
        return next((one for one in self.teams if id_or_name == one.id or key == name_key(one.name)), None)


async def roster(view: View, tenant: str) -> Roster:
    people, teams, memberships = await view.all(
        (f"{_PEOPLE} ORDER BY handle", (tenant,)),
        (f"{_TEAMS} ORDER BY key", (tenant,)),
        (f"{_MEMBERSHIPS} ORDER BY m.person_id, t.name", (tenant,)),
    )
    return _roster(tenant, people, teams, memberships)


async def named(view: View, tenant: str, names: Sequence[str]) -> Roster:
    """The people who have one of these ids, handles or names, and the teams that have one of these ids or names."""
    keys = [name_key(name) for name in names]
    marks = ", ".join("?" * len(names))
    who = f"(id IN ({marks}) OR handle IN ({marks}) OR key IN ({marks}))"
    people, teams, memberships = await view.all(
        (f"{_PEOPLE} AND {who} ORDER BY handle", (tenant, *names, *keys, *keys)),
        (f"{_TEAMS} AND (id IN ({marks}) OR key IN ({marks})) ORDER BY key", (tenant, *names, *keys)),
        (
            f"{_MEMBERSHIPS} AND m.person_id IN (SELECT id FROM person WHERE tenant = ? AND {who})",
            (tenant, tenant, *names, *keys, *keys),
        ),
    )
    return _roster(tenant, people, teams, memberships)


async def teams_of(view: View, tenant: str, person_id: str) -> list[Team]:
    """The teams of a person, by name."""
    sql = (
        "SELECT t.id, t.name, t.created_at_ms FROM membership m JOIN team t ON t.tenant = m.tenant AND t.id = m.team_id"
        " WHERE m.tenant = ? AND m.person_id = ? ORDER BY t.name"
    )
    return [_team(tenant, row) for row in await view.fetch(sql, tenant, person_id)]


def _roster(tenant: str, people: Iterable[Row], teams: Iterable[Row], memberships: Iterable[Row]) -> Roster:
    teams_of: dict[str, list[str]] = {}
    for person_id, team in memberships:
        teams_of.setdefault(person_id, []).append(team)
    return Roster([_person(tenant, row, teams_of) for row in people], [_team(tenant, row) for row in teams])


def _team(tenant: str, row: Row) -> Team:
    return Team(tenant=tenant, id=row[0], name=row[1], created_at_ms=row[2])


def _person(tenant: str, row: Row, teams_of: Mapping[str, list[str]]) -> Person:
    return Person(
        tenant=tenant,
        id=row[0],
        handle=row[1],
        name=row[2],
        teams=sorted(teams_of.get(row[0], [])),
        created_at_ms=row[3],
    )


def exists(tenant: str, person_id: str) -> Changes:
    """The guard "person" that a person is there, for a commit that stands on it."""
    return Changes().guard("person", "SELECT 1 FROM person WHERE tenant = ? AND id = ?", tenant, person_id)


def team_exists(tenant: str, team_id: str) -> Changes:
    return Changes().guard("team", "SELECT 1 FROM team WHERE tenant = ? AND id = ?", tenant, team_id)


def is_member(tenant: str, person_id: str, team_id: str) -> Changes:
    """The guard "membership"."""
    sql = "SELECT 1 FROM membership WHERE tenant = ? AND person_id = ? AND team_id = ?"
    return Changes().guard("membership", sql, tenant, person_id, team_id)


# Checking what comes in


def checked_handle(handle: str) -> str:
    handle = handle.strip().casefold()
    if not _HANDLE.fullmatch(handle) or len(handle) > limits.HANDLE_CHARS_MAX:
        raise InvalidInput(
            f"{handle[: limits.HANDLE_CHARS_MAX]!r} can't be a handle: 1 to {limits.HANDLE_CHARS_MAX} letters a-z,"
            " digits, . _ - and @, beginning with a letter or digit"
        )
    return handle


def checked_name(what: str, name: str) -> str:
    """A name as people write it. It is shown to models, so it holds no line break and nothing unseen."""
    check_text(what, name)
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise InvalidInput(f"{what} needs a name that is not blank and has no control characters")
    if len(name) > limits.NAME_CHARS_MAX:
        raise LimitExceeded(f"the name of {what}", len(name), limits.NAME_CHARS_MAX, "characters")
    return name


def checked_teams(known: Iterable[Team], names: Sequence[str]) -> list[Team]:
    """The teams of these names, each once. Raises InvalidInput, naming those there are."""
    by_key = {name_key(team.name): team for team in known}
    found: dict[str, Team] = {}
    for name in names:
        team = by_key.get(name_key(name))
        if team is None:
            there = ", ".join(sorted(one.name for one in by_key.values())) or "none"
            raise InvalidInput(f"there is no team '{name[: limits.NAME_CHARS_MAX]}'; teams: {there}")
        found[team.id] = team
    if len(found) > limits.TEAMS_PER_PERSON_MAX:
        raise LimitExceeded("the list of a person's teams", len(found), limits.TEAMS_PER_PERSON_MAX, "teams")
    return list(found.values())


def check_free(known: Roster, name: str) -> None:
    """Raise Conflict if a person has this handle, or a team this name."""
    for one, what in ((known.person(name), "person"), (known.team(name), "team")):
        if one is not None:
            raise Conflict(f"'{name}' is the name of a {what} already; choose another")


# People


async def plan_add_person(
    view: View, host: Host, tenant: str, *, handle: str, name: str, teams: Sequence[str] = ()
) -> tuple[Person, Changes]:
    """Raises InvalidInput, Conflict, LimitExceeded."""
    known = await roster(view, tenant)
    handle = checked_handle(handle)
    check_free(known, handle)
    if len(known.people) >= limits.PEOPLE_PER_TENANT_MAX:
        raise LimitExceeded("the list of people", len(known.people) + 1, limits.PEOPLE_PER_TENANT_MAX, "people")
    name = checked_name(f"the person '{handle}'", name)
    return insert_person(host, tenant, handle, name, checked_teams(known.teams, teams))


def insert_person(host: Host, tenant: str, handle: str, name: str, teams: Sequence[Team]) -> tuple[Person, Changes]:
    """Of what was checked."""
    made = Person(
        tenant=tenant,
        id=host.ids.new("person"),
        handle=handle,
        name=name,
        teams=sorted(team.name for team in teams),
        created_at_ms=host.clock.now_ms(),
    )
    changes = Changes().guard("name", _NO_TEAM, tenant, name_key(handle))
    values = (tenant, made.id, handle, name, name_key(name), made.created_at_ms)
    changes.write("INSERT INTO person VALUES (NULL, ?, ?, ?, ?, ?, ?)", *values)
    return made, _plan_teams(changes, made, teams)


async def plan_change_person(
    view: View, tenant: str, id_or_handle: str, *, name: str | None = None, teams: Sequence[str] | None = None
) -> tuple[Person, Changes]:
    """Change what is given. Raises NotFound, InvalidInput, LimitExceeded."""
    known = await roster(view, tenant)
    old = _the_person(known, id_or_handle)
    new_name = old.name if name is None else checked_name(f"the person '{old.handle}'", name)
    return update_person(old, new_name, checked_teams(known.teams, old.teams if teams is None else teams))


def update_person(old: Person, name: str, teams: Sequence[Team]) -> tuple[Person, Changes]:
    """Of what was checked. Guard "person"."""
    new = msgspec.structs.replace(old, name=name, teams=sorted(team.name for team in teams))
    sql = "UPDATE person SET name = ?, key = ? WHERE tenant = ? AND id = ?"
    changes = Changes().guard("person", sql, name, name_key(name), old.tenant, old.id)
    changes.write("DELETE FROM membership WHERE tenant = ? AND person_id = ?", old.tenant, old.id)
    return new, _plan_teams(changes, new, teams)


def _plan_teams(changes: Changes, who: Person, teams: Sequence[Team]) -> Changes:
    for team in teams:
        changes.write("INSERT INTO membership VALUES (?, ?, ?)", who.tenant, who.id, team.id)
    return changes


async def plan_remove_person(view: View, tenant: str, id_or_handle: str) -> tuple[Person, Changes]:
    """With all that is theirs in memory, for good. Raises NotFound; guard "person"."""
    gone = _the_person(await roster(view, tenant), id_or_handle)
    changes = Changes().guard("person", "DELETE FROM person WHERE tenant = ? AND id = ?", tenant, gone.id)
    return gone, changes.extend(_plan_forget(tenant, scopes.of_person(gone.id)))


# Teams


async def plan_add_team(view: View, host: Host, tenant: str, name: str) -> tuple[Team, Changes]:
    """Raises InvalidInput, Conflict, LimitExceeded."""
    known = await roster(view, tenant)
    name = checked_name("a team", name)
    check_free(known, name)
    if len(known.teams) >= limits.TEAMS_PER_TENANT_MAX:
        raise LimitExceeded("the list of teams", len(known.teams) + 1, limits.TEAMS_PER_TENANT_MAX, "teams")
    return insert_team(host, tenant, name)


def insert_team(host: Host, tenant: str, name: str) -> tuple[Team, Changes]:
    """Of what was checked."""
    made = Team(tenant=tenant, id=host.ids.new("team"), name=name, created_at_ms=host.clock.now_ms())
    key = name_key(name)
    changes = Changes().guard("name", _NO_PERSON, tenant, key)
    return made, changes.write(
        "INSERT INTO team VALUES (NULL, ?, ?, ?, ?, ?)", tenant, made.id, name, key, made.created_at_ms
    )


async def plan_remove_team(view: View, tenant: str, id_or_name: str) -> tuple[Team, Changes]:
    """With all that is the team's in memory, for good; its people stay. Raises NotFound; guard "team"."""
    gone = _the_team(await roster(view, tenant), id_or_name)
    changes = Changes().guard("team", "DELETE FROM team WHERE tenant = ? AND id = ?", tenant, gone.id)
    return gone, changes.extend(_plan_forget(tenant, scopes.of_team(gone.id)))


def is_here(tenant: str, speaker: Speaker) -> Changes:
    """The guard that this person, or the team that is spoken for, has not been removed (guard "speaker")."""
    if speaker.person is not None:
        return Changes().guard("speaker", "SELECT 1 FROM person WHERE tenant = ? AND id = ?", tenant, speaker.person)
    if speaker.teams:
        key = name_key(speaker.teams[0])
        return Changes().guard("speaker", "SELECT 1 FROM team WHERE tenant = ? AND key = ?", tenant, key)
    return Changes()


def _the_person(known: Roster, id_or_handle: str) -> Person:
    found = known.person(id_or_handle)
    if found is None:
        raise NotFound(f"no person has the id or handle '{id_or_handle[: limits.NAME_CHARS_MAX]}'")
    return found


def _the_team(known: Roster, id_or_name: str) -> Team:
    found = known.team(id_or_name)
    if found is None:
        raise NotFound(f"no team has the id or name '{id_or_name[: limits.NAME_CHARS_MAX]}'")
    return found


def _plan_forget(tenant: str, scope: str) -> Changes:
    """Leave no byte of the facts that a scope holds."""
    changes = archival.plan_forget_scope(tenant, scope).extend(embed.plan_forget_scope(tenant, scope))
    changes.scrub = True
    return changes
