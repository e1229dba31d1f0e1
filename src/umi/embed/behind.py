"""Embedding behind the write: facts are stored and found by their words at once, and get their vectors afterwards.

What is left to do follows from the rows (see vectors.py), so that nothing is lost with this object: after a crash at
most one batch is embedded again. An embedder that fails, hangs or lies costs its own vectors and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from umi import limits
from umi.dst import Host
from umi.embed.embedder import Embedder, check_dimensions, check_name, embedded
from umi.embed.vectors import Batch, Waiting, next_batch, packed, plan_seen, plan_vectors, scopes_behind
from umi.errors import CallerError, InternalError, ModelError, StoreClosed, UmiError
from umi.storage import Database, View

if TYPE_CHECKING:  # numpy is imported by the first vector
    import numpy as np

_SCOPES_AT_ONCE = 100
# What an embedder says of a text that it can't take. Of a wrong address it may say the same, so it is asked again.
_REFUSALS = frozenset({"bad_request", "context_overflow"})
_HARMLESS = "a word"


@dataclass(frozen=True, slots=True)
class State:
    """embedded  facts that got a vector since this object was made
    refused      facts that the embedder can't take; they are found by their words alone
    failures     how many times in a row it failed; 0 once it works again
    last_error   what went wrong last, also if it went well since
    retry_at_ms  when it is tried again (wall time), or None if it isn't waiting
    """

    embedder: str
    embedded: int = 0
    refused: int = 0
    failures: int = 0
    last_error: str | None = None
    retry_at_ms: int | None = None


class Behind:
    """Gives facts of a database the vectors of one embedder.

    A store has the vectors of one embedder: where another made them, they are not used and made anew, scope by scope.
    Raises InvalidInput for an embedder whose name or dimensions can't be.
    """

    def __init__(self, database: Database, embedder: Embedder, host: Host) -> None:
        check_name(embedder.name)
        check_dimensions(embedder.dimensions)
        self.embedder = embedder
        self._view = View(database)
        self._host = host
        self._rng = host.rng.fork("embed")
        self._turn = asyncio.Lock()
        # Scopes with something to do, and where their next batch begins (None: where the store says).
        self._waiting: dict[tuple[str, str], tuple[int, int] | None] = {}
        self._looks_everywhere = True  # the store may hold what an earlier process left
        self._state = State(embedder.name)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Behind {self.embedder.name}>"

    def state(self) -> State:
        return self._state

    def wake(self, tenant: str | None = None, scope: str | None = None) -> None:
        """Something was committed: go to work unless at work. With a scope, only there, which spares looking at
        every scope's revision. Waiting after a failure, it goes on waiting."""
        if tenant is None or scope is None:
            self._looks_everywhere = True
        else:
            self._waiting.setdefault((tenant, scope), None)
        if not self._closed and (self._task is None or self._task.done()):
            self._task = self._host.spawn(self._work(), f"embed with {self.embedder.name}")

    async def drain(self) -> State:
        """Return when every fact that is stored now has its vector, or was refused. Raises what the embedder or the
        store raises, without trying again."""
        self._looks_everywhere = True
        try:
            await self._work_off()
        except UmiError as error:
            self._failed(error, None)
            raise
        return self._state

    async def close(self) -> None:
        """Stop. What isn't done yet is done when the store is next used."""
        self._closed = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while self._looks_everywhere or self._waiting:
            try:
                await self._work_off()
            except StoreClosed:
                return
            except (UmiError, OSError) as error:
                if isinstance(error, InternalError):
                    raise
                await self._pause(error)

    async def _pause(self, error: Exception) -> None:
        doubled = limits.EMBED_RETRY_DELAY_MS_MIN * 2.0 ** min(self._state.failures, 30)
        delay_ms = min(doubled, limits.EMBED_RETRY_DELAY_MS_MAX) * (0.5 + self._rng.random() / 2)
        self._failed(error, self._host.clock.now_ms() + round(delay_ms))
        await self._host.clock.sleep(delay_ms)
        self._state = replace(self._state, retry_at_ms=None)

    def _failed(self, error: Exception, retry_at_ms: int | None) -> None:
        text = str(error)[: limits.WIRE_ERROR_MESSAGE_CHARS_MAX]
        failures = self._state.failures + 1
        self._state = replace(self._state, failures=failures, last_error=text, retry_at_ms=retry_at_ms)

    async def _work_off(self) -> None:
        """A batch of each scope in turn: one with much to do delays no other's new facts."""
        async with self._turn:
            while self._waiting or self._looks_everywhere:
                if not self._waiting:
                    found = await scopes_behind(self._view, self.embedder.name, _SCOPES_AT_ONCE)
                    self._looks_everywhere = len(found) == _SCOPES_AT_ONCE
                    self._waiting.update(dict.fromkeys(found))
                    continue
                at = next(iter(self._waiting))
                after = self._waiting.pop(at)
                try:
                    batch = await next_batch(
                        self._view, *at, self.embedder.name, after=after, limit=limits.EMBED_BATCH_TEXTS_MAX
                    )
                    await self._finish(*at, batch)
                except BaseException:
                    self._waiting.setdefault(at, after)
                    raise
                if not batch.is_whole:
                    self._waiting[at] = batch.after  # what changed meanwhile comes after it
            self._state = replace(self._state, failures=0)

    async def _finish(self, tenant: str, scope: str, batch: Batch) -> None:
        taken, rows, refused = await self._embed(batch.facts)
        changes = plan_vectors(tenant, scope, taken, packed(rows) if taken else [], self.embedder.name)
        await self._view.database.commit(plan_seen(changes, tenant, scope, batch, self.embedder.name))
        self._state = replace(
            self._state,
            embedded=self._state.embedded + len(taken),
            refused=self._state.refused + refused,
            failures=0 if batch.facts else self._state.failures,
        )

    async def _embed(self, facts: Sequence[Waiting]) -> "tuple[list[Waiting], np.ndarray[Any, Any], int]":
        """The facts that the embedder takes, their vectors, and how many it refuses."""
        import numpy as np

        empty = np.zeros((0, self.embedder.dimensions), np.float32)
        if not facts:
            return [], empty, 0
        try:
            return list(facts), await self._vectors(facts), 0
        except UmiError as error:
            if not _refuses(error):
                raise
            if len(facts) == 1:
                await embedded(self.embedder, [_HARMLESS], self._host)  # raises if it refuses everything
                return [], empty, 1
        middle = len(facts) // 2
        first, second = await self._embed(facts[:middle]), await self._embed(facts[middle:])
        return first[0] + second[0], np.concatenate([first[1], second[1]]), first[2] + second[2]

    async def _vectors(self, facts: Sequence[Waiting]) -> "np.ndarray[Any, Any]":
        return await embedded(self.embedder, [fact.text for fact in facts], self._host)


def _refuses(error: UmiError) -> bool:
    """Whether repeating it unchanged can't help, so that one of the texts may be to blame."""
    return isinstance(error, CallerError) or (isinstance(error, ModelError) and error.model_error_kind in _REFUSALS)
