"""A semantic model's own questions to its source: what the data cover, which values there are, whether it works."""

from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.compile.expressions import expression
from kelpie.analyst.compile.joins import bases_of, select_over
from kelpie.analyst.guard import guard
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.analyst.sources.source import Source
from kelpie.analyst.table import Table


class Probe:
    """Asks as the person does whose `access` it is: through the guard, like every other query."""

    def __init__(self, model: SemanticModel, source: Source, access: Access = OPEN) -> None:
        self.model, self.source, self._access = model, source, access

    @property
    def dialect(self) -> str:
        return self.source.dialect

    async def ask(self, sql: str) -> Table:
        """Raises QueryRefused, QueryFailed."""
        guarded = guard(sql, self.model.tables, dialect=self.dialect, access=self._access)
        return await self.source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)

    async def select(self, query: exp.Query) -> Table:
        """As `ask`."""
        return await self.ask(query.sql(dialect=self.dialect))

    def expression(self, text: str, line: int) -> exp.Expr:
        """Raises InvalidModel."""
        return expression(text, line, self.dialect)

    def over(
        self, base: str, columns: list[tuple[str, exp.Expr]], conditions: list[exp.Expr] | None = None
    ) -> exp.Select:
        """The query for `columns` of the rows of the entity `base`. Raises InvalidInput."""
        return select_over(self.model, base, columns, conditions, dialect=self.dialect)

    def bases(self, trees: list[exp.Expr]) -> list[str]:
        """The entities over whose rows `trees` can be asked. Raises InvalidInput."""
        return bases_of(self.model, trees)
