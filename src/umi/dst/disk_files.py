"""What the files of a disk hold: the bytes that a process sees, the bytes that would survive, and what lies between.

Every change is an `Operation`, so that a list of them is the whole history of a disk: applied again one by one, it
gives the state at every moment, and `after_power_loss` what the power could have left of it then.
"""

from typing import Any, Literal, NamedTuple

from umi.dst.rng import Rng

Keep = Literal["none", "all", "prefix", "random"]
KEEPS: tuple[Keep, ...] = ("none", "all", "prefix", "random")

_SECTOR_KEPT = 0.45  # of the sectors of an unsynced write; a tenth is torn inside, the rest is lost
_SECTOR_TORN = 0.55


class DiskFault(Exception):
    """An operation failed; `kind` is the fault's name, or "missing" for a file that isn't there."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Operation(NamedTuple):
    """One change of one file. Kinds and what they use:

    create    the name
    write     offset, data
    truncate  offset: the new size, which may also be larger
    sync      everything so far survives; offset 1 if the folder was synced as well
    settle    data: what survives of this file although its sync failed; offset 1 if a process sees it at once
    flip      offset: the bit that turns over, in what is seen and in what survives
    delete    offset 1 if the folder was synced as well
    mark      note: anything the workload wants to find again; changes nothing
    """

    kind: Literal["create", "write", "truncate", "sync", "settle", "flip", "delete", "mark"]
    name: str
    offset: int = 0
    data: bytes = b""
    note: Any = None


class SimFile:
    """`data` is what a process reads; `durable` with any part of `unsynced` is what a power loss leaves."""

    __slots__ = ("data", "durable", "holder", "linked", "unsynced")

    def __init__(self, content: bytes | bytearray = b"", *, linked: bool = False) -> None:
        self.data = bytearray(content)
        self.durable = bytearray(content)
        self.unsynced: list[Operation] = []
        self.linked = linked  # its name survives as well
        self.holder: object | None = None  # the open handle that has locked it

    def clone(self) -> "SimFile":
        twin = SimFile(self.durable, linked=self.linked)
        twin.data = bytearray(self.data)
        twin.unsynced = list(self.unsynced)
        return twin

    def sync(self) -> None:
        for operation in self.unsynced:
            _change(self.durable, operation)
        self.unsynced.clear()
        self.linked = True


class DiskFiles:
    """The files of one disk by name.

    sector_bytes         what the hardware writes at once; a power loss may tear even that
    powersafe_overwrite  False: a torn sector is garbage as a whole, also beside the bytes that were being written
    """

    def __init__(self, sector_bytes: int = 4096, *, powersafe_overwrite: bool = True) -> None:
        self.sector_bytes = sector_bytes
        self.powersafe_overwrite = powersafe_overwrite
        self.by_name: dict[str, SimFile] = {}
        self._deleted: dict[str, SimFile] = {}  # their folder was not synced since: they may come back

    @property
    def unsettled(self) -> bool:
        """Whether a power loss now has more than one outcome."""
        return bool(self._deleted) or any(file.unsynced or not file.linked for file in self.by_name.values())

    def image(self) -> dict[str, bytes]:
        """What a process would read, by name."""
        return {name: bytes(file.data) for name, file in sorted(self.by_name.items())}

    def clone(self) -> "DiskFiles":
        twin = DiskFiles(self.sector_bytes, powersafe_overwrite=self.powersafe_overwrite)
        twin.by_name = {name: file.clone() for name, file in self.by_name.items()}
        twin._deleted = {name: file.clone() for name, file in self._deleted.items()}
        return twin

    def settled(self) -> "DiskFiles":
        """What a process would read now, safe from every power loss: a copy as a backup makes it."""
        twin = DiskFiles(self.sector_bytes, powersafe_overwrite=self.powersafe_overwrite)
        twin.by_name = {name: SimFile(file.data, linked=True) for name, file in self.by_name.items()}
        return twin

    def apply(self, operation: Operation) -> None:
        kind, name = operation.kind, operation.name
        if kind in {"write", "truncate"}:
            file = self.by_name[name]
            _change(file.data, operation)
            file.unsynced.append(operation)
        elif kind == "sync":
            self.by_name[name].sync()
            self._deleted.pop(name, None)
            if operation.offset:
                self._sync_folder()
        elif kind == "create":
            self.by_name[name] = SimFile()
        elif kind == "delete":
            self._delete(name, folder_synced=bool(operation.offset))
        elif kind == "settle":
            file = self.by_name[name]
            file.durable = bytearray(operation.data)
            file.unsynced.clear()
            if operation.offset:
                file.data = bytearray(operation.data)
        elif kind == "flip":
            file = self.by_name[name]
            _change(file.durable, operation)
            _change(file.data, operation)

    def _delete(self, name: str, *, folder_synced: bool) -> None:
        file = self.by_name.pop(name)
        if file.linked or name not in self._deleted:
            self._deleted[name] = file
        if folder_synced:
            self._sync_folder()

    def _sync_folder(self) -> None:
        self._deleted.clear()
        for file in self.by_name.values():
            file.linked = True

    def after_power_loss(self, rng: Rng, keep: Keep) -> tuple["DiskFiles", int]:
        """What the power leaves, as new files, and how many operations it took, wholly or in part.

        keep  none    nothing that wasn't synced
              all     everything
              prefix  of each file the operations up to some moment, the last of them torn
              random  each sector of each operation by chance
        """
        left = DiskFiles(self.sector_bytes, powersafe_overwrite=self.powersafe_overwrite)
        taken = 0
        for name in sorted({*self.by_name, *self._deleted}):
            file = self.by_name.get(name)
            if file is None or not file.linked:
                # Whether the name was made or removed is as open as everything else in the folder.
                newer = {"none": False, "all": True}.get(keep)
                if newer is None:
                    newer = rng.random() < 0.5
                if not newer:
                    taken += 1
                    file = self._deleted.get(name)
            if file is not None:
                content, lost = self.survivors(file, rng, keep)
                left.by_name[name] = SimFile(content, linked=True)
                taken += lost
        return left, taken

    def survivors(self, file: SimFile, rng: Rng, keep: Keep) -> tuple[bytearray, int]:
        """The content of one file after a power loss, and how many of its unsynced operations are not wholly in it."""
        content = bytearray(file.durable)
        unsynced = file.unsynced
        if keep == "none" or not unsynced:
            return content, len(unsynced)
        whole = len(unsynced) if keep == "all" else rng.randint(0, len(unsynced)) if keep == "prefix" else 0
        for operation in unsynced[:whole]:
            _change(content, operation)
        torn = unsynced[whole:] if keep == "random" else unsynced[whole : whole + 1]
        lost = len(unsynced) - whole - len(torn)
        for operation in torn:
            lost += not self._tear(content, operation, rng)
        return content, lost

    def _tear(self, content: bytearray, operation: Operation, rng: Rng) -> bool:
        """Let each sector of an operation be kept, lost or torn; whether all of it was kept."""
        if operation.kind == "truncate":
            kept = rng.random() < 0.5
            if kept:
                _change(content, operation)
            return kept
        start, end = operation.offset, operation.offset + len(operation.data)
        whole = True
        at = start
        while at < end:
            sector_end = (at // self.sector_bytes + 1) * self.sector_bytes
            upto = min(end, sector_end)
            piece = operation.data[at - start : upto - start]
            fate = rng.random()
            if fate < _SECTOR_KEPT:
                _put(content, at, piece)
            else:
                whole = False
                if fate < _SECTOR_TORN:
                    self._tear_inside(content, at, piece, sector_end, rng)
            at = upto
        return whole

    def _tear_inside(self, content: bytearray, at: int, piece: bytes, sector_end: int, rng: Rng) -> None:
        if not self.powersafe_overwrite:
            sector_start = sector_end - self.sector_bytes
            _put(content, sector_start, rng.bytes(max(at + len(piece), min(sector_end, len(content))) - sector_start))
        _put(content, at, piece[: rng.randint(0, len(piece))])


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _change(content: bytearray, operation: Operation) -> None:
    if operation.kind == "write":
        _put(content, operation.offset, operation.data)
    elif operation.kind == "truncate":
        _put(content, operation.offset, b"")
        del content[operation.offset :]
    elif operation.kind == "flip" and operation.offset < 8 * len(content):
        content[operation.offset // 8] ^= 1 << operation.offset % 8
