"""A binary that an operator names by path and hash, because nobody packages it for us."""

import hashlib
import os
from dataclasses import dataclass

from kelpie.errors import ToolUnavailable


class BinaryRefused(ToolUnavailable):
    """The file is not the one that was named."""


@dataclass(frozen=True, slots=True)
class Binary:
    """`path` of an executable, and the SHA-256 its publisher gives for it, in hexadecimal."""

    path: str
    sha256: str

    def read(self) -> bytes:
        """Its content. Raises ToolUnavailable if there is none, BinaryRefused if it is another one."""
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise ToolUnavailable(f"{self.path} can't be read: {error.strerror}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256.strip().lower():
            raise BinaryRefused(f"{self.path} is refused: its SHA-256 is {found}, not the one that was named")
        return content

    def copy(self, folder: str) -> str:
        """A copy that nobody else can change between this check and its use. Raises what `read` raises."""
        content = self.read()
        os.makedirs(folder, mode=0o755, exist_ok=True)
        path = os.path.join(folder, os.path.basename(self.path))
        temporary = f"{path}.new"
        with open(temporary, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o755)  # noqa: S103 - a program that a reserved user runs
        os.replace(temporary, path)
        return path
