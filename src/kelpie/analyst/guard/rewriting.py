"""A query with every restricted table replaced by a subquery of what may be seen of it, under the same alias.

The replacement is made where the table stands, so joins, conditions, subqueries and stars around it can only see what
it lets through. Two details carry weight. A filter's columns are bound to the table, so that a misspelt one fails
instead of meaning a column of the query around it. And the subquery has a limit that cuts nothing: no engine moves a
condition from outside below a limit, so none of the asker's expressions is ever evaluated on a withheld row, whose
value the engine's error message would show.
"""

from sqlglot import exp

from kelpie.analyst.access.access import Access
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.guard.conditions import over, read_condition
from kelpie.analyst.guard.dialects import Dialect
from kelpie.analyst.guard.naming import Columns, stars_over_masked
from kelpie.analyst.guard.reading import write
from kelpie.errors import InvalidInput, QueryRefused

_ALL_ROWS = 9_223_372_036_854_775_807  # the largest limit that all engines read


class Policy:
    """An access applied to one query.

    withheld  what was kept back, in words
    rule_ids  the rules that had a part in it, sorted
    """

    def __init__(self, tree: exp.Query, tables: list[tuple[exp.Table, str]], access: Access, dialect: Dialect) -> None:
        self.withheld: list[str] = []
        self.rule_ids: list[str] = []
        self._tree = tree
        self._dialect = dialect
        self._rules = _rules_by_table(tables, access, dialect)
        self._tables = [(table, name) for table, name in tables if name in self._rules]
        self._columns = {dialect.fold_name(name): columns for name, columns in access.columns.items()}
        self._written: dict[str, set[str]] = {}  # what stands in place of a table, as text

    def apply(self) -> None:
        """Change the tree. Raises QueryRefused: "not_allowed" for a denied table, "withheld" for a masked column."""
        for name, rules in sorted(self._rules.items()):
            denied = [rule for rule in rules if rule.deny]
            if denied:
                raise QueryRefused(
                    "not_allowed",
                    f"you may not see the table '{name}' (access rule '{denied[0].name}')",
                    [rule.id for rule in denied],
                )
        shown = self._stars_over_masked()
        for table, name in self._tables:
            select = self._seen_of(table, name)
            self._written.setdefault(name, set()).add(write(select, self._dialect))
            table.replace(_in_place_of(table, select))
        self._say(shown)

    def check_holds(self, found: list[tuple[exp.Table, str]]) -> None:
        """Raises QueryRefused unless every restricted table in the query that was read back stands in its subquery."""
        for table, name in found:
            select = table.find_ancestor(exp.Select)
            if name in self._rules and (
                select is None or write(select, self._dialect) not in self._written.get(name, set())
            ):
                raise QueryRefused("not_stable", f"the access rules of '{name}' get lost when the query is written out")

    def _stars_over_masked(self) -> set[str]:
        """Names of the tables of which a star shows masked columns."""
        columns = {id(table): self._columns_of(name) for table, name in self._tables}
        if not any(one.masked for one in columns.values()):
            return set()
        names = {id(table): name for table, name in self._tables}
        try:
            stars = stars_over_masked(self._tree, lambda table: columns.get(id(table), Columns()), self._dialect)
        except QueryRefused as error:
            masking = {rule.id for rules in self._rules.values() for rule in rules if rule.mask}
            raise QueryRefused(error.rule, error.reason, sorted(masking)) from error
        return {names[id(table)] for table in stars}

    def _columns_of(self, name: str) -> Columns:
        masked = self._masked(name)
        if not masked:
            return Columns()
        fold = self._dialect.fold_column_name
        everything = frozenset(map(fold, self._all_columns(name)))
        gone = sorted(column for column in masked if fold(column) not in everything)
        if gone:
            # Perhaps it has another name now: nobody may see it by accident.
            raise QueryRefused(
                "not_allowed",
                f"an access rule withholds the column '{gone[0]}', which '{name}' no longer has: until the rule"
                " is mended the table can't be asked",
                [rule.id for rule in self._rules[name] if rule.mask],
            )
        return Columns(everything, frozenset((fold(column), name) for column in masked))

    def _all_columns(self, name: str) -> list[str]:
        columns = self._columns.get(self._dialect.fold_name(name))
        assert columns is not None, f"the columns of '{name}' are needed: Access.over"
        return columns

    def _masked(self, name: str) -> list[str]:
        return sorted({column for rule in self._rules[name] for column in rule.mask})

    def _seen_of(self, table: exp.Table, name: str) -> exp.Select:
        """SELECT what is not masked FROM the table WHERE every row filter holds."""
        identifier: exp.Identifier = table.this
        source = exp.Table(this=identifier.copy(), db=table.args.get("db"))
        select = exp.Select(expressions=self._projections(identifier, name)).from_(source, copy=False)
        filters = [rule.rows for rule in self._rules[name] if rule.rows]
        for text in filters:
            try:
                select = select.where(over(identifier, read_condition(text, self._dialect)), copy=False)
            except InvalidInput as error:
                raise QueryRefused("not_allowed", f"the access rules of '{name}' can't be applied: {error}") from error
        return select.limit(_ALL_ROWS, copy=False) if filters else select

    def _projections(self, identifier: exp.Identifier, name: str) -> list[exp.Expr]:
        fold = self._dialect.fold_column_name
        masked = set(map(fold, self._masked(name)))
        if not masked:
            return [exp.Star()]
        projections: list[exp.Expr] = []
        for column in self._all_columns(name):
            quoted = exp.to_identifier(column, quoted=True)
            value: exp.Expr = exp.Column(this=quoted, table=identifier.copy())
            if fold(column) in masked:
                # Never read, and yet of the column's type, which a bare NULL would not be everywhere.
                value = exp.Case(ifs=[exp.If(this=exp.false(), true=value)])
                value = exp.Alias(this=value, alias=quoted.copy())
            projections.append(value)
        return projections

    def _say(self, shown: set[str]) -> None:
        taking_part: set[str] = set()
        for name, rules in sorted(self._rules.items()):
            for rule in rules:
                if rule.rows:
                    self.withheld.append(rule.words())
                if rule.rows or name in shown:
                    taking_part.add(rule.id)
            if name in shown:
                masked = self._masked(name)
                count = f"{len(masked)} column{'s' if len(masked) > 1 else ''}"
                self.withheld.append(f"{count} of {name} withheld: {', '.join(masked)}")
        self.rule_ids = sorted(taking_part)


def _rules_by_table(
    tables: list[tuple[exp.Table, str]], access: Access, dialect: Dialect
) -> dict[str, list[AccessRule]]:
    """The rules about the tables a query reads, by the table's name as the semantic model spells it."""
    names = {dialect.fold_name(name): name for _, name in tables}
    found: dict[str, list[AccessRule]] = {}
    for rule in access.rules:
        name = names.get(dialect.fold_name(rule.table))
        if name is not None:
            found.setdefault(name, []).append(rule)
    return found


def _in_place_of(table: exp.Table, select: exp.Select) -> exp.Subquery:
    alias = table.args.get("alias") or exp.TableAlias(this=table.this.copy())
    return exp.Subquery(this=select, alias=alias, joins=table.args.get("joins"))
