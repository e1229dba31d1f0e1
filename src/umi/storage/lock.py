"""One process per database file: a lock the operating system releases when its holder dies, with the holder's pid."""

import fcntl
import os

from umi.errors import StoreInUse, StoreReadOnly


class FileLock:
    """Held from construction to `release`. Raises StoreInUse, naming the holder's pid, or StoreReadOnly."""

    def __init__(self, database_path: str) -> None:
        path = f"{database_path}.lock"
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
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        # The file stays: removing it would let two processes lock two different files of one name.
        os.close(self._fd)
