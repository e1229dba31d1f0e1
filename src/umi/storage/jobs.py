"""What callers ask of a store, one job each, and how a job ends."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from umi.storage.changes import Changes, Write
from umi.storage.database import Row


@dataclass(slots=True)
class Read:
    queries: Sequence[tuple[str, tuple[Any, ...]]]
    over: Sequence[Write] = ()  # applied first and undone afterwards
    outcome: list[list[Row]] | Exception | None = None


@dataclass(slots=True)
class Commit:
    writes: Sequence[Write]
    scrub: bool = False
    outcome: list[Row] | Exception | None = None
    unscrubbed: Exception | None = None  # why, although it is durable, what it deleted may still be found


def commit_of(changes: Changes) -> Commit:
    """Copied: whoever runs it must not see what its caller adds meanwhile."""
    return Commit(tuple(changes.writes), changes.scrub)


@dataclass(slots=True)
class Batch:
    reads: list[Read] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """A read or commit, the caller that waits for it, and the hooks to run once it is durable."""

    work: Read | Commit
    done: asyncio.Future[Any]
    hooks: Sequence[Callable[[], None]] = ()

    def finish(self, broken: BaseException | None) -> None:
        """Run the hooks of a commit that is durable, then tell the caller. A hook that raises is a bug of its room:
        the others run all the same, and the caller hears of it."""
        outcome = broken or self.work.outcome
        if not isinstance(outcome, BaseException):
            for hook in self.hooks:
                try:
                    hook()
                except Exception as error:  # noqa: BLE001 - the boundary between rooms; raised in the committer
                    outcome = error
            if isinstance(self.work, Commit) and self.work.unscrubbed is not None:
                outcome = self.work.unscrubbed
        if self.done.done():
            return  # the caller went away
        if isinstance(outcome, BaseException):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


def batch_of(jobs: Iterable[Job]) -> Batch:
    batch = Batch()
    for job in jobs:
        if isinstance(job.work, Read):
            batch.reads.append(job.work)
        else:
            batch.commits.append(job.work)
    return batch


def fail(jobs: Iterable[Read | Commit], error: Exception) -> None:
    """Give `error` to every job that hasn't failed on its own, and to all that came after the first of these: they
    were judged on rows that nobody wrote, and a refusal would speak of what never was."""
    unwritten = False
    for job in jobs:
        unwritten = unwritten or not isinstance(job.outcome, Exception)
        if unwritten:
            job.outcome = error
