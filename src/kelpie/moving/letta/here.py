"""Where a database is brought to: a tenant of our store."""

from dataclasses import dataclass

from umi.dst import Host
from umi.memory import Archive
from umi.storage import Changes, Database, View


@dataclass(frozen=True, slots=True)
class Here:
    """
    builtins      the names of built-in tools; their rows are there
    is_rehearsal  nothing is written: the report says what would be
    """

    database: Database
    host: Host
    archive: Archive
    tenant: str
    builtins: frozenset[str]
    is_rehearsal: bool = False

    @property
    def view(self) -> View:
        return View(self.database)

    async def commit(self, changes: Changes) -> None:
        if not self.is_rehearsal and changes:
            await self.database.commit(changes)
