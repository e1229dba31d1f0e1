"""Whether a query names a column that is masked, directly or through the stars of its subqueries.

Nothing leaks where this errs: in what runs a masked column is NULL. But a number made of NULLs would be silently
wrong, so a query that counts, filters, sorts or joins by a withheld column is refused and told so; only a star, whose
columns nobody chose, shows it as empty. Where names can't be followed, the query is refused too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from kelpie.analyst.guard.dialects import Dialect
from kelpie.errors import QueryRefused

Masked = frozenset[tuple[str, str]]  # (column, base table it is withheld of), by folded names
_NOTHING: Masked = frozenset()


@dataclass(frozen=True)
class Columns:
    """Of a base table, by folded names: all its columns, and those that are masked."""

    all: frozenset[str] = frozenset()
    masked: Masked = _NOTHING


ColumnsOf = Callable[[exp.Table], Columns]  # empty for what is no base table, or has nothing masked


def stars_over_masked(tree: exp.Query, columns_of: ColumnsOf, dialect: Dialect) -> list[exp.Table]:
    """The base tables of which a star shows withheld columns as empty.

    Raises QueryRefused("withheld", ...) for a query that names one.
    """
    return _Names(tree, columns_of, dialect).checked()


class _Names:
    def __init__(self, tree: exp.Query, columns_of: ColumnsOf, dialect: Dialect) -> None:
        self._tree = tree
        self._columns_of = columns_of
        self._dialect = dialect
        self._ctes: dict[str, list[exp.CTE]] = {}
        for cte in tree.find_all(exp.CTE):
            self._ctes.setdefault(dialect.fold(cte.args["alias"].this), []).append(cte)
        self._carried: dict[int, Masked] = {}  # of queries, by identity; also keeps recursion from going round
        self._all = _NOTHING.union(*(columns_of(table).masked for table in tree.find_all(exp.Table)))

    def checked(self) -> list[exp.Table]:
        shown: dict[int, exp.Table] = {}
        for node in self._tree.walk():
            if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
                self._check_column(node)
            elif isinstance(node, exp.Star):
                shown |= {id(table): table for table in self._check_star(node)}
            elif isinstance(node, exp.Join):
                self._check_join(node)
            elif isinstance(node, exp.SetOperation):
                self._check_branches(node)
            elif isinstance(node, exp.TableAlias) and node.args.get("columns"):
                self._check_renaming(node)
            elif isinstance(node, exp.Anonymous) and str(node.this).lower() == "columns":
                self._check_whole(node, "COLUMNS()")
        return list(shown.values())

    def _check_column(self, column: exp.Column) -> None:
        if _is_never_read(column):
            return
        name = self._fold_column(column.this)
        qualifier = column.args.get("table")
        for scope in _scopes(column):
            for alias, relation in self._relations(scope):
                carried = self._carries(relation)
                if qualifier is not None and alias != self._dialect.fold(qualifier):
                    continue
                if _names(name, carried):
                    raise _withheld(column.name)
                if carried and self._is_whole_row(column, alias, relation):
                    raise QueryRefused(
                        "withheld",
                        f"'{column.name}' is a whole row with withheld columns in it: name the columns you need",
                    )
                if qualifier is not None:
                    return
        if qualifier is not None and _names(name, self._all):
            raise _withheld(column.name)  # of a row in a column, or of nothing at all

    def _is_whole_row(self, column: exp.Column, alias: str, relation: exp.Expr) -> bool:
        """PostgreSQL and DuckDB read a relation's name as its row, and PostgreSQL reads `c.to_json` as `to_json(c)`,
        unless the relation has a column of that name."""
        name = self._fold_column(column.this)
        if isinstance(relation, exp.Table) and name in self._columns_of(relation).all:
            return False
        return name in self._dialect.functions if column.table else alias == self._dialect.fold(column.this)

    def _check_star(self, star: exp.Star) -> Iterator[exp.Table]:
        """The base tables it shows withheld columns of."""
        place = star.parent if isinstance(star.parent, exp.Column) else star
        qualifier = star.parent.args.get("table") if isinstance(star.parent, exp.Column) else None
        counted = isinstance(place.parent, exp.Anonymous) and str(place.parent.this).lower() == "count"
        if counted and qualifier is None:
            return
        if not (isinstance(place.parent, exp.Select) and place.arg_key == "expressions"):
            self._check_whole(star, "* inside an expression")
            return
        left_out = self._left_out(star)
        for alias, relation in self._relations(place.parent):
            if qualifier is None or alias == self._dialect.fold(qualifier):
                masked = self._columns_of(relation).masked if isinstance(relation, exp.Table) else _NOTHING
                if isinstance(relation, exp.Table) and _without(masked, left_out):
                    yield relation

    def _check_join(self, join: exp.Join) -> None:
        select = join.find_ancestor(exp.Select)
        carried = _NOTHING.union(*(self._carries(one) for _, one in self._relations(select))) if select else self._all
        for identifier in join.args.get("using") or []:
            if _names(self._fold_column(identifier), carried):
                raise _withheld(identifier.name)
        if join.args.get("method") == "NATURAL" and carried:
            raise QueryRefused("withheld", "a NATURAL JOIN may compare withheld columns: say which by USING or ON")

    def _check_branches(self, union: exp.SetOperation) -> None:
        if self._carried_by(union.this) != self._carried_by(union.expression):
            raise QueryRefused(
                "withheld", "the parts of a set operation have different withheld columns: name columns instead of *"
            )

    def _check_renaming(self, alias: exp.TableAlias) -> None:
        owner = alias.parent
        carried = self._carried_by(owner.this) if isinstance(owner, exp.CTE) else self._carries(owner)
        if carried:
            raise QueryRefused("withheld", "new names for all columns would hide which are withheld: name them by AS")

    def _check_whole(self, node: exp.Expr, what: str) -> None:
        scope = node.find_ancestor(exp.Select)
        if any(self._carries(relation) for _, relation in self._relations(scope)) if scope else self._all:
            raise QueryRefused("withheld", f"{what} would read withheld columns: name the columns you need")

    def _relations(self, scope: exp.Query) -> Iterator[tuple[str, exp.Expr]]:
        """(folded alias, table or subquery) of what a query reads itself; the parts of a set operation are one."""
        if isinstance(scope, exp.SetOperation):
            yield "", scope
            return
        from_ = scope.args.get("from_")
        roots = [from_.this] if from_ is not None else []
        roots += [join.this for join in scope.args.get("joins") or []]
        while roots:
            relation = roots.pop(0)
            roots += [join.this for join in relation.args.get("joins") or []]
            if isinstance(relation, exp.Subquery) and not isinstance(relation.this, exp.Query):
                roots.append(relation.this)  # parentheses around a join
            yield self._alias(relation), relation

    def _alias(self, relation: exp.Expr) -> str:
        alias = relation.args.get("alias")
        name = alias.this if isinstance(alias, exp.TableAlias) else relation.this
        return self._dialect.fold(name) if isinstance(name, exp.Identifier) else ""

    def _carries(self, relation: exp.Expr | None) -> Masked:
        """The withheld columns that a relation has."""
        if isinstance(relation, exp.Table):
            own = self._columns_of(relation).masked
            name = self._dialect.fold(relation.this) if isinstance(relation.this, exp.Identifier) else ""
            return own.union(*(self._carried_by(cte.this) for cte in self._ctes.get(name, [])))
        if isinstance(relation, exp.Subquery) and isinstance(relation.this, exp.Table):
            return self._carries(relation.this).union(
                *(self._carries(join.this) for join in relation.this.args.get("joins") or [])
            )
        return self._carried_by(relation)

    def _carried_by(self, query: exp.Expr | None) -> Masked:
        """The withheld columns among those a query gives: only stars let them through."""
        if isinstance(query, exp.Subquery):
            return self._carries(query) if isinstance(query.this, exp.Table) else self._carried_by(query.this)
        if isinstance(query, exp.SetOperation):
            return self._carried_by(query.this) | self._carried_by(query.expression)
        if not isinstance(query, exp.Select):
            return _NOTHING
        if id(query) not in self._carried:
            self._carried[id(query)] = _NOTHING
            self._carried[id(query)] = _NOTHING.union(*(self._through(one, query) for one in query.expressions))
        return self._carried[id(query)]

    def _through(self, projection: exp.Expr, select: exp.Select) -> Masked:
        star = projection.this if isinstance(projection, exp.Column) else projection
        if not isinstance(star, exp.Star):
            return _NOTHING
        qualifier = projection.args.get("table")
        carried = _NOTHING.union(
            *(
                self._carries(relation)
                for alias, relation in self._relations(select)
                if qualifier is None or alias == self._dialect.fold(qualifier)
            )
        )
        return _without(carried, self._left_out(star))

    def _left_out(self, star: exp.Star) -> frozenset[str]:
        return frozenset(self._fold_column(one.this) for one in star.args.get("except_") or [])

    def _fold_column(self, identifier: exp.Expr) -> str:
        return self._dialect.fold_column(identifier) if isinstance(identifier, exp.Identifier) else ""


def _names(column: str, masked: Masked) -> bool:
    return any(one == column for one, _ in masked)


def _without(masked: Masked, columns: frozenset[str]) -> Masked:
    return frozenset(pair for pair in masked if pair[0] not in columns)


def _scopes(node: exp.Expr) -> Iterator[exp.Query]:
    """The queries whose columns a name may mean, from the inside out."""
    below, above = node, node.parent
    while above is not None:
        inside = below.arg_key in ("this", "expression")  # of a set operation: one of its parts, not its ORDER BY
        if isinstance(above, exp.Select) or (isinstance(above, exp.SetOperation) and not inside):
            yield above
        below, above = above, above.parent


def _is_never_read(column: exp.Column) -> bool:
    """`* EXCLUDE (a)` leaves it out by name; `CASE WHEN FALSE THEN a END` is what stands in place of a masked column in
    SQL that ran before and is sent again."""
    above = column.parent
    if isinstance(above, exp.If) and column.arg_key == "true":
        return isinstance(above.this, exp.Boolean) and not above.this.this
    return isinstance(above, exp.Star) and column.arg_key == "except_"


def _withheld(column: str) -> QueryRefused:
    return QueryRefused("withheld", f"the column '{column}' is withheld from you; ask without it")
