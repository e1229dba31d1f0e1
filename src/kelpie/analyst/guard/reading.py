"""Text -> one query as a tree, and the tree as text again."""

import logging
from collections import Counter
from dataclasses import dataclass

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ErrorLevel, SqlglotError

from kelpie.analyst import limits
from kelpie.analyst.guard.dialects import Dialect
from kelpie.errors import QueryRefused

# sqlglot logs the statements it finds odd, with their text: what people ask does not belong in a log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

# Numbers, texts and signs: what a query reckons with. `+x` is another comparison than `x` in SQLite.
_CONSTANTS = frozenset(
    {
        TokenType.STRING, TokenType.NUMBER, TokenType.HEREDOC_STRING, TokenType.RAW_STRING,
        TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """A query as a tree; the numbers, texts and signs that were written in it, and the names in quotes."""

    tree: exp.Query
    constants: Counter[str]
    quoted: Counter[str]


def read(sql: str, dialect: Dialect) -> Reading:
    """The one query that `sql` is. Raises QueryRefused: too long, not SQL, not one statement, no query."""
    if len(sql) > limits.SQL_CHARS_MAX:
        raise QueryRefused("too_long", f"the query has {len(sql):,} characters; at most {limits.SQL_CHARS_MAX:,}")
    engine = dialect.sqlglot()
    try:
        tokens = engine.tokenize(sql)
        parsed = engine.parser().parse(tokens, sql)
    except (SqlglotError, ValueError, TypeError, AttributeError) as error:
        # sqlglot meets some malformed input with errors of its own code; not understood is refused all the same.
        reason = str(error).split("\n", 1)[0][:300] if isinstance(error, SqlglotError) else type(error).__name__
        raise QueryRefused("not_understood", f"the query can't be parsed: {_plain(reason)}") from error
    if dialect.comments_run and any(comment.startswith(("!", "M!")) for token in tokens for comment in token.comments):
        raise QueryRefused("executable_comment", "the query has a comment that the server would run: write it as SQL")
    statements = [one for one in parsed if one is not None and not isinstance(one, exp.Semicolon)]
    if len(statements) != 1:
        raise QueryRefused("one_statement", f"send exactly one query, not {len(statements)}")
    statement = statements[0]
    if not isinstance(statement, exp.Select | exp.SetOperation | exp.Subquery):
        raise QueryRefused("query_only", f"only a SELECT query may run, not {type(statement).__name__}")
    quoted = Counter(token.text for token in tokens if token.token_type is TokenType.IDENTIFIER)
    return Reading(statement, _constants(tokens), quoted)


def _constants(tokens: list[Token]) -> Counter[str]:
    found: Counter[str] = Counter()
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type in _CONSTANTS:
            fraction = before is not None and before.token_type is TokenType.DOT
            found[f"0.{token.text}" if fraction else token.text] += 1
    return found


def write(tree: exp.Expr, dialect: Dialect) -> str:
    """The text that the engine will read. Raises QueryRefused for what can't be said in its dialect."""
    try:
        text = _written(tree, dialect, pretty=True)
        # On many lines, as people read it, unless that makes it too long to be run.
        return text if len(text) <= limits.SQL_CHARS_MAX else _written(tree, dialect, pretty=False)
    except (SqlglotError, ValueError) as error:
        raise QueryRefused("not_stable", f"the query can't be written out again: {_plain(str(error))[:300]}") from error


def _written(tree: exp.Expr, dialect: Dialect, *, pretty: bool) -> str:
    return tree.sql(dialect=dialect.sqlglot, pretty=pretty, comments=False, unsupported_level=ErrorLevel.RAISE)


def check_nothing_lost(before: Reading, after: Reading, dialect: Dialect) -> None:
    """Raises QueryRefused if a part of the query `before` is missing from `after`, which was read from its text.

    A parser that can't hold something may leave it out (the hours of an interval), and so may a generator that can't
    say it (`IGNORE NULLS`). Either would be another number.
    """
    lost = Counter(map(type, before.tree.walk())) - Counter(map(type, after.tree.walk()))
    missing = sorted({kind.__name__ for kind in lost} - dialect.rewrites)
    missing += [repr(text) for text in before.constants - (after.constants + after.quoted)]  # `AS "text"` of MySQL
    if missing:
        raise QueryRefused("not_stable", f"{missing[0]} gets lost when the query is written out; write it plainer")


def _plain(text: str) -> str:
    """Without the terminal colours sqlglot marks the place with."""
    return text.replace("\x1b[4m", "").replace("\x1b[0m", "")
