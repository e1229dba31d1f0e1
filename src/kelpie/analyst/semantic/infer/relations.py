"""Entities and the joins between them."""

from collections.abc import Iterable

import msgspec

from kelpie.analyst.semantic.infer import naming
from kelpie.analyst.semantic.infer.profiling import Column, Profile, Profiler

_CONTAINED_MIN = 0.75  # the share of rows that must find their row where no foreign key is declared


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Each row of the entity `source` belongs to at most one of `target`. `doubt`: what a person should look at."""

    source: str
    target: str
    columns: list[str]
    target_columns: list[str]
    doubt: str = ""


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """An entity to be: a table under a name. `is_role`: a second one over its table ("manager" over employees)."""

    name: str
    profile: Profile
    key: str
    doubt: str = ""
    is_role: bool = False


class Relations(msgspec.Struct, frozen=True, kw_only=True):
    things: list[Thing]
    links: list[Link]

    def linked(self, thing: Thing) -> set[str]:
        """Columns that name rows of other tables."""
        return {name for link in self.links if link.source == thing.name for name in link.columns}

    def keys_of(self, thing: Thing) -> set[str]:
        """Columns that tell rows apart or name other rows: no quantities."""
        declared = {name for key in thing.profile.table.keys[:1] for name in key}
        return {thing.key, *self.linked(thing), *declared}


async def relate(profiler: Profiler, profiles: list[Profile]) -> Relations:
    """Foreign keys as they are declared; for tables without, columns whose names and values point to another's key."""
    names = _unique(naming.singular_name(profile.table.name) for profile in profiles)
    things = [_thing(name, profile) for name, profile in zip(names, profiles, strict=True)]
    found: list[Link] = []
    for thing in things:
        found += _declared(thing, things)
        found += await _guessed(profiler, thing, things, found)
    return _with_roles(things, found)


def _thing(name: str, profile: Profile) -> Thing:
    declared = next((key[0] for key in profile.table.keys if len(key) == 1), None)
    if declared is not None:
        return Thing(name=name, profile=profile, key=declared)
    unique = sorted((column for column in profile.columns if column.is_unique), key=lambda one: not _is_key_like(one))
    if unique:
        return Thing(name=name, profile=profile, key=unique[0].name)
    doubt = "no one column tells its rows apart"
    return Thing(name=name, profile=profile, key=profile.columns[0].name, doubt=doubt)


def _is_key_like(column: Column) -> bool:
    return naming.is_code(column.name)


def _declared(thing: Thing, things: list[Thing]) -> list[Link]:
    found = []
    for key in thing.profile.table.foreign_keys:
        target = next((one for one in things if one.profile.table.name == key.target), None)
        columns = [*key.columns]
        if target is not None and len(columns) == len(key.target_columns):
            found.append(
                Link(source=thing.name, target=target.name, columns=columns, target_columns=list(key.target_columns))
            )
    return found


async def _guessed(profiler: Profiler, thing: Thing, things: list[Thing], found: list[Link]) -> list[Link]:
    taken = {name for link in found if link.source == thing.name for name in link.columns}
    guesses = []
    for column in thing.profile.columns:
        if column.name in taken or not column.known:
            continue
        for target in things:
            key = target.profile.column(target.key)
            if target is thing or key is None or not key.is_unique or not _points_to(column, key, target, thing):
                continue
            rows, unmatched = await profiler.unmatched(
                thing.profile.table.name, [column.name], target.profile.table.name, [key.name]
            )
            if rows and unmatched <= rows * (1 - _CONTAINED_MIN):
                doubt = "no foreign key is declared: guessed from the names and the values"
                if unmatched:
                    doubt += f"; {unmatched:,} of {rows:,} rows find none"
                guesses.append(
                    Link(
                        source=thing.name,
                        target=target.name,
                        columns=[column.name],
                        target_columns=[key.name],
                        doubt=doubt,
                    )
                )
                break
    return guesses


def _points_to(column: Column, key: Column, target: Thing, thing: Thing) -> bool:
    """Whether the column's name says that it holds the target's key, and its type that it can."""
    if column.kind != key.kind or column.kind not in ("number", "text"):
        return False
    name, its = naming.name_of(column.name), naming.name_of(key.name)
    if name in (f"{target.name}_{its}", f"{target.name}{its}", target.name):
        return True
    # The same name on both sides: but "id" is everybody's, and of two keys only one table's rows belong to the other's.
    return name == its and len(naming.words(key.name)) + len(key.name) > 4 and column.name != thing.key


def _with_roles(things: list[Thing], links: list[Link]) -> Relations:
    """A second way to a table gets an entity of its own: flights have an origin and a destination."""
    names = [thing.name for thing in things]
    by_name = {thing.name: thing for thing in things}
    roles: list[Thing] = []
    kept: list[Link] = []
    for link in links:
        target = by_name[link.target]
        rivals = [one for one in links if (one.source, one.target) == (link.source, link.target)]
        if link.source == link.target or len(rivals) > 1:
            role = naming.role_of(link.columns[0])
            wanted = role if role.endswith(target.name) else naming.name_of(f"{role} {target.name}")
            name = _unique([*names, *(one.name for one in roles), wanted])[-1]
            roles.append(Thing(name=name, profile=target.profile, key=target.key, doubt=target.doubt, is_role=True))
            kept.append(msgspec.structs.replace(link, target=name))
        else:
            kept.append(link)
    return Relations(things=[*things, *roles], links=kept)


def _unique(names: Iterable[str]) -> list[str]:
    """The names in order, with a number behind each that was there before."""
    found: list[str] = []
    for name in names:
        number, free = 2, name
        while free in found:
            number, free = number + 1, f"{name}_{number}"
        found.append(free)
    return found
