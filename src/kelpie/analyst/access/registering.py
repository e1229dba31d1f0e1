"""Access rules checked against the tables they are about, and stored.

A misspelt column or table would keep nothing back without anybody noticing, so each rule is tried on the source first.
"""

import msgspec
from sqlglot import exp

from kelpie.analyst.access import records
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.guard.conditions import over, read_condition
from kelpie.analyst.guard.dialects import dialect_of
from kelpie.analyst.guard.reading import write
from kelpie.analyst.semantic import records as models
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.sources.source import Source
from kelpie.errors import InvalidInput, NotFound, QueryFailed
from kelpie.people import records as people
from umi.storage import Changes, View


async def plan_rules(
    analyst: Analyst, view: View, tenant: str, rules: list[AccessRule]
) -> tuple[list[AccessRule], Changes]:
    """The rules as they are stored, with the names their semantic models, tables and columns have there.

    Raises NotFound (no such semantic model), InvalidInput (a table, column, condition, person or team that is not
    there), Conflict, LimitExceeded, QueryFailed.
    """
    stored: list[AccessRule] = []
    changes = Changes().extend(view.changes or Changes())
    made = Changes()
    for rule in rules:
        loaded = await _loaded(analyst, View(view.database, changes), tenant, rule.semantic_model)
        checked = await _checked(rule, loaded, await analyst.open_source(loaded.connection))
        await _check_named(view, checked)
        created = await records.plan_create(View(view.database, changes), checked)
        changes.extend(created)
        made.extend(created)
        stored.append(checked)
    return stored, made


async def _loaded(analyst: Analyst, view: View, tenant: str, name_or_id: str) -> LoadedModel:
    found = await models.by_name(view, tenant, name_or_id)
    if found is None:
        try:
            found = await models.get(view, tenant, name_or_id)
        except NotFound:
            raise NotFound(f"no semantic model has the name or id '{name_or_id}'") from None
    return await analyst.load(view, tenant, found.id)


async def _checked(rule: AccessRule, loaded: LoadedModel, source: Source) -> AccessRule:
    dialect = dialect_of(source.dialect)
    tables = {dialect.fold_name(name): name for name in loaded.model.tables}
    table = tables.get(dialect.fold_name(rule.table))
    if table is None:
        known = ", ".join(sorted(tables.values()))
        raise InvalidInput(
            f"access rule '{rule.name}': '{loaded.record.name}' has no table '{rule.table}'; its tables are: {known}"
        )
    columns = (await source.sample(table, 1)).columns
    spelled = {dialect.fold_column_name(column): column for column in columns}
    for column in rule.mask:
        if dialect.fold_column_name(column) not in spelled:
            raise InvalidInput(
                f"access rule '{rule.name}': the table '{table}' has no column '{column}'; its columns are:"
                f" {', '.join(columns)}"
            )
    if rule.rows:
        await _try_condition(rule, table, source)
    mask = list(dict.fromkeys(spelled[dialect.fold_column_name(column)] for column in rule.mask))
    return msgspec.structs.replace(rule, semantic_model=loaded.record.name, table=table, mask=mask)


async def _try_condition(rule: AccessRule, table: str, source: Source) -> None:
    """Runs it once, on at most one row."""
    dialect = dialect_of(source.dialect)
    try:
        condition = read_condition(rule.rows or "", dialect)
        identifier = exp.to_identifier(table, quoted=True)
        select = exp.select("1").from_(exp.Table(this=identifier)).where(over(identifier, condition)).limit(1)
        await source.query(write(select, dialect), rows_max=1)
    except (InvalidInput, QueryFailed) as error:
        raise InvalidInput(f"access rule '{rule.name}': {error}") from error


async def _check_named(view: View, rule: AccessRule) -> None:
    if not rule.named:
        return
    known = await people.named(view, rule.tenant, rule.named)
    for whom in (rule.who, *rule.unless):
        kind, _, name = whom.partition(" ")
        there = known.team(name) if kind == "team" else known.person(name) if kind == "person" else True
        if not there:
            raise InvalidInput(f"access rule '{rule.name}': there is no {kind} '{name}'")
