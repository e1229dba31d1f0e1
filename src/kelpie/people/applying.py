"""A file of people and teams, applied as one change.

    teams: [Finance, Sales]
    people:
      - handle: anna
        name: Anna Berg
        teams: [Finance]

Whoever is named becomes as the file says; whoever isn't stays as they are. A mistake is refused with its line, and
nothing of the file is applied.
"""

import msgspec

from kelpie import yaml_lines
from kelpie.errors import CallerError, InvalidInput
from kelpie.people import limits, records
from kelpie.people.records import Person, Roster, Team
from umi.archival.keys import name_key
from umi.dst import Host
from umi.storage import Changes, View


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: int = 0


class PersonEntry(_Part, frozen=True, kw_only=True):
    """`name` is the handle if there is none, `teams` are none."""

    handle: str
    name: str | None = None
    teams: list[str] = []


class PeopleFile(_Part, frozen=True, kw_only=True):
    teams: list[str] = []
    people: list[PersonEntry] = []


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of those that a file names: handles and team names."""

    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []


async def plan_apply(view: View, host: Host, tenant: str, text: str) -> tuple[Applied, Changes]:
    """Raises InvalidInput ("line 4: …"), LimitExceeded, MissingExtra."""
    file = yaml_lines.read(text, PeopleFile, what="the file of people", bytes_max=limits.PEOPLE_YAML_BYTES_MAX)
    known = await records.roster(view, tenant)
    applied, changes = Applied(), Changes()
    teams = _apply_teams(host, tenant, known, file, applied, changes)
    seen: dict[str, int] = {}
    for entry in file.people:
        try:
            handle = records.checked_handle(entry.handle)
            if handle in seen:
                raise InvalidInput(f"the handle '{handle}' is on line {seen[handle]} too")
            seen[handle] = entry.line
            _apply_person(host, tenant, Roster(known.people, teams), handle, entry, applied, changes)
        except CallerError as error:
            raise InvalidInput(f"line {entry.line}: {error}") from None
    for what, count, most in (
        ("people", len({one.handle for one in known.people} | set(seen)), limits.PEOPLE_PER_TENANT_MAX),
        ("teams", len(teams), limits.TEAMS_PER_TENANT_MAX),
    ):
        if count > most:
            raise InvalidInput(f"with this file there would be {count:,} {what}; at most {most:,} are allowed")
    return applied, changes


def _apply_teams(
    host: Host, tenant: str, known: Roster, file: PeopleFile, applied: Applied, changes: Changes
) -> list[Team]:
    """Add the teams that are new. Returns all that there are then."""
    teams = list(known.teams)
    by_key = {name_key(team.name): team for team in teams}
    for place, written in enumerate(file.teams, 1):
        try:
            name = records.checked_name("a team", written)
            if name_key(name) in by_key:
                applied.unchanged.append(by_key[name_key(name)].name)
                continue
            records.check_free(known, name)
        except CallerError as error:
            raise InvalidInput(f"team {place}: {error}") from None
        made, added = records.insert_team(host, tenant, name)
        by_key[name_key(name)] = made
        teams.append(made)
        applied.added.append(made.name)
        changes.extend(added)
    return teams


def _apply_person(
    host: Host, tenant: str, known: Roster, handle: str, entry: PersonEntry, applied: Applied, changes: Changes
) -> None:
    old: Person | None = known.person(handle)
    if known.team(handle) is not None:
        raise InvalidInput(f"'{handle}' is the name of a team; choose another handle")
    name = records.checked_name(f"the person '{handle}'", entry.name if entry.name is not None else handle)
    teams = records.checked_teams(known.teams, entry.teams)
    if old is None:
        _, added = records.insert_person(host, tenant, handle, name, teams)
        applied.added.append(handle)
        changes.extend(added)
    elif (old.name, old.teams) == (name, sorted(team.name for team in teams)):
        applied.unchanged.append(handle)
    else:
        _, changed = records.update_person(old, name, teams)
        applied.changed.append(handle)
        changes.extend(changed)
