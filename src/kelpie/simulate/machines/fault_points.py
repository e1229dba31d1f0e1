"""A Database that fails by what a call touches: the blocks, the facts, the messages, or the agent itself.

Whether a call may fail is decided from its SQL, so no room knows that it is being failed. A read that fails was never
made. A write that fails has one of three endings, drawn by chance: it was refused, it was written and the answer was
lost, or it was not written and nobody can say so. The last two look the same to the caller.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from umi.dst.faults import Faults
from umi.errors import CommitUnknown, StoreError
from umi.storage import Changes, Database, Row

STORE_KINDS = {
    "store.block_read": "reading blocks fails, also over what is only planned",
    "store.block_write": "writing blocks fails, or its answer is lost",
    "store.agent_write": "writing an agent fails, or its answer is lost: its row, tools and tags, or its fence",
    "store.archival_read": "reading facts fails, also over what is only planned",
    "store.archival_write": "writing facts fails, or its answer is lost",
    "store.message_read": "reading messages fails",
    "store.workspace_write": "writing an agent's files fails, or its answer is lost",
    "store.group_write": "writing a group or its rounds fails, or its answer is lost",
    "store.file_read": "reading the files of folders fails, also what they say",
    "store.file_write": "writing the files of folders fails, or its answer is lost: also which are given to whom",
}
_BLOCKS, _MESSAGES = ("block", "block_scope"), ("message", "message_text")
_FACTS = (
    *("fact", "fact_past", "fact_scope", "claim", "evolution", "entity", "mention"),
    *("fact_vector", "embed_state"),
)
_FILES = ("folder", "file", "file_content", "file_text", "agent_folder", "agent_file")
_READS = {
    "store.block_read": _BLOCKS,
    "store.archival_read": _FACTS,
    "store.message_read": _MESSAGES,
    "store.file_read": _FILES,
}
_WRITES = {
    "store.block_write": _BLOCKS,
    # The fence too: every commit of an agent's turn moves it.
    "store.agent_write": ("agent", "agent_tag", "agent_tool", "placement"),
    "store.archival_write": _FACTS,
    "store.workspace_write": ("workspace_file",),
    "store.group_write": ("agent_group", "group_run", "group_turn"),
    "store.file_write": _FILES,
}
_READ_FROM = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)", re.IGNORECASE)
_WRITES_INTO = re.compile(r"\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.IGNORECASE)

REFUSED, UNHEARD, UNWRITTEN = "refused", "written, unheard", "unwritten, unknown"
_ENDINGS = (REFUSED, UNHEARD, UNWRITTEN)


class FaultPoints:
    """`database`, failing as `faults` says; these know STORE_KINDS.

    endings  how often a write of each kind failed, and how: (kind, ending) -> times
    """

    def __init__(self, database: Database, faults: Faults) -> None:
        self.endings: Counter[tuple[str, str]] = Counter()
        self._database = database
        self._faults = faults

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        if self._faults.armed:
            touched = {table for sql, _ in queries for table in _READ_FROM.findall(sql)}
            kind = self._failing(_READS, touched)
            if kind is not None:
                raise StoreError(f"{kind}: the read failed; it may be tried again")
        return await self._database.read(queries, over)

    async def commit(self, changes: Changes) -> list[Row]:
        kind = None
        if self._faults.armed:
            into = (_WRITES_INTO.match(write.sql) for write in changes.writes)
            kind = self._failing(_WRITES, {found[1] for found in into if found})
        if kind is None:
            return await self._database.commit(changes)
        ending = _ENDINGS[self._faults.draws(kind).randint(0, len(_ENDINGS) - 1)]
        if ending == UNHEARD:
            # Its hooks stay out: they belong to a caller who hears that it is durable. A refusal is an answer.
            await self._database.commit(Changes(list(changes.writes)))
        self.endings[kind, ending] += 1
        if ending == REFUSED:
            raise StoreError(f"{kind}: the commit failed; nothing was written")
        raise CommitUnknown(f"{kind}: the commit gave no answer; its outcome is unknown, reload before going on")

    async def close(self) -> None:
        await self._database.close()

    def _failing(self, kinds: Mapping[str, Iterable[str]], touched: set[str]) -> str | None:
        """The kind that fails this call. Each is asked, so that one moves no draw of another; the first one happens."""
        failing = [kind for kind, tables in kinds.items() if touched.intersection(tables) and self._faults.decide(kind)]
        if not failing:
            return None
        self._faults.fire(failing[0])
        return failing[0]
