"""Memory: one file that remembers, recalls and forgets, by scope, with nothing else to install or start."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from umi import archival, core, limits
from umi.dst import Host, ManualClock, Rng
from umi.entity import Block, Fact, Recalled, check_text
from umi.errors import GuardFailed, InvalidInput
from umi.storage import Changes, Database, Page, SqliteDatabase, View

if TYPE_CHECKING:  # imported when a test gives a seed
    from umi.dst.faults import Faults
    from umi.storage.simulated import SimulatedDatabase

MIGRATIONS = [*core.MIGRATIONS, *archival.MIGRATIONS]
DEFAULT_TENANT = "default"


class Memory:
    """The memory of one scope (a person, an agent, a project) in a shared database.

    `Memory.open(path)` for a file of its own; `Memory(database, host, scope=…)` over a database others use too;
    `Memory(seed=42)` for tests: in memory, with ids, clock, chance and faults that follow the seed.

        async with await Memory.open("memory.db", scope="ada") as memory:
            await memory.remember("Ada's cat is called Miso.")
            found = await memory.recall("cat")
    """

    @overload
    def __init__(
        self, database: Database, host: Host, *, scope: str = "default", tenant: str = DEFAULT_TENANT
    ) -> None: ...
    @overload
    def __init__(
        self, *, seed: int | str, host: Host | None = None, scope: str = "default", tenant: str = DEFAULT_TENANT
    ) -> None: ...
    def __init__(
        self,
        database: Database | None = None,
        host: Host | None = None,
        *,
        seed: int | str | None = None,
        scope: str = "default",
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        if (database is None) == (seed is None):
            raise InvalidInput("a Memory needs a database or a seed, and not both; Memory.open(path) opens a file")
        check_text("the scope", scope)
        if not scope or len(scope.encode()) > limits.SCOPE_BYTES_MAX:
            raise InvalidInput(f"a scope is 1 to {limits.SCOPE_BYTES_MAX} bytes long, not {len(scope.encode())}")
        self.scope = scope
        self.tenant = tenant
        self._host = host or (Host() if seed is None else Host(ManualClock(), Rng(seed)))
        self._database = database or _simulated(seed, self._host)
        self._view = View(self._database)

    @classmethod
    async def open(
        cls, path: str, *, scope: str = "default", tenant: str = DEFAULT_TENANT, host: Host | None = None
    ) -> "Memory":
        """Create or open the file. Raises StoreError (in use, newer, corrupt, read-only)."""
        host = host or Host()
        return cls(await SqliteDatabase.open(path, MIGRATIONS, host=host), host, scope=scope, tenant=tenant)

    def of(self, scope: str) -> "Memory":
        """The memory of another scope in the same database."""
        return Memory(self._database, self._host, scope=scope, tenant=self.tenant)

    @property
    def faults(self) -> "Faults":
        """What goes wrong with the disk of a simulated memory, planned or by chance, and how often it did:
        `memory.faults.plan("disk.sync_error")`, `memory.faults.fired["disk.sync_error"]`."""
        return self._simulation().faults

    def crash(self) -> None:
        """Cut the power of a simulated memory. What was acknowledged is there when it is next used."""
        self._simulation().crash()

    def _simulation(self) -> "SimulatedDatabase":
        from umi.storage.simulated import SimulatedDatabase

        if not isinstance(self._database, SimulatedDatabase):
            raise InvalidInput("only a simulated memory has faults and crashes: make it with Memory(seed=…)")
        return self._database

    async def close(self) -> None:
        await self._database.close()

    async def __aenter__(self) -> Self:
        await self._database.read([])  # a simulated store opens now and not at its first use
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def plan_remember(
        self,
        text: str,
        *,
        importance: float = 0.5,
        tags: Sequence[str] = (),
        metadata: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        event_time_ms: int | None = None,
    ) -> tuple[Fact, Changes]:
        """The fact `remember` would store, and the changes that store it.

        event_time_ms  when the statement became true; now, if not said
        Raises InvalidInput, LimitExceeded.
        """
        now_ms = self._host.clock.now_ms()
        fact = Fact(
            tenant=self.tenant,
            id=self._host.ids.new("passage"),
            scope=self.scope,
            text=text,
            tags=list(dict.fromkeys(tags)),
            importance=importance,
            metadata=metadata or {},
            source=source or {},
            valid_from_ms=now_ms if event_time_ms is None else event_time_ms,
            known_from_ms=now_ms,
        )
        return fact, archival.plan_remember(fact)

    async def remember(
        self,
        text: str,
        *,
        importance: float = 0.5,
        tags: Sequence[str] = (),
        metadata: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        event_time_ms: int | None = None,
    ) -> Fact:
        """Keep `text` as a fact; when this returns it is on disk. See plan_remember."""
        fact, changes = self.plan_remember(
            text, importance=importance, tags=tags, metadata=metadata, source=source, event_time_ms=event_time_ms
        )
        await self._database.commit(changes)
        return fact

    async def recall(
        self, query: str, *, limit: int = limits.RECALL_RESULTS_DEFAULT, tags: Sequence[str] = ()
    ) -> list[Recalled]:
        """Facts of this scope that answer `query`, best first, each with its score."""
        return await archival.recall(self._view, self.tenant, self.scope, query, limit=limit, tags=tags)

    async def forget(self, fact_id: str, *, hard: bool = False) -> bool:
        """Stop knowing a fact; `hard` removes it from the file. False if this scope knows no such fact."""
        now_ms = self._host.clock.now_ms()
        try:
            await self._database.commit(archival.plan_forget(self.tenant, self.scope, fact_id, now_ms, hard=hard))
        except GuardFailed:
            return False
        return True

    async def count(self) -> int:
        return await archival.count(self._view, self.tenant, self.scope)

    async def list(self, page: Page | None = None) -> "Sequence[Fact]":
        """A page of what this scope knows, oldest first unless the page says otherwise."""
        return await archival.list_facts(self._view, self.tenant, self.scope, page or Page())

    async def blocks(self) -> "Sequence[Block]":
        """Core memory: the blocks of this scope, in order."""
        return await core.of_scope(self._view, self.tenant, self.scope)

    async def append(self, label: str, text: str) -> None:
        """Add a line to the block `label`, creating it if absent; safe from any number of callers at once."""
        ids, now_ms = self._host.ids, self._host.clock.now_ms()
        await core.append(self._view, self.tenant, self.scope, label, text, block_id=ids.new("block"), now_ms=now_ms)


def _simulated(seed: int | str | None, host: Host) -> Database:
    from umi.storage.simulated import SimulatedDatabase

    assert seed is not None, "checked where the memory was made"
    return SimulatedDatabase(seed, MIGRATIONS, host=host)
