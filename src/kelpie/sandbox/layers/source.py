"""Where packages come from: nowhere, unless the operator says so."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kelpie.errors import InvalidInput

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Part of a layer's hash: packages from elsewhere are other packages.

    index   the address of an index, which may hold a password; "" for the public one
    folder  a folder of wheels, and then no index at all
    """

    index: str = field(default="", repr=False)
    folder: str = ""

    def arguments(self) -> list[str]:
        return ["--no-index", "-f", self.folder] if self.folder else []

    def environment(self) -> dict[str, str]:
        """The address travels in a variable: command lines can be read by anybody on the machine."""
        return {"UV_DEFAULT_INDEX": self.index} if self.index else {}

    def redacted(self, text: str) -> str:
        """What an installation said, without the address's password."""
        password = urlsplit(self.index).password
        return text.replace(password, "****") if password else text


def read_source(setting: str) -> PackageSource | None:
    """`public`, an index's address, or the absolute path of a folder; None for an empty setting. Raises InvalidInput,
    without repeating what may be a secret."""
    if not setting:
        return None
    if setting == PUBLIC:
        return PackageSource()
    if setting.startswith(("http://", "https://")) and urlsplit(setting).hostname:
        return PackageSource(index=setting)
    if os.path.isabs(setting) and os.path.isdir(setting):
        return PackageSource(folder=setting)
    raise InvalidInput("KELPIE_PACKAGES is 'public', an index's address, or the absolute path of a folder of wheels")
