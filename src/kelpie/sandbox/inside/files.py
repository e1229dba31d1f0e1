"""The working folder: files that are there when the tool starts, and those that come back.

Paths are relative to the folder, parts joined by "/". The server checks them again: it believes nobody.
"""

from __future__ import annotations

import base64
import os
import stat

FOLDER = "/tmp/work"  # noqa: S108 - the call's own /tmp
_PATH_BYTES_MAX = 1024


def checked(path: str) -> str:
    """The path, if it is one that stays in its folder. Raises ValueError."""
    parts = path.split("/")
    if not path or "\0" in path or len(path.encode("utf-8", "surrogatepass")) > _PATH_BYTES_MAX:
        raise ValueError(f"'{path[:80]}' is no path of a file in the working folder")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"'{path[:80]}' leads out of the working folder, or nowhere: use names joined by '/'")
    return path


def place(files: dict[str, str], folder: str = FOLDER) -> None:
    """Write `files` ({path: base64}) into the folder, which is made if need be, and make it the current one."""
    try:
        os.chdir(folder)
    except FileNotFoundError:
        os.makedirs(folder)
        os.chdir(folder)
    for path, content in files.items():
        whole = os.path.join(folder, checked(path))
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "xb") as file:
            file.write(base64.b64decode(content))


def collect(count_max: int, bytes_max: int, folder: str = FOLDER) -> dict[str, str]:
    """The regular files of the folder as {path: base64}; links are not followed, and are left out like all that is
    no file. Raises ValueError if there are more, or larger ones, than may come back."""
    found: dict[str, str] = {}
    size = 0
    for top, _, names, top_fd in os.fwalk(folder, follow_symlinks=False):
        for name in names:
            path = os.path.relpath(os.path.join(top, name), folder)
            try:
                path.encode("utf-8")
                # Not blocking: what was a file a moment ago may be a pipe that nobody writes to.
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=top_fd)
            except UnicodeEncodeError:
                raise ValueError(f"the name of the file {path!r} is not UTF-8") from None
            except OSError:
                continue  # a link, or gone again
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    continue
                content = file.read(bytes_max - size + 1)
            size += len(content)
            if size > bytes_max or len(found) >= count_max:
                raise ValueError(f"the working folder holds more than {count_max:,} files or {bytes_max:,} bytes")
            found[path] = base64.b64encode(content).decode()
    return found
