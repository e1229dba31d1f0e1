"""Queries of one source whose driver blocks: each on a worker thread, with a deadline, and stopped when told."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from kelpie.analyst import limits
from kelpie.analyst.workers import Job, Stopped, Workers
from kelpie.errors import QueryFailed
from umi.dst import Host

T = TypeVar("T")
R = TypeVar("R")
Interrupt = Callable[[], Awaitable[None]]


def too_slow(timeout_ms: float) -> QueryFailed:
    return QueryFailed(f"the query took longer than {timeout_ms:,.0f} ms and was stopped; narrow it down and ask again")


class Queries:
    """`release` blocks too: it gives back what the queries share, once none of them runs any more."""

    def __init__(self, host: Host, workers: Workers, release: Callable[[], None]) -> None:
        self._host = host
        self._workers = workers
        self._release = release
        self._running: dict[Job[Any], Interrupt] = {}
        self._closing = False

    async def run(
        self,
        work: Callable[[], T],
        interrupt: Interrupt,
        timeout_ms: float,
        late: Callable[[float], QueryFailed] = too_slow,
    ) -> tuple[T, float]:
        """What `work` gives, and how many ms that took. `interrupt` makes it end early; it is called until it has.

        Raises QueryFailed (`late` of the ms if it took longer; the source was closed first) and whatever `work` does.
        """
        if self._closing:
            raise QueryFailed("the source is closed")
        started_ms = self._host.clock.monotonic_ms()
        job = self._workers.start(work)
        self._running[job] = interrupt
        try:
            async with self._host.clock.timeout(timeout_ms):
                result = await job.wait()
        except TimeoutError as error:
            await job.stop(interrupt)
            raise late(timeout_ms) from error
        except Stopped as error:
            raise QueryFailed("the query was stopped before it began, because its source was closed") from error
        except BaseException:
            await job.stop(interrupt)  # after an error of its own there is nothing left to stop
            raise
        finally:
            del self._running[job]
            if self._closing and not self._running:
                self._release()
        return result, self._host.clock.monotonic_ms() - started_ms

    async def close(self) -> None:
        """Release, once the queries that run have ended: doing it now would take their results away."""
        if self._closing:
            return
        self._closing = True
        if not self._running:
            await self._workers.run(self._release)

    async def stop(self) -> None:
        """Stop what runs, then close."""
        running = list(self._running.items())
        for job, _ in running:
            job.call_off()
        for job, interrupt in running:
            await job.stop(interrupt)
        await self.close()


def first_line(error: BaseException) -> str:
    """What an engine said, without the drawing of where in the text it stumbled."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def within_columns(rows: Sequence[R]) -> list[R]:
    """The rows of a catalogue, whole. Raises QueryFailed: a part of a schema would look like all of it."""
    if len(rows) > limits.SOURCE_COLUMNS_MAX:
        raise QueryFailed(
            f"the source has more than {limits.SOURCE_COLUMNS_MAX:,} columns; connect to one with fewer tables, or to a"
            " schema made for analysts"
        )
    return list(rows)
