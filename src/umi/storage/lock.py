"""One process per database file: a lock the operating system releases when its holder dies, with the holder's pid."""

import contextlib
import fcntl
import os

from umi.errors import StoreError, StoreInUse, StoreReadOnly


class FileLock:
    """Held from construction to `release`. Raises StoreInUse, naming the holder's pid, or StoreReadOnly."""

    def __init__(self, database_path: str) -> None:
        # The real path: a symbolic link to the database must meet the same lock.
        path = f"{os.path.realpath(database_path)}.lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreReadOnly(f"can't write {path}: {error.strerror}; give a folder this user may write") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).strip()
            os.close(self._fd)
            raise StoreInUse(database_path, int(holder) if holder.isdigit() else None) from None
        except OSError as error:
            os.close(self._fd)
            raise StoreError(f"{path} can't be locked: {error.strerror}; keep the database on a local disk") from error
        # The pid is a courtesy: on a full disk the lock holds without it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        # The file stays: removing it would let two processes lock two different files of one name.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)  # a pid of a process that is gone must not be named
        os.close(self._fd)
