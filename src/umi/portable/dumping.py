"""A scope as lines: one state of it, read page by page while others go on writing."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

import msgspec

from umi import core
from umi.archival import transfer
from umi.dst import Host
from umi.entity import Fact
from umi.errors import Conflict, EnvironmentFault, ImportRefused, InvalidInput
from umi.portable import lines
from umi.storage import Database, View
from umi.working import Working

_ENTITIES_PER_PAGE = 500
_FACTS_PER_PAGE = 200
_PIECE_BYTES = 65_536


async def dump(database: Database, host: Host, tenant: str, scope: str) -> AsyncIterator[bytes]:
    """The lines of an export, each ending in a line feed.

    Facts and their history are those of the moment it begins. Raises Conflict if facts are removed for good while it
    runs: then it would be neither the state before nor the one after.
    """
    view = View(database)
    counter = lines.Counter()
    head = lines.Header(version=lines.VERSION, scope=scope, tenant=tenant, exported_at_ms=host.clock.now_ms())
    of = await transfer.snapshot(view, tenant, scope)
    yield _written(head)
    number = 1
    async for line in _all(database, host, tenant, scope, of):
        number += 1
        counter.see(line, number)
        yield _written(line)
    if await transfer.was_purged(view, tenant, scope, of):
        raise Conflict("facts were forgotten for good while this scope was exported; export it again")
    yield _written(counter.end())


async def _all(
    database: Database, host: Host, tenant: str, scope: str, of: transfer.Snapshot
) -> AsyncIterator[lines.Line]:
    view = View(database)
    after = 0
    while True:
        entities, after = await transfer.entities(view, tenant, scope, of, after, _ENTITIES_PER_PAGE)
        for entity in entities:
            yield lines.EntityLine(entity=entity)
        if len(entities) < _ENTITIES_PER_PAGE:
            break
    after = 0
    while True:
        facts, after = await transfer.facts(view, tenant, scope, of, after, _FACTS_PER_PAGE)
        for told in facts:
            yield lines.FactLine(
                fact=_anywhere(told.fact), why=told.why, mentions=told.mentions, evolutions=told.evolutions
            )
            for version in told.past:
                yield lines.PastLine(fact=_anywhere(version.fact), why=version.why)
        if len(facts) < _FACTS_PER_PAGE:
            break
    for block in await core.of_scope(view, tenant, scope):
        yield lines.BlockLine(block=msgspec.structs.replace(block, tenant=""))
    for key, value, expires_ms in await Working(database, host, tenant, scope).entries():
        text, data = (value, None) if isinstance(value, str) else (None, value)
        yield lines.WorkingLine(key=key, text=text, data=data, expires_ms=expires_ms)


def _anywhere(fact: Fact) -> Fact:
    return msgspec.structs.replace(fact, tenant="", scope="")


def _written(line: lines.Line) -> bytes:
    return lines.encode(line) + b"\n"


async def dump_to_file(database: Database, host: Host, tenant: str, scope: str, path: str) -> lines.Exported:
    """An export as a file, which is there whole or not at all; returns what it holds. Replaces a file of that name.

    Raises InvalidInput if the path can't be written, Conflict as `dump`.
    """
    return await write_file(dump(database, host, tenant, scope), path)


async def write_file(texts: AsyncIterator[bytes], path: str) -> lines.Exported:
    """Write an export that comes in pieces, as dump_to_file does. Raises EnvironmentFault if its end doesn't come."""
    tail = b""
    try:
        with _beside(path) as (file, part):
            async for text in texts:
                file.write(text)
                tail = (tail + text)[-_END_BYTES_MAX:]
            ended = _end_of(tail)
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)
    except OSError as error:
        raise InvalidInput(f"{path} can't be written: {error.strerror or error}") from None
    return ended


_END_BYTES_MAX = 1_000


def _end_of(tail: bytes) -> lines.Exported:
    try:
        ended = lines.decode(tail.rstrip(b"\n").rpartition(b"\n")[2], 2)
    except ImportRefused:
        ended = None
    if not isinstance(ended, lines.Exported):
        raise EnvironmentFault("the export broke off before its end; export again")
    return ended


@contextlib.contextmanager
def _beside(path: str) -> Iterator[tuple[IO[bytes], str]]:
    """A file next to `path`, to be moved there when it is whole; otherwise it is removed."""
    folder, name = os.path.split(os.path.abspath(path))
    descriptor, part = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            yield file, part
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def open_file(path: str) -> IO[bytes]:
    return open(path, "rb")


async def pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """An open file, in pieces that can be sent."""
    while piece := file.read(_PIECE_BYTES):
        yield piece
