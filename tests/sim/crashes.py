"""The ledger's workload, run once and ended everywhere: what the real engine recovers, and what that is worth.

As a program it lives through one seed and prints what came of it, as JSON: `python crashes.py SEED`.
"""

import contextlib
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass

import apsw

from sim.ledger import CHECKED, Teller, open_ledger, run
from umi import limits
from umi.dst import Rng
from umi.dst.disk import SimDisk
from umi.dst.disk_replay import power_losses
from umi.errors import StoreCorrupt, StoreError
from umi.storage.engine import Read

WAL_PAGES = 24  # between two checkpoints, so that a short workload has several


@contextlib.contextmanager
def frequent_checkpoints(pages=WAL_PAGES):
    before, limits.WAL_PAGES_BEFORE_CHECKPOINT = limits.WAL_PAGES_BEFORE_CHECKPOINT, pages
    try:
        yield
    finally:
        limits.WAL_PAGES_BEFORE_CHECKPOINT = before


@dataclass(frozen=True)
class Recording:
    """One workload: every operation of the disk with notes of what may be on it, and the rows after each group."""

    seed: str
    log: list
    history: list
    outcomes: list
    acknowledged: int
    image: dict
    options: dict  # of the disk, as far as a replay needs them

    def endings(self, replay=power_losses, **more):
        """Each ending with the row sets that are right for it."""
        for ending in replay(self.log, Rng(f"{self.seed}/endings"), **self.options, **more):
            yield ending, ending.note or [self.history[0]]


def record(seed, *, steps=40, synchronous=None, lying_sync=False, **options):
    log = []
    disk = SimDisk(Rng(f"{seed}/disk"), log=log, lying_sync=lying_sync, **options)
    with frequent_checkpoints():
        engine = open_ledger(disk)
        if synchronous is not None:
            engine._execute(f"PRAGMA synchronous={synchronous}")
        teller = Teller(disk, engine, Rng(f"{seed}/bank"))
        for _ in range(steps):
            teller.step()
        engine.close()
    return Recording(seed, log, teller.history, teller.outcomes, teller.acknowledged, disk.files.image(), options)


def recover(disk):
    """What a new process finds: the answers to CHECKED, or why there are none. Closes what it opened."""
    try:
        engine = open_ledger(disk)
    except (StoreCorrupt, apsw.SQLError) as error:  # the second: a schema that contradicts itself
        return error
    ((found,), _) = run(engine, reads=[Read(CHECKED)])
    engine.close()
    return found


def judge(found, allowed, history):
    """`found` is right if its rows are `allowed`; if not, what is wrong with them."""
    if isinstance(found, StoreCorrupt | apsw.SQLError):
        return "damaged"
    assert not isinstance(found, Exception), repr(found)
    integrity, dangling, *rows = found
    if integrity != [("ok",)] or dangling:
        return "damaged"
    rows = tuple(rows)
    if rows in allowed:
        return "right"
    return "lost" if rows in history else "half"


def lose_power(recordings, **more):
    """(verdicts, faults) over every ending of every recording."""
    verdicts, fired = Counter(), Counter()
    for recording in recordings:
        for ending, allowed in recording.endings(**more):
            verdicts[judge(recover(ending.disk), allowed, recording.history)] += 1
            fired += ending.disk.faults.fired
    return verdicts, fired


def lose_power_twice(recordings, **more):
    """The same, but the power also fails while the engine recovers, and then it recovers again."""
    verdicts, fired = Counter(), Counter()
    for recording in recordings:
        for ending, allowed in recording.endings(**more):
            disk = ending.disk
            disk.cut_power_after(disk.rng.randint(0, 60), "disk.crash_in_recovery")
            with contextlib.suppress(StoreError):
                recover(disk)
            disk.crash()
            verdicts[judge(recover(disk), allowed, recording.history)] += 1
            fired += disk.faults.fired
    return verdicts, fired


def work_on(disk, seed, steps=3):
    """A process that finds what was recovered and goes on; its rows when the power goes again, and after that."""
    engine = open_ledger(disk)
    teller = Teller(disk, engine, Rng(f"{seed}/next"))
    teller.take_over()
    for _ in range(steps):
        teller.step()
    disk.crash()
    engine.close()
    return teller.rows, recover(disk)


def summary(seed):
    """Everything that has to be the same whenever this seed is run."""
    recording = record(seed, steps=25)
    found = hashlib.sha256()
    verdicts = Counter()
    for number, (ending, allowed) in enumerate(recording.endings()):
        verdicts[judge(recover(ending.disk), allowed, recording.history)] += 1
        if number % 10 == 0:
            found.update(_digest(ending.disk.files.image()).encode())
    return {
        "files": _digest(recording.image),
        "log": hashlib.sha256(repr([op[:4] for op in recording.log]).encode()).hexdigest(),
        "outcomes": recording.outcomes,
        "verdicts": dict(sorted(verdicts.items())),
        "recovered": found.hexdigest(),
    }


def _digest(image):
    digest = hashlib.sha256()
    for name, content in sorted(image.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(summary(sys.argv[1])))
