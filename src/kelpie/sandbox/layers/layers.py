"""Layers: a tool's packages, installed once however many calls ask for them at the same time."""

import asyncio
import contextlib
import hashlib
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Sequence

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.layers import folders
from kelpie.sandbox.layers.installing import install
from kelpie.sandbox.layers.requirements import read_requirements
from kelpie.sandbox.layers.source import read_source
from umi.dst import Host
from umi.dst.threads import in_thread

_FORMAT = 1  # changes when what lies in a layer does
_LAYER = re.compile(r"[0-9a-f]{64}")
_PACKAGES, _NOTE = "packages", "layer.json"
# What a wheel may depend on beside its own version.
_PYTHON = (sys.implementation.cache_tag, sysconfig.get_platform(), *platform.libc_ver())


class _Note(msgspec.Struct):
    """Beside the packages: what they are, and how much, so that a layer that lost something is known."""

    requirements: tuple[str, ...]
    files: int
    bytes: int


class Layers:
    """The layers of one server, in a folder of its own.

    packages  the setting KELPIE_PACKAGES: `public`, an index, a folder of wheels; "" where tools get no packages
    Raises InvalidInput for a setting that is none of these.
    """

    def __init__(self, host: Host, folder: str, packages: str = "") -> None:
        self._host = host
        self._folder = os.path.abspath(folder)
        self._source = read_source(packages)
        self._ready: set[str] = set()
        self._installing: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._places = asyncio.Semaphore(limits.LAYER_INSTALLS_AT_ONCE_MAX)
        self._tidying = asyncio.Lock()  # nothing is counted while something is removed
        self._clean = False

    async def folder_for(self, requirements: Sequence[str], language: str = "python") -> str:
        """The absolute path of a folder that holds these packages, to be bound read-only; "" if none are required.

        It stays for `LAYER_KEPT_MS` after it was last asked for. Cancelled, the caller goes on at once; the
        installation runs to its end for the next one.
        Raises InvalidInput for what is no requirement, ToolUnavailable if nothing can be installed here or this
        can't, LimitExceeded if it is too large.
        """
        wanted = read_requirements(requirements)
        if not wanted:
            return ""
        if language != "python":
            raise ToolUnavailable(
                f"packages are installed for tools in Python only; one in {language} has what its language brings"
            )
        if self._source is None:
            raise ToolUnavailable(
                "packages for tools are not configured: set KELPIE_PACKAGES to 'public', the address of an index,"
                " or a folder of wheels"
            )
        key = self._key(wanted)
        if key not in self._ready:
            await self._made(key, wanted)
        self._touch(key)
        return os.path.join(self._folder, key, _PACKAGES)

    def _key(self, wanted: tuple[str, ...]) -> str:
        source = self._source
        assert source is not None
        of = msgspec.json.encode([_FORMAT, _PYTHON, wanted, source.index, source.folder])
        return hashlib.sha256(of).hexdigest()

    async def _made(self, key: str, wanted: tuple[str, ...]) -> None:
        until_ms, failure = self._failed.get(key, (0.0, ""))
        if failure and self._host.clock.monotonic_ms() < until_ms:
            raise ToolUnavailable(failure)
        task = self._installing.get(key)
        if task is None:
            if len(self._installing) >= limits.LAYER_INSTALLS_WAITING_MAX:
                raise ToolUnavailable("too many tools wait for their packages: try again in a minute")
            task = self._host.spawn(self._make(key, wanted), "package layer")
            self._installing[key] = task
            task.add_done_callback(lambda done: self._settled(key, done))
        await asyncio.shield(task)

    def _settled(self, key: str, task: asyncio.Task[None]) -> None:
        del self._installing[key]
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, ToolUnavailable):
            # Believed for a while: an agent that tries again at once asks nobody's index.
            while len(self._failed) >= limits.LAYER_FAILURES_KEPT_MAX:
                del self._failed[next(iter(self._failed))]
            self._failed[key] = (self._host.clock.monotonic_ms() + limits.LAYER_FAILED_AGAIN_MS, str(failure))

    async def _make(self, key: str, wanted: tuple[str, ...]) -> None:
        assert self._source is not None
        async with self._places:
            if not self._clean:
                await in_thread(_sweep, self._folder)
                self._clean = True
            path = os.path.join(self._folder, key)
            if not await in_thread(_is_whole, path):
                await in_thread(folders.remove, path)
                await self._make_room()
                await self._install(wanted, path)
            self._ready.add(key)

    async def _install(self, wanted: tuple[str, ...], path: str) -> None:
        assert self._source is not None
        staging = os.path.join(self._folder, f".staging-{self._host.ids.uuid()}")
        fresh = os.path.join(staging, "layer")
        packages = os.path.join(fresh, _PACKAGES)
        os.makedirs(packages, mode=0o755)
        try:
            await install(self._host, wanted, self._source, staging, packages)
            size = await in_thread(folders.seal, packages)
            note = msgspec.json.encode(_Note(wanted, size.files, size.bytes))
            await in_thread(_write, os.path.join(fresh, _NOTE), note)
            os.rename(fresh, path)
            os.utime(path, ns=(0, self._host.clock.now_ms() * 1_000_000))
        finally:
            await in_thread(folders.remove, staging)

    async def _make_room(self) -> None:
        """For one layer more: what was not asked for longest goes first, and nothing that may be in use.

        Raises ToolUnavailable if all are in use.
        """
        async with self._tidying:
            found = await in_thread(_listed, self._folder)
            count, total = len(found), sum(size for _, size, _ in found)
            oldest_ms = self._host.clock.now_ms() - limits.LAYER_KEPT_MS
            for used_ms, size, key in sorted(found):
                if count < limits.LAYERS_MAX and total <= limits.LAYERS_BYTES_MAX - limits.LAYER_BYTES_MAX:
                    break
                if used_ms > oldest_ms:
                    raise ToolUnavailable(f"{count} layers of packages are in use, and there is no room for another")
                self._ready.discard(key)
                gone = os.path.join(self._folder, f".gone-{key}")
                os.rename(os.path.join(self._folder, key), gone)
                await in_thread(folders.remove, gone)
                count, total = count - 1, total - size

    def _touch(self, key: str) -> None:
        with contextlib.suppress(OSError):
            os.utime(os.path.join(self._folder, key), ns=(0, self._host.clock.now_ms() * 1_000_000))


def _sweep(folder: str) -> None:
    """What a server left that ended while it installed or removed something. The folder is one server's alone."""
    os.makedirs(folder, mode=0o755, exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith((".staging-", ".gone-")):
            folders.remove(os.path.join(folder, name))


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _note(path: str) -> _Note | None:
    try:
        with open(os.path.join(path, _NOTE), "rb") as file:
            return msgspec.json.decode(file.read(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return None


def _is_whole(path: str) -> bool:
    """Whether it holds what its note says: a machine that lost power may have kept names without contents."""
    note = _note(path)
    return note is not None and folders.measured(os.path.join(path, _PACKAGES)) == (note.files, note.bytes)


def _listed(folder: str) -> list[tuple[int, int, str]]:
    """(when it was last asked for in ms, bytes, key) of each layer."""
    found = []
    for key in os.listdir(folder):
        path = os.path.join(folder, key)
        if _LAYER.fullmatch(key):
            note = _note(path)
            found.append((os.stat(path).st_mtime_ns // 1_000_000, note.bytes if note is not None else 0, key))
    return found
