"""SQLite on a SimDisk: an apsw VFS. Imported when a disk is first mounted, since it needs apsw."""

import itertools
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import apsw

from umi.dst.clock import Clock
from umi.dst.disk_files import DiskFault, DiskFiles, SimFile
from umi.dst.rng import Rng

_CODES = {
    "disk.read_error": apsw.SQLITE_IOERR_READ,
    "disk.write_error": apsw.SQLITE_IOERR_WRITE,
    "disk.partial_write": apsw.SQLITE_IOERR_WRITE,
    "disk.sync_error": apsw.SQLITE_IOERR_FSYNC,
    "disk.sync_forgotten": apsw.SQLITE_IOERR_FSYNC,
    "disk.full": apsw.SQLITE_FULL,
    "disk.power_cut": apsw.SQLITE_IOERR,
    # As SQLite's own VFSes say it. Plain SQLITE_NOMEM comes from none: it leaves SQLite's cache of pages half undone.
    "disk.out_of_memory": apsw.SQLITE_IOERR_NOMEM,
}
_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
_JULIAN_DAY_OF_1970 = 2_440_587.5
_DAY_MS = 86_400_000
# SQLite keeps VFSes by name in one list per process; the name appears in no file and in no error.
_numbers = itertools.count(1)


def _failure(fault: DiskFault, missing: int = apsw.SQLITE_CANTOPEN) -> Exception:
    error = apsw.exception_for(_CODES.get(fault.kind, missing))
    error.args = (fault.kind,)
    return error


class Disk(Protocol):
    """What SimDisk does for a file of one of its mounts. Each may raise DiskFault."""

    clock: Clock

    def open(self, files: DiskFiles, name: str, *, create: bool) -> SimFile: ...
    def read(self, files: DiskFiles, name: str, file: SimFile, amount: int, offset: int) -> bytearray: ...
    def write(self, files: DiskFiles, name: str, data: bytes, offset: int) -> None: ...
    def truncate(self, files: DiskFiles, name: str, size: int) -> None: ...
    def sync(self, files: DiskFiles, name: str, *, folder_too: bool) -> None: ...
    def delete(self, files: DiskFiles, name: str, *, folder_synced: bool) -> None: ...


