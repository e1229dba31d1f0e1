"""cpio archives in the format "newc", as Documentation/driver-api/early-userspace/buffer-format.rst describes it: what
the kernel unpacks into its first file system. Archives may follow each other; the kernel unpacks all of them.

Everything belongs to root and has no date, so that the same files give the same bytes.
"""

import os
import stat
from typing import IO

_BLOCK_BYTES = 4


class Archive:
    """Writes entries one after the other. Parents must come before what lies in them; `close` writes the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._entries = 0
        self._folders: set[str] = set()

    def folder(self, path: str, mode: int = 0o755) -> None:
        """`path` is absolute in the guest, here and below. Missing parents are made; one made already stays."""
        if path in ("", "/") or path in self._folders:
            return
        self.folder(os.path.dirname(path))
        self._folders.add(path)
        self._entry(path, stat.S_IFDIR | mode, b"")

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFREG | mode, content)

    def link(self, path: str, target: str) -> None:
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, source: str, path: str) -> None:
        """What lies in the folder `source` of this machine, with links as links; sockets and devices are left out."""
        self.folder(path)
        for name in sorted(os.listdir(source)):
            here, there = os.path.join(source, name), f"{path.rstrip('/')}/{name}"
            mode = os.lstat(here).st_mode
            if stat.S_ISLNK(mode):
                self.link(there, os.readlink(here))
            elif stat.S_ISDIR(mode):
                self.tree(here, there)
            elif stat.S_ISREG(mode):
                with open(here, "rb") as file:
                    self.file(there, file.read(), 0o755 if mode & stat.S_IXUSR else 0o644)

    def close(self) -> None:
        self._entry("/TRAILER!!!", 0, b"")

    def _entry(self, path: str, mode: int, content: bytes) -> None:
        name = path.lstrip("/").encode() + b"\0"
        self._entries += 1
        # ino, mode, uid, gid, nlink, mtime, size, four device numbers, length of the name, checksum
        fields = (self._entries, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % number for number in fields) + name
        for part in (head, content):
            self._file.write(part + b"\0" * (-len(part) % _BLOCK_BYTES))
