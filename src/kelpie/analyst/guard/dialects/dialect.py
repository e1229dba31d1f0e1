"""Dialect: what a check of the guard asks about an engine's SQL.

sqlglot would turn the functions it knows into classes of its own and write them as it thinks the engine says them.
That translation is where numbers change unseen: `strftime` and `to_char` formats, the order of arguments, functions
that an engine of the family lacks. So each dialect here is sqlglot's without its table of functions: a call stays the
name and the arguments that were written, and the list of what may be called is in the engine's own words, which a
test holds against the engine's catalogue.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.parser import Parser

_ASCII_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})

# What reading a call needs a parser of its own for: arguments that are no expressions (`x AS type`, `year FROM x`).
CALLS_WITH_SYNTAX = ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM", "TRY_CAST")

# Classes of sqlglot that operators and keywords, not calls, are read as: `CASE`, `AND`, `a -> b`, `[1, 2]`.
SYNTAX = frozenset(
    "And Array Case Cast Collate Exists Extract If JSONExtract JSONExtractScalar Or Overlay StrPosition Substring Trim"
    " TryCast Xor".split()
)

Write = Callable[[Any, Any], str]  # (sqlglot's generator, a node) -> SQL

_STEPS_MIN, _STEPS_PER_TOKEN = 1_000, 20  # of a parser; a query that makes sense takes one or two a word

_INTERVAL_UNITS = frozenset(
    """
    CENTURIES CENTURY DAY DAYS DECADE DECADES HOUR HOURS MICROSECOND MICROSECONDS MILLENNIA MILLENNIUM MILLISECOND
    MILLISECONDS MINUTE MINUTES MONTH MONTHS QUARTER QUARTERS SECOND SECONDS WEEK WEEKS YEAR YEARS DAY_HOUR
    DAY_MICROSECOND DAY_MINUTE DAY_SECOND HOUR_MICROSECOND HOUR_MINUTE HOUR_SECOND MINUTE_MICROSECOND MINUTE_SECOND
    SECOND_MICROSECOND YEAR_MONTH
    """.split()
)

# Types a value may be cast to. What names things of the catalogue (regclass, oid) or runs somebody's own input
# function is on no list.
TYPES = frozenset(
    """
    ARRAY BIGDECIMAL BIGINT BINARY BIT BLOB BOOLEAN CHAR DATE DATETIME DECIMAL DOUBLE FLOAT INT INT128 INTERVAL JSON
    JSONB LIST MAP NCHAR NVARCHAR SMALLINT STRUCT TEXT TIME TIMESTAMP TIMESTAMP_MS TIMESTAMP_NS TIMESTAMP_S
    TIMESTAMPNTZ TIMESTAMPTZ TINYINT UBIGINT UINT UINT128 USMALLINT UTINYINT UUID VARBINARY VARCHAR YEAR
    """.split()
)


def ascii_lower(text: str) -> str:
    """As engines fold names. Python's own `lower` would also fold letters such as the Kelvin sign, and so take two
    names for one that the engine tells apart."""
    return text.translate(_ASCII_LOWER)


def insensitive(identifier: exp.Identifier) -> str:
    """Quoted or not, only the letters count."""
    return ascii_lower(identifier.name)


class _Verbatim(Parser):
    """Reads calls as they are written, and intervals too: sqlglot would drop the hours of '2 days 03:00'."""

    FUNCTIONS = {}  # noqa: RUF012 - as sqlglot declares it
    _steps = 0

    def _advance(self, times: int = 1) -> None:
        # Where a text can be read in two ways sqlglot tries both, and inside each of them both again: eighteen brackets
        # in each other took it a minute.
        self._steps += 1
        if self._steps > _STEPS_MIN + _STEPS_PER_TOKEN * self._tokens_size:
            raise RecursionError("reading this takes far more steps than it has words")
        super()._advance(times)

    def _parse_interval(self, *_: Any, **__: Any) -> Any:
        start = self._index
        if not self._match(TokenType.INTERVAL):
            return None
        value = self._parse_primary() if self._match(TokenType.STRING, advance=False) else self._parse_term()
        if value is not None and self._curr and self._curr.text.upper() in _INTERVAL_UNITS:
            unit = exp.Var(this=self._curr.text.upper())
            self._advance()
            return exp.Interval(this=value, unit=unit)
        if isinstance(value, exp.Literal) and value.is_string:
            return exp.Cast(this=value, to=exp.DataType(this=exp.DType.INTERVAL))
        self._retreat(start)
        return None


def verbatim(
    base: type[sqlglot.Dialect], calls: Iterable[str], write: Mapping[type[exp.Expr], Write], **generator: Any
) -> type[sqlglot.Dialect]:
    """sqlglot's dialect, reading and writing what was written.

    calls      functions that keep a parser of their own, of CALLS_WITH_SYNTAX and others
    write      how nodes are written where sqlglot would say something else
    generator  other attributes of sqlglot's generator
    """
    parsers = {name: base.parser_class.FUNCTION_PARSERS[name] for name in calls}
    transforms = {**base.generator_class.TRANSFORMS, **write}
    parts = {
        "Parser": type("Parser", (_Verbatim, base.parser_class), {"FUNCTION_PARSERS": parsers}),
        "Generator": type("Generator", (base.generator_class,), {"TRANSFORMS": transforms, **generator}),
        "to_json_path": _path_as_written,
    }
    return type(f"Verbatim{base.__name__}", (base,), parts)


def _path_as_written(_: sqlglot.Dialect, path: exp.Expr | None) -> exp.Expr | None:
    """In `a -> 'b'` the text may be a key or a path: the engine knows which."""
    return path


def operator(sign: str) -> Write:
    """Writes a node as the operator it was read from. How tightly that binds is then the engine's to say."""
    return lambda generator, node: generator.binary(node, sign)


@dataclass(frozen=True)
class Dialect:
    """fold        the form of a table's name in which equal names are equal, as this engine compares them
    fold_column    the same for names of columns
    schemas        what may stand before a table's name
    functions      names that may be called, in lower case: nothing that reads files, makes rows, tells about the
                   server, has effects, or answers differently the next time
    syntax         sqlglot classes that operators and keywords are read as
    types          names of sqlglot's types that a value may be cast to
    rewrites       classes that may be written as another: sugar in full, an operator as the call it stands for
    reads_clock    function -> the number of arguments with which it means now
    clock_words    texts that mean now or today where a date is wanted
    keywords       names without parentheses that call something ("current_role")
    refused        classes of nodes that mean something else to the engine than to sqlglot
    in_reads_table whether `x IN name` reads a table called name
    comments_run   whether the engine runs what stands in some comments
    """

    name: str
    sqlglot: type[sqlglot.Dialect]
    fold: Callable[[exp.Identifier], str]
    fold_column: Callable[[exp.Identifier], str]
    functions: frozenset[str]
    schemas: frozenset[str] = frozenset({""})
    syntax: frozenset[str] = SYNTAX
    types: frozenset[str] = TYPES
    rewrites: frozenset[str] = frozenset()
    reads_clock: Mapping[str, int] = field(default_factory=dict)
    clock_words: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    refused: tuple[type[exp.Expr], ...] = ()
    in_reads_table: bool = False
    comments_run: bool = False

    def fold_name(self, name: str) -> str:
        """The fold of a name as the catalogue spells it."""
        return self.fold(exp.Identifier(this=name, quoted=True))

    def fold_column_name(self, name: str) -> str:
        return self.fold_column(exp.Identifier(this=name, quoted=True))