class SimVfs(apsw.VFS):
    """Finds files as `<folder of a mount>/<name>`. The disk owns it; the files of an ended process live as long as
    somebody has one of them open."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"umi-sim-{next(_numbers)}"
        # Weak, or a disk could only be freed by the collector of cycles: a campaign makes tens of thousands.
        self._disk = weakref.ref(disk)
        self._mounts: weakref.WeakValueDictionary[str, DiskFiles] = weakref.WeakValueDictionary()
        self._folder = ""
        self._rng = Rng("not mounted")
        self._temporary = itertools.count(1)
        super().__init__(self.name, base="", maxpathname=512)

    def begin(self, folder: str, files: DiskFiles, rng: Rng) -> None:
        """A process begins. SQLite's generator (salts of the log, random(), rowids) is one for the whole process and
        takes its seed from the default VFS, so this one is the default for as long as that takes."""
        self._folder, self._rng = folder, rng
        self._mounts[folder] = files
        usual = apsw.vfs_names()[0]
        apsw.set_default_vfs(self.name)
        try:
            apsw.randomness(0)
            apsw.randomness(1)
        finally:
            apsw.set_default_vfs(usual)

    def _find(self, path: str) -> tuple[Disk, DiskFiles, str]:
        folder, _, name = path.partition("/")
        disk, files = self._disk(), self._mounts.get(folder)
        if disk is None or files is None or not name:
            raise apsw.exception_for(apsw.SQLITE_CANTOPEN)
        return disk, files, name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        if name is None:
            path = f"{self._folder}/temporary-{next(self._temporary)}"
        else:
            path = name.filename() if isinstance(name, apsw.URIFilename) else name
        disk, files, name = self._find(path)
        try:
            file = disk.open(files, name, create=bool(flags[0] & apsw.SQLITE_OPEN_CREATE))
        except DiskFault as fault:
            raise _failure(fault) from None
        return _OpenFile(disk, files, name, file, flags[0])

    def xDelete(self, path: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        disk, files, name = self._find(path)
        try:
            disk.delete(files, name, folder_synced=syncdir)
        except DiskFault as fault:
            raise _failure(fault, apsw.SQLITE_IOERR_DELETE_NOENT) from None

    def xAccess(self, path: str, _flags: int) -> bool:  # noqa: N802 - SQLite's name
        _, files, name = self._find(path)
        return name in files.by_name

    def xFullPathname(self, name: str) -> str:  # noqa: N802 - SQLite's name
        return name

    def xRandomness(self, amount: int) -> bytes:  # noqa: N802 - SQLite's name
        return self._rng.bytes(amount)

    def xSleep(self, microseconds: int) -> int:  # noqa: N802 - SQLite's name
        return microseconds

    def xCurrentTime(self) -> float:  # noqa: N802 - SQLite's name
        return self.xCurrentTimeInt64() / _DAY_MS

    def xCurrentTimeInt64(self) -> int:  # noqa: N802 - SQLite's name
        disk = self._disk()
        now_ms = disk.clock.now_ms() if disk else 0
        return int(_JULIAN_DAY_OF_1970 * _DAY_MS) + now_ms


def _reported(work: Callable[..., Any]) -> Callable[..., Any]:
    """Let a fault of the disk reach SQLite as its result code."""

    def reporting(self: "_OpenFile", *args: Any) -> Any:
        try:
            return work(self, *args)
        except DiskFault as fault:
            raise _failure(fault) from None

    return reporting


class _OpenFile:
    """One open handle; the methods are those that SQLite calls."""

    def __init__(self, disk: Disk, files: DiskFiles, name: str, file: SimFile, flags: int) -> None:
        self._disk, self._files, self._name, self._file = disk, files, name, file
        self._once = bool(flags & apsw.SQLITE_OPEN_DELETEONCLOSE)
        # As SQLite's own VFS does on Unix: the first sync of a journal or log also syncs its folder, so that its name
        # survives, and the removal of an earlier one.
        self._folder_too = bool(flags & apsw.SQLITE_OPEN_CREATE and flags & _JOURNALS)

    @_reported
    def xRead(self, amount: int, offset: int) -> bytearray:  # noqa: N802 - SQLite's name
        return self._disk.read(self._files, self._name, self._file, amount, offset)

    @_reported
    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.write(self._files, self._name, bytes(data), offset)

    @_reported
    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.truncate(self._files, self._name, size)

    @_reported
    def xSync(self, _flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.sync(self._files, self._name, folder_too=self._folder_too)
        self._folder_too = False

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        return len(self._file.data)

    def xClose(self) -> None:  # noqa: N802 - SQLite's name
        self.xUnlock(apsw.SQLITE_LOCK_NONE)
        if self._once and self._name in self._files.by_name:
            self._disk.delete(self._files, self._name, folder_synced=False)

    def xLock(self, _level: int) -> None:  # noqa: N802 - SQLite's name
        if self._file.holder not in (None, self):
            raise apsw.exception_for(apsw.SQLITE_BUSY)
        self._file.holder = self

    def xUnlock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        if level == apsw.SQLITE_LOCK_NONE and self._file.holder is self:
            self._file.holder = None

    def xCheckReservedLock(self) -> bool:  # noqa: N802 - SQLite's name
        return self._file.holder not in (None, self)

    def xFileControl(self, _operation: int, _pointer: int) -> bool:  # noqa: N802 - SQLite's name
        return False

    def xSectorSize(self) -> int:  # noqa: N802 - SQLite's name
        return self._files.sector_bytes

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 - SQLite's name
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE if self._files.powersafe_overwrite else 0
