"""Who may have a database file open: one process, or several that all say they share it. The operating system releases
the lock when its holder dies; the lock's file names the holders' pids."""

import contextlib
import fcntl
import os

from umi.errors import StoreError, StoreInUse, StoreReadOnly

_NAMED_BYTES_MAX = 4096


class FileLock:
    """Held from construction to `release`. Raises StoreInUse, naming a holder's pid, or StoreReadOnly."""

    def __init__(self, database_path: str, *, shared: bool = False) -> None:
        # The real path: a symbolic link to the database must meet the same lock.
        path = f"{os.path.realpath(database_path)}.lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, 0o644)
        except OSError as error:
            raise StoreReadOnly(f"can't write {path}: {error.strerror}; give a folder this user may write") from error
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _living(os.pread(self._fd, _NAMED_BYTES_MAX, 0))
            os.close(self._fd)
            raise StoreInUse(database_path, holder) from None
        except OSError as error:
            os.close(self._fd)
            raise StoreError(f"{path} can't be locked: {error.strerror}; keep the database on a local disk") from error
        # The pid is a courtesy: on a full disk the lock holds without it.
        with contextlib.suppress(OSError):
            if not shared:
                os.ftruncate(self._fd, 0)
            if os.fstat(self._fd).st_size < _NAMED_BYTES_MAX:
                os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        # The file stays: removing it would let two processes lock two different files of one name. Who holds it alone,
        # or shared it and is the last, takes the names away: a pid of a process that is gone must not be named.
        with contextlib.suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
        os.close(self._fd)


def _living(names: bytes) -> int | None:
    """The first of the named processes that is there."""
    for name in names.split():
        if name.isdigit():
            with contextlib.suppress(ProcessLookupError, OverflowError):
                with contextlib.suppress(PermissionError):  # it is there, and somebody else's
                    os.kill(int(name), 0)
                return int(name)
    return None
