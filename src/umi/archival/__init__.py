"""Archival memory: dated facts of a scope, without number; nothing of them is ever overwritten.

    schema      the tables and their columns
    facts       add, change, forget, get, list: every change is a new version of a fact
    claims      what facts say, looked up by subject and attribute
    entities    the named things that facts mention
    history     which version was believed when; undo
    transfer    facts on their way from one store to another
    keys        names and texts as keys

Every commit that touches the facts of a scope raises the scope's revision and stamps the rows with it (`revise`), so
that a cache anywhere knows in one read what it has missed.
"""

from umi.archival.facts import (
    Why,
    check,
    count,
    fact_from_row,
    filled,
    get,
    list_facts,
    plan_add,
    plan_change,
    plan_forget_scope,
    plan_forget_session,
    plan_past,
    plan_purge,
    revise,
)
from umi.archival.schema import FACT_COLUMNS, MIGRATIONS, STORED_BYTES

__all__ = [
    "FACT_COLUMNS",
    "MIGRATIONS",
    "STORED_BYTES",
    "Why",
    "check",
    "count",
    "fact_from_row",
    "filled",
    "get",
    "list_facts",
    "plan_add",
    "plan_change",
    "plan_forget_scope",
    "plan_forget_session",
    "plan_past",
    "plan_purge",
    "revise",
]
