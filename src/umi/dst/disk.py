"""A disk in memory that loses power, lies and fails under one seed: the real storage engine runs on it, through SQLite.

    disk = SimDisk(Rng("a seed"))
    engine = Engine(f"{disk.mount()}/store.db", migrations, vfs=disk.vfs)
    …
    disk.crash()                                   # the power goes
    engine.close()                                 # the dead process reaches nothing any more
    engine = Engine(f"{disk.mount()}/store.db", migrations, vfs=disk.vfs)

SQLite works on it in WAL with locking_mode=EXCLUSIVE alone: a VFS in Python has no shared memory.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from umi.dst.clock import Clock, ManualClock
from umi.dst.disk_files import KEEPS, DiskFault, DiskFiles, Keep, Operation, SimFile
from umi.dst.faults import Faults
from umi.dst.rng import Rng

if TYPE_CHECKING:  # apsw is imported when a process first opens a file here
    from umi.dst.disk_vfs import SimVfs

_LATENCY_MS_MAX = 500
_MISDIRECTED_SECTORS_MAX = 8


class SimDisk:
    """A disk, and the process that has mounted it.

    sector_bytes, powersafe_overwrite   see DiskFiles
    lying_sync      every sync reports success and keeps nothing
    capacity_bytes  the size of the disk, or None for one that fills up only by `faults`
    faults          what else goes wrong; its own, from `rng`, unless given
    clock           what SQLite takes for the time
    log             every operation is appended to it, if given: see umi.dst.disk_replay
    on_delay        called with the cost, in virtual ms, of an operation that takes long
    on_power_cut    called when the power fails in the middle of the work

    A process is what `mount` begins and the next `mount` or `crash` ends. What an ended one still does goes to files of
    its own that nobody else sees: SQLite checkpoints and deletes by name when a connection is closed late, and must
    not reach its successor's files. `stale_operations` counts the writes that went there.
    """

    def __init__(
        self,
        rng: Rng,
        *,
        sector_bytes: int = 4096,
        powersafe_overwrite: bool = True,
        lying_sync: bool = False,
        capacity_bytes: int | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
        log: list[Operation] | None = None,
        on_delay: Callable[[int], None] | None = None,
        on_power_cut: Callable[[], None] | None = None,
        files: DiskFiles | None = None,
    ) -> None:
        self.rng = rng
        self.files = files or DiskFiles(sector_bytes, powersafe_overwrite=powersafe_overwrite)
        self.lying_sync = lying_sync
        self.capacity_bytes = capacity_bytes
        self.faults = faults or Faults(rng.fork("faults"))
        self.clock: Clock = clock or ManualClock()
        self.log = log
        self.on_delay = on_delay
        self.on_power_cut = on_power_cut
        self.delayed_ms = 0
        self.stale_operations = 0
        self.operations = 0  # of living processes, reads included
        self.mounts = 0
        self.folder = ""  # of the living process
        self.crashes = 0
        self.powered = True
        self._cut_at: int | None = None
        self._cut_kind = ""
        self._vfs: SimVfs | None = None

    # --- processes and power ------------------------------------------------------------------------------------------

    @property
    def vfs(self) -> str:
        """The name under which SQLite knows this disk while the disk exists."""
        return self._mounted_vfs().name

    def _mounted_vfs(self) -> "SimVfs":
        if self._vfs is None:
            from umi.dst.disk_vfs import SimVfs

            self._vfs = SimVfs(self)
        return self._vfs

    def mount(self) -> str:
        """Begin a process; returns the folder in which it finds the files. SQLite's own chance restarts from the seed.

        A process that was alive before is killed: what it wrote is seen, synced or not.
        """
        self.mounts += 1
        if self.mounts > 1:
            self.files = self.files.clone()
        self.folder = f"mount-{self.mounts}"
        self._mounted_vfs().begin(self.folder, self.files, self.rng.fork(f"sqlite/{self.mounts}"))
        return self.folder

    def crash(self, keep: Keep | None = None) -> None:
        """A power loss, which also ends the log. `keep` says what is left of what wasn't synced, unless drawn."""
        self.crashes += 1
        rng = self.rng.fork(f"crash/{self.crashes}")
        self.files, taken = self.files.after_power_loss(rng, keep or KEEPS[rng.randint(0, len(KEEPS) - 1)])
        if taken:
            self.faults.fire("disk.lost_unsynced", taken)
        self.powered, self._cut_at, self.log = True, None, None

    def replace(self, files: DiskFiles) -> None:
        """Another disk in its place. The process that had this one mounted has to be dead."""
        self.files = files
        self.powered, self._cut_at, self.log = True, None, None

    def cut_power_after(self, operations: int, kind: str = "disk.power_cut") -> None:
        """Let so many operations pass, then fail all until `crash` decides what is left. `kind` is counted then."""
        self._cut_at, self._cut_kind = self.operations + operations, kind

    def keep_power(self) -> None:
        """Take back what `cut_power_after` was told."""
        self._cut_at = None

    def flip_bit(self, name: str, bit: int) -> None:
        """Turn over one bit at rest."""
        self._do(Operation("flip", name, bit))
        self.faults.fire("disk.bit_flip")

    def mark(self, note: Any) -> None:
        """Put a note of the workload's into the log, to be found again at each point of it."""
        if self.log is not None:
            self.log.append(Operation("mark", "", note=note))

    # --- what a process does, called by the VFS -----------------------------------------------------------------------

    def _do(self, operation: Operation) -> None:
        if self.log is not None:
            self.log.append(operation)
        self.files.apply(operation)

    def _begin(self, name: str) -> None:
        """One more operation of a living process: its cost, and whether there is power for it."""
        self.operations += 1
        if self.powered and self._power_goes(name):
            self.powered = False
            if self.on_power_cut is not None:
                self.on_power_cut()
        if not self.powered:
            raise DiskFault("disk.power_cut")
        if self.faults.armed and self.faults.happens("disk.latency", name):
            cost_ms = self.faults.draws("disk.latency").randint(1, _LATENCY_MS_MAX)
            self.delayed_ms += cost_ms
            if self.on_delay is not None:
                self.on_delay(cost_ms)

    def _power_goes(self, name: str) -> bool:
        if self._cut_at is not None and self.operations > self._cut_at:
            self.faults.fire(self._cut_kind)
            return True
        return self.faults.armed and self.faults.happens("disk.power_cut", name)

    def _allocate(self, name: str) -> None:
        """What an operation on content needs memory for, in the process and not on the disk."""
        if self.faults.happens("disk.out_of_memory", name):
            raise DiskFault("disk.out_of_memory")

    def open(self, files: DiskFiles, name: str, *, create: bool) -> SimFile:
        if files is self.files:
            self._begin(name)
        if name not in files.by_name:
            if not create:
                raise DiskFault("missing")
            self._change(files, Operation("create", name))
        return files.by_name[name]

    def read(self, files: DiskFiles, name: str, file: SimFile, amount: int, offset: int) -> bytearray:
        if files is self.files:
            self._begin(name)
            if self.faults.armed:
                self._allocate(name)
                if self.faults.happens("disk.read_error", name):
                    raise DiskFault("disk.read_error")
                there = min(amount, len(file.data) - offset)
                if there > 0 and self.faults.happens("disk.short_read", name):
                    amount = self.faults.draws("disk.short_read").randint(0, there - 1)
        return file.data[offset : offset + amount]

    def write(self, files: DiskFiles, name: str, data: bytes, offset: int) -> None:
        if files is self.files:
            self._begin(name)
            if self.faults.armed:
                data, offset = self._bent(name, data, offset)
            self._find_space(name, offset + len(data))
        self._change(files, Operation("write", name, offset, data))

    def _bent(self, name: str, data: bytes, offset: int) -> tuple[bytes, int]:
        """The write as the faults let it happen."""
        faults = self.faults
        self._allocate(name)
        if faults.happens("disk.write_error", name):
            raise DiskFault("disk.write_error")
        if faults.happens("disk.full", name):
            raise DiskFault("disk.full")
        if faults.happens("disk.partial_write", name):
            written = faults.draws("disk.partial_write").randint(0, len(data) - 1)
            self._do(Operation("write", name, offset, data[:written]))
            raise DiskFault("disk.partial_write")
        if faults.happens("disk.misdirected_write", name):
            sectors = faults.draws("disk.misdirected_write").randint(1, _MISDIRECTED_SECTORS_MAX)
            offset += sectors * self.files.sector_bytes
        return data, offset

    def _find_space(self, name: str, end: int) -> None:
        if self.capacity_bytes is None or end <= len(self.files.by_name[name].data):
            return
        others = sum(len(file.data) for other, file in self.files.by_name.items() if other != name)
        if others + end > self.capacity_bytes:
            self.faults.fire("disk.full")
            raise DiskFault("disk.full")

    def truncate(self, files: DiskFiles, name: str, size: int) -> None:
        if files is self.files:
            self._begin(name)
            if self.faults.armed:
                self._allocate(name)
                if self.faults.happens("disk.write_error", name):
                    raise DiskFault("disk.write_error")
        self._change(files, Operation("truncate", name, size))

    def sync(self, files: DiskFiles, name: str, *, folder_too: bool = False) -> None:
        if files is self.files:
            self._begin(name)
            if self.faults.armed:
                self._fail_sync(name)
            if self.lying_sync or (self.faults.armed and self.faults.happens("disk.lying_sync", name)):
                if self.lying_sync:
                    self.faults.fire("disk.lying_sync")
                return
        self._change(files, Operation("sync", name, int(folder_too)))

    def _fail_sync(self, name: str) -> None:
        self._allocate(name)
        if self.faults.happens("disk.sync_error", name):
            raise DiskFault("disk.sync_error")
        if self.faults.happens("disk.sync_forgotten", name):
            rng = self.faults.draws("disk.sync_forgotten")
            content, _ = self.files.survivors(self.files.by_name[name], rng, "random")
            self._do(Operation("settle", name, int(rng.random() < 0.5), bytes(content)))
            raise DiskFault("disk.sync_forgotten")

    def delete(self, files: DiskFiles, name: str, *, folder_synced: bool) -> None:
        if files is self.files:
            self._begin(name)
        if name not in files.by_name:
            raise DiskFault("missing")
        self._change(files, Operation("delete", name, int(folder_synced)))

    def _change(self, files: DiskFiles, operation: Operation) -> None:
        if files is self.files:
            self._do(operation)
        else:
            self.stale_operations += 1
            files.apply(operation)
