"""A Database that lets somebody see every commit, and lets a process die at its edge.

What it tells: the statements of each commit that became durable, and of each whose outcome is unknown. The invariants
read epochs, positions and messages from that, so they see what the store saw and not what an upper layer made of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from umi.storage import Changes, Database, Row, Write

# Raises, now and then, what no code of ours expects.
Surprise = Callable[[], None]
# Kills the process if its plan says so at this point ("crash.before_commit"), and says whether it did.
Trap = Callable[[str], bool]
Queries = Sequence[tuple[str, tuple[Any, ...]]]


class Watcher(Protocol):
    def begins(self, writes: Sequence[Write]) -> None:
        """A commit was submitted: from now on it may be there, whatever its caller hears."""
        ...

    def durable(self, writes: Sequence[Write]) -> None:
        """It is there. Told in the order of the commits, before anybody else hears of it."""
        ...


class WatchedDatabase:
    """Between the store and whoever commits to it."""

    def __init__(self, database: Database, watcher: Watcher) -> None:
        self._database, self._watcher = database, watcher

    async def read(self, queries: Queries, over: Changes | None = None) -> list[list[Row]]:
        return await self._database.read(queries, over)

    async def commit(self, changes: Changes) -> list[Row]:
        writes = tuple(changes.writes)
        self._watcher.begins(writes)
        watched = Changes(list(writes), [lambda: self._watcher.durable(writes), *changes.after_commit])
        return await self._database.commit(watched)

    async def close(self) -> None:
        await self._database.close()


class MortalDatabase:
    """A silo's own view of its store: the place where its process may die before or after a commit, or meet a bug."""

    def __init__(self, database: Database, trap: Trap, surprise: Surprise) -> None:
        self._database, self._trap, self._surprise = database, trap, surprise

    async def read(self, queries: Queries, over: Changes | None = None) -> list[list[Row]]:
        self._surprise()
        return await self._database.read(queries, over)

    async def commit(self, changes: Changes) -> list[Row]:
        if self._trap("crash.before_commit"):
            await asyncio.get_running_loop().create_future()  # nothing of the dead process runs again
        # The other hooks still run in this step, on memory that nobody will see, and start tasks that never begin.
        hooks = [lambda: self._die("crash.after_commit"), *changes.after_commit]
        return await self._database.commit(Changes(list(changes.writes), hooks))

    def _die(self, point: str) -> None:
        self._trap(point)

    async def close(self) -> None:
        await self._database.close()
