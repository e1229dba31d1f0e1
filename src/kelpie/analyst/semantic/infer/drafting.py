"""infer: profile, relate, propose; then try the draft on the data and leave out what does not hold."""

import re

from kelpie.analyst import limits
from kelpie.analyst.semantic.checks import find_problems
from kelpie.analyst.semantic.infer import naming, parts
from kelpie.analyst.semantic.infer.draft import Draft, Piece
from kelpie.analyst.semantic.infer.profiling import Profile, Profiler
from kelpie.analyst.semantic.infer.relations import Link, Relations, Thing, relate
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.sources.source import Source
from kelpie.errors import InvalidInput, InvalidModel

_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)
_NOTES = [
    "A draft, made from the tables, their keys and what they hold. Read it before you trust it:",
    "rename what people would not say, add synonyms and units, remove what nobody asks for.",
    "A company's own year is not in the data; where there is one: fiscal: {year_begins: 2, named_by: end}",
]


async def infer(source: Source, name: str = "draft") -> str:
    """A semantic model of `source` as YAML, with comments where a person should look. It reads, and works on the data.

    Raises InvalidInput if there is nothing to make one of, QueryFailed if the source can't be asked.
    """
    # A model can't name a table with a line break in its name.
    tables = [table for table in await source.schema() if table.columns and table.name.isprintable()]
    if not tables:
        raise InvalidInput("the source has no table that could be read: there is nothing to draft a model from")
    notes = list(_NOTES)
    if len(tables) > limits.INFER_TABLES_MAX:
        left = ", ".join(table.name for table in tables[limits.INFER_TABLES_MAX :])
        notes.append(f"More tables than a draft holds; left out: {left}")
        tables = tables[: limits.INFER_TABLES_MAX]
    profiler = Profiler(source, tables)
    profiles = [await profiler.profile(table) for table in tables]
    profiles = [profile for profile in profiles if profile.rows and profile.columns]
    if not profiles:
        raise InvalidInput("all tables of the source are empty: there is nothing to draft a model from")
    relations = await relate(profiler, profiles)
    model_name = naming.name_of(name)
    draft = Draft(model_name, naming.label_of(name), notes, _pieces(relations, source.dialect))
    return await _tried(draft, source)


def _pieces(relations: Relations, dialect: str) -> list[Piece]:
    shared = parts.Shared(relations, dialect, parts.Names(), parts.Names())
    entities = [_entity(thing) for thing in relations.things]
    joins = [_join(link, relations, dialect) for link in relations.links]
    found: list[Piece] = []
    metrics: list[Piece] = []
    axes = {thing.name: parts.times(thing, shared) for thing in relations.things if not thing.is_role}
    for thing in relations.things:
        if not thing.is_role:
            metrics += parts.metrics(thing, [piece.name for piece in axes[thing.name]], shared)
    for thing in relations.things:
        found += parts.dimensions(thing, shared)
    _name_currencies(metrics, found)
    return [*entities, *joins, *found, *(piece for pieces in axes.values() for piece in pieces), *metrics]


def _name_currencies(metrics: list[Piece], dimensions: list[Piece]) -> None:
    """`separate_by` holds an expression until the dimension over it has its name."""
    names = {piece.fields["expr"]: piece.name for piece in dimensions}
    for metric in metrics:
        for expr in metric.fields.get("separate_by", []):
            if expr in names:
                metric.fields["separate_by"] = [names[expr]]
            else:
                metric.left_out = "it is in several currencies, and no dimension says which"


def _entity(thing: Thing) -> Piece:
    label = thing.name.replace("_", " ")
    fields = {"name": thing.name, "table": thing.profile.table.name, "key": thing.key, "label": label}
    notes = _table_notes(thing.profile) if not thing.is_role else []
    return Piece(
        "entities", thing.name, fields | {"plural": naming.plural(label)}, [*notes, *filter(None, [thing.doubt])]
    )


def _table_notes(profile: Profile) -> list[str]:
    said = [f'the database says: "{profile.table.comment}"'] if profile.table.comment else []
    return said + ([f"columns that were not looked at: {', '.join(profile.unread)}"] if profile.unread else [])


def _join(link: Link, relations: Relations, dialect: str) -> Piece:
    by_name = {thing.name: thing for thing in relations.things}
    source, target = by_name[link.source], by_name[link.target]
    pairs = zip(link.columns, link.target_columns, strict=True)
    on = " AND ".join(
        f"{parts.column_sql(source, column, dialect)} = {parts.column_sql(target, other, dialect)}"
        for column, other in pairs
    )
    fields = {"from": link.source, "to": link.target, "on": on}
    return Piece("joins", f"{link.source} to {link.target}", fields, [link.doubt] if link.doubt else [])


async def _tried(draft: Draft, source: Source) -> str:
    """The text, once everything in it works: what does not is left out and says why."""
    for _ in range(limits.INFER_TRIES_MAX):
        text = draft.text()
        try:
            problems = await find_problems(read_model(text), source)
        except InvalidModel as error:
            problems = [str(error)]
        if not problems:
            return text
        for problem in problems:
            found = _LINE.match(problem)
            piece = draft.piece_at(int(found[1])) if found else None
            if found is None or piece is None:
                raise InvalidInput(f"no model can be drafted that works on these data: {problem}")
            draft.leave_out(piece, found[2])
    raise InvalidInput(f"no model can be drafted that works on these data: {problems[0]}")
