"""Every moment at which a recorded workload could have ended: the log of a SimDisk, replayed.

The workload runs once. Its operations are applied again one by one, and at each of them the process dies, or the power
goes: what that leaves is a disk of its own, for the real engine to recover on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from umi.dst.disk import SimDisk
from umi.dst.disk_files import KEEPS, DiskFiles, Keep, Operation
from umi.dst.rng import Rng


@dataclass(frozen=True, slots=True)
class Ending:
    """A disk as the end of a workload left it.

    at    how many operations of the log had happened
    keep  what was kept of the unsynced ones by a power loss, or None if only the process died
    note  of the last mark before, or None
    """

    at: int
    keep: Keep | None
    note: Any
    disk: SimDisk


def power_losses(
    log: Sequence[Operation],
    rng: Rng,
    *,
    sector_bytes: int = 4096,
    powersafe_overwrite: bool = True,
    keeps: Sequence[Keep] = KEEPS,
) -> Iterator[Ending]:
    """What a power loss after each operation and mark of `log` could have left, once for each of `keeps`.

    What would only repeat the ending before it is left out: "none" while nothing was synced, and every other `keep`
    while nothing is unsynced. Each disk has chance of its own, so that every ending can be repeated alone.
    """
    files = DiskFiles(sector_bytes, powersafe_overwrite=powersafe_overwrite)
    note: Any = None
    repeated = False
    for at, operation in enumerate(log, 1):
        files.apply(operation)
        if operation.kind == "mark":
            note = operation.note
        repeated = repeated and operation.kind in ("write", "truncate")
        for keep in keeps:
            if repeated if keep == "none" else not files.unsettled:
                continue
            chance = rng.fork(f"{at}/{keep}")
            left, taken = files.after_power_loss(chance.fork("left"), keep)
            disk = SimDisk(chance, files=left)
            if taken:
                disk.faults.fire("disk.lost_unsynced", taken)
            yield Ending(at, keep, note, disk)
        repeated = True


def kills(
    log: Sequence[Operation], rng: Rng, *, sector_bytes: int = 4096, powersafe_overwrite: bool = True
) -> Iterator[Ending]:
    """What the death of the process after each operation and mark of `log` leaves: all is seen, and what wasn't synced
    may still be lost to a power loss."""
    files = DiskFiles(sector_bytes, powersafe_overwrite=powersafe_overwrite)
    note: Any = None
    for at, operation in enumerate(log, 1):
        files.apply(operation)
        if operation.kind == "mark":
            note = operation.note
        yield Ending(at, None, note, SimDisk(rng.fork(f"{at}/killed"), files=files.clone()))
