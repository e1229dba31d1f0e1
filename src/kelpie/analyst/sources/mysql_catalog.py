"""What a MySQL or MariaDB server says of itself.

Tables and keys of its database, what the account may do beyond reading them, how much work a query is, and which state
of the data it shows.
"""

import math
from collections.abc import Sequence
from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.sources.mysql_session import Session
from kelpie.analyst.sources.mysql_types import kind_of_column
from kelpie.analyst.sources.queries import within_columns
from kelpie.analyst.sources.source import CostHint, ForeignKey, SourceColumn, SourceTable
from kelpie.analyst.table import Snapshot

_TABLES = """
SELECT TABLE_NAME, IF(TABLE_TYPE = 'VIEW', '', TABLE_COMMENT), TABLE_ROWS FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME
"""
_COLUMNS = f"""
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLUMN_COMMENT FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND FIND_IN_SET('select', PRIVILEGES) ORDER BY TABLE_NAME, ORDINAL_POSITION
LIMIT {limits.SOURCE_COLUMNS_MAX + 1}
"""
_KEYS = """
SELECT TABLE_NAME, INDEX_NAME, IF(SUB_PART IS NULL, COLUMN_NAME, NULL) FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = DATABASE() AND NOT NON_UNIQUE
ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX
"""
_FOREIGN_KEYS = """
SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()
ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION
"""
_HOST = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)"
_GRANTED = f"""
SELECT DISTINCT PRIVILEGE_TYPE FROM (
    SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.USER_PRIVILEGES
    UNION ALL SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.SCHEMA_PRIVILEGES
    UNION ALL SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.TABLE_PRIVILEGES
) AS granted
WHERE GRANTEE = CONCAT('''', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({_HOST}) - 1),
    '''@''', {_HOST}, '''')
    AND PRIVILEGE_TYPE NOT IN ('SELECT', 'USAGE', 'SHOW VIEW')
ORDER BY PRIVILEGE_TYPE
"""
_GRAVE = {
    "FILE": "may read and write files of the server (FILE)",
    "SUPER": "may change the server's settings (SUPER)",
    "PROCESS": "may see other people's queries (PROCESS)",
}
_TRANSACTIONS = "SHOW GLOBAL STATUS LIKE 'Innodb_max_trx_id'"
_CHANGED = """
SELECT COUNT(*), COALESCE(SUM(ENGINE <> 'InnoDB'), 0), COALESCE(SUM(UNIX_TIMESTAMP(CREATE_TIME)), 0),
    COALESCE(SUM(UNIX_TIMESTAMP(UPDATE_TIME)), 0), UNIX_TIMESTAMP(MAX(UPDATE_TIME))
FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'
"""


def tables(session: Session) -> list[SourceTable]:
    """Tables and views with what the account may read of them."""
    columns: dict[str, list[SourceColumn]] = {}
    for table, name, word, whole, comment in within_columns(session.rows(_COLUMNS)):
        column = SourceColumn(name=name, type=whole, kind=kind_of_column(word, whole), comment=comment)
        columns.setdefault(table, []).append(column)
    keys: dict[tuple[str, str], list[str | None]] = {}  # None: a part of a column, or an expression
    for table, index, name in session.rows(_KEYS):
        keys.setdefault((table, index), []).append(name)
    foreign_keys: dict[tuple[str, str], ForeignKey] = {}
    for table, constraint, name, target, target_name in session.rows(_FOREIGN_KEYS):
        new = ForeignKey(columns=[], target=target, target_columns=[])
        key = foreign_keys.setdefault((table, constraint), new)
        key.columns.append(name)
        key.target_columns.append(target_name)
    return [
        SourceTable(
            name=table,
            columns=columns[table],
            row_count=row_count,
            comment=comment,
            keys=[[*filter(None, names)] for (its, _), names in keys.items() if its == table and None not in names],
            foreign_keys=[key for (its, _), key in foreign_keys.items() if its == table],
        )
        for table, comment, row_count in session.rows(_TABLES)
        if table in columns
    ]


def beyond_reading(session: Session) -> list[str]:
    """What the account may do and a reader need not, a sentence each. Rights by way of roles are not looked at."""
    granted = [str(row[0]) for row in session.rows(_GRANTED)]
    found = [f"the account {said}" for right, said in _GRAVE.items() if right in granted]
    others = [right for right in granted if right not in _GRAVE]
    return found + ([f"the account has rights that a reader does not need: {', '.join(others)}"] if others else [])


def snapshot(session: Session, where: str) -> Snapshot:
    """The state of the data, before a transaction begins.

    MariaDB counts the transactions of InnoDB, all of the server together: every change shows, and also some that were
    none. Elsewhere there is but the second in which each table was changed last, which forgets at a restart.
    """
    counted = session.rows(_TRANSACTIONS)
    ((tables_count, others, created, updated, changed_s),) = session.rows(_CHANGED)
    state = f"{tables_count} {created} {updated} {counted[0][1] if counted else '-'}"
    changed_ms = None if changed_s is None else int(changed_s) * 1000
    return Snapshot(where=where, state=state, changed_ms=changed_ms, certain=bool(counted) and not others)


def cost_of(plan: Sequence[Sequence[Any]]) -> CostHint:
    """From the rows of EXPLAIN: what a SELECT reads is the product over its tables, joined one in the other."""
    of_select: dict[Any, list[int]] = {}
    for line in plan:
        count = line[_rows_place(line)]
        of_select.setdefault(line[0], []).append(int(count or 1))
    rows = max((math.prod(counts) for counts in of_select.values()), default=0)
    return CostHint(rows=rows, plan="\n".join(" ".join(str(part) for part in line) for line in plan))


def _rows_place(line: Sequence[Any]) -> int:
    """MySQL's lines have two columns more than MariaDB's: partitions before, filtered after."""
    return 9 if len(line) > 10 else 8
