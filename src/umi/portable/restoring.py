"""Lines as a scope. The whole file is checked before anything is written.

Then it is written in batches, each whole: a crash in between leaves whole facts, and the same import again completes
them. What is here already stays as it is, so importing twice adds nothing. Facts keep their ids, unless another scope
of the tenant has them: then all of the file get new ones, the same at every import.
"""

import os
import tempfile
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import IO

import msgspec

from umi import archival, core, limits
from umi.archival import transfer
from umi.archival.transfer import EntityRow, Told
from umi.dst import Host
from umi.dst.ids import named_uuid
from umi.entity import Block, Fact
from umi.errors import Conflict, GuardFailed, ImportRefused, InvalidInput
from umi.portable import foreign
from umi.portable.lines import BlockLine, EntityLine, FactLine, Header, Line, Numbered, PastLine, WorkingLine, numbered
from umi.storage import Changes, Database, View
from umi.working import Working

Source = Callable[[], Iterator[Numbered]]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import added; `known` facts were here already, and stayed as they are.

    past    versions of facts that had ended
    scopes  where it went
    """

    entities: int = 0
    facts: int = 0
    past: int = 0
    blocks: int = 0
    working: int = 0
    known: int = 0
    scopes: list[str] = []

    def plus(self, other: "Imported") -> "Imported":
        counts = {name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__}
        return Imported(**counts)


async def restore(
    database: Database, host: Host, tenant: str, scope: str, path: str, *, each_scope: bool = False
) -> Imported:
    """Import a file: an export of umi, or of the first Umi, mem0 or Graphiti, which are told apart by their content.

    each_scope  keep the scopes that the file names ("user:ada" of mem0's user, a group of Graphiti's); without it all
                goes to `scope`, and a file with several scopes is refused
    Raises ImportRefused, naming line and reason, with nothing written; Conflict if there is no room.
    """
    try:
        with _opened(path) as file:
            text = None if foreign.is_own(file) else _bounded(file)
            if text is None:
                source = numbered_of(file)
                first = next(source()).line
                where = first.scope if each_scope and isinstance(first, Header) else scope
                return await Restorer(database, host, tenant, where).run(source)
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror or error}") from None
    return await _restore_foreign(database, host, tenant, scope, text, each_scope=each_scope)


async def restore_lines(
    database: Database, host: Host, tenant: str, scope: str, texts: Iterable[bytes] | AsyncIterable[bytes]
) -> Imported:
    """Import an export of umi as it arrives, in pieces of any size: it is put on disk first, to be checked whole."""
    with tempfile.TemporaryFile() as file:
        if isinstance(texts, AsyncIterable):
            async for text in texts:
                file.write(text)
        else:
            file.writelines(texts)
        return await Restorer(database, host, tenant, scope).run(numbered_of(file))


def numbered_of(file: IO[bytes]) -> Source:
    """The lines of an open file, from its beginning at each call."""

    def read() -> Iterator[Numbered]:
        file.seek(0)
        return numbered(iter(lambda: file.readline(limits.PORTABLE_LINE_BYTES_MAX + 1), b""))

    return read


def _opened(path: str) -> IO[bytes]:
    return open(path, "rb")


def _bounded(file: IO[bytes]) -> bytes:
    most, size_bytes = limits.PORTABLE_FOREIGN_BYTES_MAX, os.fstat(file.fileno()).st_size
    if size_bytes > most:
        raise ImportRefused(f"an export of another memory is read whole: at most {most:,} bytes, not {size_bytes:,}")
    return file.read(most)


async def _restore_foreign(
    database: Database, host: Host, tenant: str, scope: str, text: bytes, *, each_scope: bool
) -> Imported:
    by_scope = foreign.read(text, host.clock.now_ms())
    if len(by_scope) > 1 and not each_scope:
        names = ", ".join(f"'{name}'" for name in list(by_scope)[:5])
        raise ImportRefused(
            f"this file holds the memories of {len(by_scope)} scopes ({names} …); import it with each_scope"
            " to keep them apart"
        )
    restorers = [
        (Restorer(database, host, tenant, name if each_scope else scope), source) for name, source in by_scope.items()
    ]
    for restorer, source in restorers:
        await restorer.check(source)
    imported = Imported()
    for restorer, source in restorers:
        imported = imported.plus(await restorer.write(source))
    return imported


class Restorer:
    """Imports one source into one scope."""

    def __init__(self, database: Database, host: Host, tenant: str, scope: str) -> None:
        self._database = database
        self._view = View(database)
        self._tenant, self._scope = tenant, scope
        self._working = Working(database, host, tenant, scope)
        self._renames = False

    async def run(self, source: Source) -> Imported:
        await self.check(source)
        return await self.write(source)

    async def check(self, source: Source) -> None:
        """Read all of it once. Raises ImportRefused."""
        self._renames = False
        for batch in _batches(source()):
            ids = [one.line.fact.id for one in batch if isinstance(one.line, FactLine)]
            held = await transfer.held(self._view, self._tenant, ids)
            self._renames = self._renames or any(scope != self._scope for scope, _ in held.values())

    async def write(self, source: Source) -> Imported:
        """Write what was checked. Raises Conflict."""
        imported = Imported(scopes=[self._scope])
        for batch in _batches(source()):
            imported = imported.plus(await self._commit([one.line for one in batch]))
        return imported

    async def _commit(self, batch: list[Line]) -> Imported:
        for _ in range(limits.MEMORY_PLAN_ATTEMPTS_MAX):
            changes, added = await self._plan(batch)
            try:
                rows = await self._database.commit(changes)
            except GuardFailed as failed:
                raise Conflict(
                    f"scope '{self._scope}' has no room for what the file holds ({failed.guard}); import it elsewhere"
                ) from None
            except Conflict:  # somebody imported the same in this moment: look again
                continue
            # Keys of working memory come back as they are written; a guard's row is a number.
            return msgspec.structs.replace(added, working=sum(isinstance(row[0], str) for row in rows))
        raise Conflict(f"scope '{self._scope}' is being changed by too many writers at once; try again")

    async def _plan(self, batch: list[Line]) -> tuple[Changes, Imported]:
        changes = archival.revise(Changes(), self._tenant, self._scope)
        entities = await self._plan_entities(changes, [one.entity for one in batch if isinstance(one, EntityLine)])
        facts, past, known = await self._plan_facts(
            changes, [one for one in batch if isinstance(one, FactLine | PastLine)]
        )
        blocks = await self._plan_blocks(changes, [one.block for one in batch if isinstance(one, BlockLine)])
        entries = [_entry(one) for one in batch if isinstance(one, WorkingLine)]
        if entries:
            changes.extend(self._working.plan_restore(entries))
        return changes, Imported(entities=entities, facts=facts, past=past, blocks=blocks, known=known)

    async def _plan_entities(self, changes: Changes, entities: list[EntityRow]) -> int:
        ids = [one.id for one in entities]
        elsewhere = await transfer.entities_elsewhere(self._view, self._tenant, self._scope, ids)
        names = await transfer.entity_names(self._view, self._tenant, self._scope, [one.name for one in entities])
        for one in entities:
            entity_id = self._derived(one.id) if one.id in elsewhere else one.id
            summary_fact = None if one.summary_fact is None else self._renamed(one.summary_fact)
            moved = msgspec.structs.replace(one, id=entity_id, summary_fact=summary_fact)
            changes.extend(transfer.plan_entity(self._tenant, self._scope, moved))
        return len(entities) - len(names)

    async def _plan_facts(self, changes: Changes, found: list[FactLine | PastLine]) -> tuple[int, int, int]:
        """Counts of facts and past versions that are new, and of facts that are known."""
        ids = list(dict.fromkeys(self._renamed(one.fact.id) for one in found))
        versions = {
            fact_id: version
            for fact_id, (scope, version) in (await transfer.held(self._view, self._tenant, ids)).items()
            if scope == self._scope
        }
        ended = await transfer.past_held(self._view, self._tenant, ids)
        facts = past = known = 0
        for one in found:
            fact = self._moved(one.fact)
            if isinstance(one, PastLine):
                # Of a fact that is here with an older version, the file knows a future that isn't ours.
                if (fact.id, fact.version) not in ended and fact.version < versions.get(fact.id, 0):
                    past += 1
                    changes.extend(archival.plan_past(fact, one.why))
            elif fact.id in versions:
                known += 1
            else:
                facts += 1
                versions[fact.id] = fact.version
                evolutions = [msgspec.structs.replace(b, old_id=self._renamed(b.old_id)) for b in one.evolutions]
                told = Told(fact=fact, why=one.why, mentions=one.mentions, evolutions=evolutions)
                changes.extend(transfer.plan_told(told))
        return facts, past, known

    async def _plan_blocks(self, changes: Changes, blocks: list[Block]) -> int:
        if not blocks:
            return 0
        labels = {one.label for one in await core.of_scope(self._view, self._tenant, self._scope)}
        taken = await core.ids_taken(self._view, self._tenant, [one.id for one in blocks])
        added = 0
        for one in blocks:
            if one.label in labels:
                continue
            labels.add(one.label)
            added += 1
            block_id = self._derived(one.id) if one.id in taken else one.id
            block = msgspec.structs.replace(one, tenant=self._tenant, id=block_id)
            changes.extend(core.plan_create(block))
            changes.extend(core.plan_attach(self._tenant, self._scope, block_id, block.label))
        return added

    def _moved(self, fact: Fact) -> Fact:
        claims = [
            msgspec.structs.replace(
                claim,
                ended_by=None if claim.ended_by is None else self._renamed(claim.ended_by),
                kept=[self._renamed(one) for one in claim.kept],
            )
            for claim in fact.claims
        ]
        return msgspec.structs.replace(
            fact, tenant=self._tenant, scope=self._scope, id=self._renamed(fact.id), claims=claims
        )

    def _renamed(self, fact_id: str) -> str:
        return self._derived(fact_id) if self._renames else fact_id

    def _derived(self, old_id: str) -> str:
        prefix = old_id.partition("-")[0][:20] or "passage"
        return f"{prefix}-{named_uuid(chr(0).join((self._tenant, self._scope, old_id)))}"


def _entry(line: WorkingLine) -> tuple[str, bytes | str, int]:
    value = line.data if line.text is None else line.text
    assert value is not None, "checked"
    return line.key, value, line.expires_ms


def _batches(lines: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    size_bytes = 0
    for one in lines:
        batch.append(one)
        size_bytes += one.size_bytes
        if len(batch) >= limits.PORTABLE_BATCH_LINES or size_bytes >= limits.PORTABLE_BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
