"""Core memory: the blocks that are always in view.

blocks    the table: create, attach, edit, append; what umi and kelpie share
order     types of blocks and the order they are shown in
ledger    which lines of a block promotion wrote
budget    bounds in bytes that hold inside the commit
render    blocks as XML, Markdown or JSON, within a number of tokens
tier      Core: the core memory of one scope, as `Memory` offers it
"""

from umi.core.blocks import (
    MIGRATIONS,
    OF_SCOPE,
    OF_SCOPES,
    append,
    block_from_row,
    by_label,
    check,
    count_blocks,
    edit,
    get,
    ids_taken,
    list_blocks,
    of_scope,
    plan_append,
    plan_attach,
    plan_create,
    plan_delete,
    plan_delete_typed,
    plan_delete_within,
    plan_detach,
    plan_detach_all,
    plan_update,
    scopes_of,
    tags,
)
from umi.core.order import TYPES, ordered
from umi.core.render import Rendered, render
from umi.core.tier import Core

__all__ = [
    "MIGRATIONS",
    "OF_SCOPE",
    "OF_SCOPES",
    "TYPES",
    "Core",
    "Rendered",
    "append",
    "block_from_row",
    "by_label",
    "check",
    "count_blocks",
    "edit",
    "get",
    "ids_taken",
    "list_blocks",
    "of_scope",
    "ordered",
    "plan_append",
    "plan_attach",
    "plan_create",
    "plan_delete",
    "plan_delete_typed",
    "plan_delete_within",
    "plan_detach",
    "plan_detach_all",
    "plan_update",
    "render",
    "scopes_of",
    "tags",
]
