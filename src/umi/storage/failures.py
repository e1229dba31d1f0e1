"""What SQLite and the machine under it do wrong, in our words."""

import os

import apsw

from umi.errors import (
    Conflict,
    InvalidInput,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
)

_MAGIC = b"SQLite format 3\0"
# What a call of SQLite raises. Where Python itself finds no memory for the answer, it is Python's own error.
FAILURES = (apsw.Error, MemoryError)
# A row that breaks these was wrong before it came here; nobody else's change made it so.
_OUR_BUGS = {
    apsw.SQLITE_CONSTRAINT_CHECK,
    apsw.SQLITE_CONSTRAINT_DATATYPE,
    apsw.SQLITE_CONSTRAINT_NOTNULL,
}


def refuse_unusable(path: str) -> None:
    """What SQLite would let pass: it opens a read-only file and fails at the first write, and takes a file that is
    too short for a database (somebody's notes) for an empty one."""
    if not os.path.isfile(path):
        return
    if not os.access(path, os.W_OK):
        raise StoreReadOnly(f"{path} is read-only; make it writable for this user")
    with open(path, "rb") as file:
        start = file.read(len(_MAGIC))
    # With a journal beside it, a file may be half created: SQLite completes or undoes that itself.
    if start not in (b"", _MAGIC) and not os.path.exists(f"{path}-journal"):
        raise damaged(path, f"it starts with {start!r}")


def has_log(path: str) -> bool:
    """Whether something stands in the write-ahead log that may not be in the file."""
    log = f"{path}-wal"
    return os.path.exists(log) and os.path.getsize(log) > 0


def damaged(path: str, how: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is damaged or not a database ({how}); restore it from a backup")


def foreign(path: str, whose: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is a database of another program ({whose}); choose another file")


def _extended(error: Exception) -> int:
    return int(getattr(error, "extendedresult", 0))  # set by apsw on every error that SQLite reported


def _of_value(error: UnicodeError | OverflowError, path: str) -> Exception:
    if isinstance(error, UnicodeEncodeError):
        return InvalidInput(f"a text holds {error.object[error.start]!a}, which is no character; leave it out")
    if isinstance(error, UnicodeDecodeError):  # nobody could have written it
        return damaged(path, f"a text holds the bytes {error.object[error.start : error.end].hex()}")
    return InvalidInput("a number does not fit into 64 bits; nothing was written")


def translate(error: Exception, path: str) -> Exception:
    """The error in our words, with what to do about it; one that is our own bug as it is."""
    translated: Exception
    match error:
        case UnicodeError() | OverflowError():
            translated = _of_value(error, path)
        case apsw.ConstraintError() if _extended(error) not in _OUR_BUGS:
            translated = Conflict(str(error))
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            translated = StoreInUse(path, None)
        case apsw.NotADBError() | apsw.CorruptError():
            translated = damaged(path, str(error))
        case apsw.FullError():
            translated = StoreFull(f"the disk holding {path} is full; nothing was written, free some space")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            translated = StoreReadOnly(f"{path} can't be opened for writing ({error}); check folder and permissions")
        case _ if isinstance(error, apsw.NoMemError | MemoryError) or _extended(error) == apsw.SQLITE_IOERR_NOMEM:
            translated = StoreError(
                f"the process ran out of memory while it used {path}; nothing was written, give it more and try again"
            )
        case apsw.IOError():
            translated = StoreError(f"the disk under {path} failed: {error}")
        case _:
            return error  # SQL of ours that is wrong: our bug, shown as it is
    translated.__cause__ = error
    return translated
