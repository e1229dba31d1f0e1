"""What lies in a layer's folder. All of it blocks, so it runs off the event loop."""

import contextlib
import os
import shutil
import stat
from typing import NamedTuple

from kelpie.errors import LimitExceeded, ToolUnavailable
from kelpie.sandbox import limits

_FOLDER, _FILE = 0o555, 0o444


class Size(NamedTuple):
    files: int
    bytes: int


def measured(folder: str) -> Size:
    """Files and bytes below a folder, links not followed; what vanishes meanwhile is not counted."""
    files = total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(where, name)).st_size
                files += 1
    return Size(files, total)


def check(size: Size) -> None:
    """Raises LimitExceeded for more than a layer may hold."""
    if size.files > limits.LAYER_FILES_MAX:
        raise LimitExceeded("the packages of a tool", size.files, limits.LAYER_FILES_MAX, "files")
    if size.bytes > limits.LAYER_BYTES_MAX:
        raise LimitExceeded("the packages of a tool", size.bytes, limits.LAYER_BYTES_MAX, "bytes")


def seal(folder: str) -> Size:
    """Nobody writes here again, and everybody may read: inside, a call is somebody else.

    Raises ToolUnavailable for anything but files and folders (a link may lead anywhere), and LimitExceeded.
    """
    for where, folders, names in os.walk(folder, topdown=False):
        for name in (*folders, *names):
            path = os.path.join(where, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                os.chmod(path, _FOLDER)
            elif stat.S_ISREG(mode):
                os.chmod(path, _FOLDER if mode & stat.S_IXUSR else _FILE)
            else:
                raise ToolUnavailable(f"a package holds {name[:100]!r}, which is neither a file nor a folder")
    os.chmod(folder, _FOLDER)
    size = measured(folder)
    check(size)
    return size


def remove(folder: str) -> None:
    """The folder and all in it, sealed or not."""
    with contextlib.suppress(FileNotFoundError):
        for where, _, _ in os.walk(folder):
            os.chmod(where, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
