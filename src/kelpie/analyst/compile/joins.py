"""Joins follow from the entities that expressions name: each is added once, on the way from the entity counted.

Since joins lead to at most one row (semantic/checks.py counts them), they can't multiply what is counted. From one
entity there is one shortest way to another (semantic/reading.py refuses two), so no entity is met by two ways.
"""

from sqlglot import exp

from kelpie.analyst.compile.expressions import expression
from kelpie.analyst.semantic.formulas import bases
from kelpie.analyst.semantic.model import Entity, Join, SemanticModel
from kelpie.errors import InvalidInput


def select_over(
    model: SemanticModel,
    base: str,
    columns: list[tuple[str, exp.Expr]],
    conditions: list[exp.Expr] | None = None,
    *,
    dialect: str = "duckdb",
    besides: list[exp.Expr] | None = None,
) -> exp.Select:
    """`columns` of the rows of the entity `base`, with the joins that their expressions and `conditions` need.

    besides  expressions that the caller goes on to use on it: their entities are joined too
    """
    select = exp.select(*(exp.alias_(tree, name, quoted=True) for name, tree in columns))
    needed = entities_named([*(tree for _, tree in columns), *(conditions or []), *(besides or [])])
    select = _from(model, select, base, needed, dialect)
    return select.where(*conditions, copy=False) if conditions else select


def entities_named(trees: list[exp.Expr]) -> set[str]:
    """The entities whose columns the expressions read. Tables of the compiler's own begin with an underscore."""
    return {column.table for tree in trees for column in tree.find_all(exp.Column) if not column.table.startswith("_")}


def bases_of(model: SemanticModel, trees: list[exp.Expr]) -> list[str]:
    """The entities that metrics count and from which all that `trees` name can be reached, each once.

    Raises InvalidInput if there is none.
    """
    counted = dict.fromkeys(base.entity for metric in model.metrics for base in bases(model, metric) if base.entity)
    problem: InvalidInput | None = None
    found = []
    needed = sorted(entities_named(trees))
    for entity in counted:
        try:
            for name in needed:
                way(model, entity, name)
        except InvalidInput as error:
            problem = problem or error
        else:
            found.append(entity)
    if not found:
        assert problem is not None, "a model has a metric that counts rows"
        raise problem
    return found


def way(model: SemanticModel, base: str, name: str) -> list[Join]:
    """The joins from `base` to `name`, in order: the fewest. Raises InvalidInput if there is no way."""
    ways: dict[str, list[Join]] = {base: []}
    waiting = [base]
    while waiting and name not in ways:
        at = waiting.pop(0)
        for join in model.joins:
            if join.source == at and join.target not in ways:
                ways[join.target] = [*ways[at], join]
                waiting.append(join.target)
    if name not in ways:
        raise InvalidInput(f"'{name}' can't be reached from '{base}': no join leads there")
    return ways[name]


def table_of(entity: Entity) -> exp.Expr:
    """The entity's table under the entity's name."""
    table = exp.Table(this=exp.to_identifier(entity.table, quoted=True))
    return exp.alias_(table, entity.name, table=True, quoted=True)


def _from(model: SemanticModel, select: exp.Select, base: str, needed: set[str], dialect: str) -> exp.Select:
    reached = {base}
    entity = model.entity(base)
    assert entity is not None, "checked when the model was read"
    select = select.from_(table_of(entity), copy=False)
    for name in sorted(needed):
        for join in way(model, base, name):
            if join.target in reached:
                continue
            target = model.entity(join.target)
            assert target is not None, "checked when the model was read"
            on = expression(join.on, join.line, dialect)
            select = select.join(table_of(target), on=on, join_type="left", copy=False)
            reached.add(join.target)
    return select
