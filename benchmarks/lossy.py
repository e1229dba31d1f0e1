"""The control of the crash check: `kelpie`, patched to acknowledge commits before they are durable."""

import sys
from typing import Any

from kelpie.cli import main
from umi.storage import Changes, SqliteDatabase

_commit = SqliteDatabase.commit


async def _acknowledge_first(self: SqliteDatabase, changes: Changes) -> Any:
    if any("RETURNING" in write.sql or write.guard for write in changes.writes[:1]):
        # A claim needs its row and a fence its verdict; what follows in the same transaction is as late as the rest.
        guarded = Changes(writes=changes.writes[:1])
        answer = await _commit(self, guarded)
    else:
        guarded, answer = Changes(), []
    rest = Changes(writes=changes.writes[len(guarded.writes) :], after_commit=changes.after_commit)

    async def later() -> None:
        await self._host.clock.sleep(5)  # what a write-back cache would do
        await _commit(self, rest)

    self._host.spawn(later(), "late commit")
    return answer


if __name__ == "__main__":
    SqliteDatabase.commit = _acknowledge_first  # type: ignore[method-assign]  # the bug this control plants
    sys.exit(main())
