"""The control of the crash check: `kelpie`, patched to acknowledge commits before they are durable.

What a write-back cache does: commits are applied a moment later, in order, and reads wait for them, so that nothing
but a kill shows the difference.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from kelpie.cli import main
from umi.errors import UmiError
from umi.storage import Changes, Row, SqliteDatabase

DELAY_MS = 5

_commit = SqliteDatabase.commit
_read = SqliteDatabase.read
_last: "asyncio.Task[None] | None" = None


async def _drained() -> None:
    if _last is not None:
        await asyncio.wait([_last])


async def _acknowledge_first(self: SqliteDatabase, changes: Changes) -> list[Row]:
    global _last  # noqa: PLW0603 - one process, one database, and gone with it
    if any("RETURNING" in write.sql for write in changes.writes):
        await _drained()
        return await _commit(self, changes)
    before = _last
    writes = Changes(writes=list(changes.writes))

    async def later() -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._host.clock.sleep(DELAY_MS)
        with contextlib.suppress(UmiError):
            await _commit(self, writes)

    _last = self._host.spawn(later(), "late commit")
    for hook in changes.after_commit:
        hook()
    return []


async def _read_after(self: SqliteDatabase, queries: Sequence[Any], over: Changes | None = None) -> Any:
    await _drained()
    return await _read(self, queries, over)


if __name__ == "__main__":
    SqliteDatabase.commit = _acknowledge_first  # type: ignore[method-assign]  # the bug this control plants
    SqliteDatabase.read = _read_after  # type: ignore[method-assign]  # the same
    sys.exit(main())
